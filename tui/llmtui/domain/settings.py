"""Settings of a turn (sampling), of a loaded model (runtime) and of a server. Frozen; a change makes a new value."""

import re
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from llmtui.domain.limits import MAX_FACTOR, MAX_INT

Fraction = Annotated[float, Meta(ge=0, le=1)]


class Sampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the next token is drawn.

    Attributes:
        temperature: 0 is greedy: the likeliest token, whatever the other fields say.
        top_k: keep the k likeliest; 0 keeps all.
        top_p: keep the smallest set whose probability reaches p; 1 keeps all.
        min_p: drop tokens below this share of the likeliest; 0 drops none.
        repeat_penalty: divide the logits of recent tokens by this; 1 changes nothing.
        repeat_last_n: how many recent tokens the penalty looks at.
        seed: None draws one, and the manifest records which.
        max_tokens: generate at most this many; None until the context is full.
        stop: strings that end the answer; they are not part of it.
        ignore_eos: go on after the end token (benchmarks).
    """

    temperature: Annotated[float, Meta(ge=0, le=MAX_FACTOR)] = 0.7
    top_k: Annotated[int, Meta(ge=0, le=MAX_INT)] = 40
    top_p: Fraction = 0.95
    min_p: Fraction = 0.05
    repeat_penalty: Annotated[float, Meta(gt=0, le=MAX_FACTOR)] = 1.0
    repeat_last_n: Annotated[int, Meta(ge=0, le=MAX_INT)] = 64
    seed: Annotated[int, Meta(ge=0, le=0xFFFFFFFE)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_INT)] | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


class Runtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is loaded.

    Attributes:
        context: tokens per slot; None takes the trained context, at most 8,192.
        threads: None takes the physical cores this process may use.
        gpu_layers: None offloads all when the build has a GPU back end; 0 none.
        batch: tokens of a prompt evaluated at once, which is also how often a prefill can be cancelled.
        slots: sequences in flight.
        mmap: map the file instead of reading it.
    """

    context: Annotated[int, Meta(ge=16, le=MAX_INT)] | None = None
    threads: Annotated[int, Meta(ge=1, le=1024)] | None = None
    gpu_layers: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    batch: Annotated[int, Meta(ge=1, le=65_536)] = 512
    slots: Annotated[int, Meta(ge=1, le=256)] = 1
    mmap: bool = True


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_HEADERS = {"authorization", "proxy-authorization", "x-api-key", "api-key"}


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A server that speaks the OpenAI-compatible API.

    Attributes:
        url: of the API, as a rule `http://host:port/v1`.
        key_env: name of the environment variable that holds the API key; the key itself is never written down.
        headers: sent with every request.
        models: patterns (`*`, `?`) of the model ids to list; none lists all.
        verify: False accepts any TLS certificate; a path names the authority's file.
        standard_only: send no sampling option that OpenAI's own API does not know (top-k, min-p, repeat penalty).
    """

    url: str
    key_env: str | None = None
    headers: dict[str, str] = {}
    models: tuple[str, ...] = ()
    verify: bool | str = True
    standard_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot work, or what would put a secret into a file."""
        check_url(self.url)
        if self.key_env is not None and not _VARIABLE.fullmatch(self.key_env):
            raise ValueError("`key_env` is the name of an environment variable, not the key itself")
        for name, value in self.headers.items():
            if name.casefold() in _SECRET_HEADERS:
                raise ValueError(
                    f"the header {name} would hold a secret; put it into a variable and name it in `key_env`"
                )
            if not name.isascii() or not name.isprintable() or " " in name or not value.isprintable():
                raise ValueError(f"{name!r} cannot be sent as a header")


def check_url(url: str) -> str:
    """A server's URL, unchanged.

    Raises:
        ValueError: saying what is wrong with it.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is not a URL of the form http://host:port/v1")
    if parts.port == 0:
        raise ValueError(f"{url!r} has no usable port")
    if parts.username or parts.password:
        raise ValueError("the URL holds a name or password; put the key into a variable and name it in `key_env`")
    return url
