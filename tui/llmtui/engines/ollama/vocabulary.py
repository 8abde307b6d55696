"""The vocabulary of a server's model, from its verbose description."""

import msgspec

from llmtui.engines.ollama.connection import Connection
from llmtui.errors import EngineError

_PREFIX = "tokenizer.ggml."


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """What a tokenizer is built from, as GGUF files have it; None where the server leaves it out.

    Attributes:
        model: kind of tokenizer, e.g. `gpt2` for byte-pair encoding.
        pre: name of the splitting that comes before it, e.g. `qwen2`.
        tokens: by id.
        merges: pairs by rank, a space between; empty for kinds without.
        token_types: one a token, as GGUF numbers them.
        add_bos: whether a begin token is put before every prompt.
        bos, eos: ids.
    """

    model: str
    pre: str | None
    tokens: tuple[str, ...]
    merges: tuple[str, ...]
    token_types: tuple[int, ...]
    add_bos: bool | None = None
    bos: int | None = None
    eos: int | None = None


class _Info(msgspec.Struct):
    model: str | None = msgspec.field(name=f"{_PREFIX}model", default=None)
    pre: str | None = msgspec.field(name=f"{_PREFIX}pre", default=None)
    tokens: list[str] | None = msgspec.field(name=f"{_PREFIX}tokens", default=None)
    merges: list[str] | None = msgspec.field(name=f"{_PREFIX}merges", default=None)
    token_type: list[int] | None = msgspec.field(name=f"{_PREFIX}token_type", default=None)
    add_bos: bool | None = msgspec.field(name=f"{_PREFIX}add_bos_token", default=None)
    bos: int | None = msgspec.field(name=f"{_PREFIX}bos_token_id", default=None)
    eos: int | None = msgspec.field(name=f"{_PREFIX}eos_token_id", default=None)


class _Verbose(msgspec.Struct):
    model_info: _Info = msgspec.field(default_factory=_Info)


async def vocabulary(connection: Connection, model: str) -> Vocabulary:
    """The whole vocabulary of a model: some ten megabytes for 150,000 tokens, so ask once.

    Args:
        connection: to the server.
        model: its name there.

    Raises:
        ModelError: the server has no such model.
        EngineError: it does not tell the vocabulary, as older versions and remote models do not.
    """
    body = {"model": model, "verbose": True}
    info = (await connection.post("/api/show", body, _Verbose, model=model, patient=True)).model_info
    if not info.tokens or not info.model:
        raise EngineError(
            f"{connection.name} does not tell the model's vocabulary",
            cause="its description holds no tokens",
            remedy="Go by the estimate, which is marked with ~.",
        )
    return Vocabulary(
        model=info.model,
        pre=info.pre,
        tokens=tuple(info.tokens),
        merges=tuple(info.merges or ()),
        token_types=tuple(info.token_type or ()),
        add_bos=info.add_bos,
        bos=info.bos,
        eos=info.eos,
    )
