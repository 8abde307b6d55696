"""Settings of a turn (sampling), of a loaded model (runtime) and of a server. Frozen; a change makes a new value."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from llmtui.domain.kv_types import FlashAttention, KvType, is_quantised
from llmtui.domain.limits import MAX_FACTOR, MAX_GRAMMAR, MAX_INT, MAX_SCALE, MAX_SEED
from llmtui.domain.quantities import parse_size
from llmtui.domain.reasoning import Effort, Reasoning, Switch

DEFAULT_CONTEXT = 8192
"""Tokens a slot gets when nothing is asked for, where the model was trained on as many."""
LARGEST_SHARE = 0.9
"""Of memory that could be had: the rest is for what cannot be foreseen, and for other programs."""
LARGEST_PORT = 0xFFFF
_ENDPOINT = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}")
"""llama.cpp takes what stands before the first colon as the host, so no address of IPv6."""
Fraction = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class Sampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an answer is generated: how the next token is drawn, what ends it, and whether the model thinks before.

    Attributes:
        temperature: 0 is greedy: the likeliest token, whatever the other fields say.
        top_k: keep the k likeliest; 0 keeps all.
        top_p: keep the smallest set whose probability reaches p; 1 keeps all.
        min_p: drop tokens below this share of the likeliest; 0 drops none.
        repeat_penalty: divide the logits of recent tokens by this; 1 changes nothing.
        typical_p: keep the tokens nearest to the expected surprise whose probabilities sum to p; 1 keeps all.
        repeat_last_n: how many recent tokens the penalties look at.
        presence_penalty: taken off the logits of recent tokens, once each; 0 changes nothing.
        frequency_penalty: taken off once for each time a recent token occurred.
        dry_multiplier: strength of the penalty on repeating a sequence ("don't repeat yourself"); 0 is off.
        dry_base: each further token of the repeated sequence multiplies the penalty by this.
        dry_allowed_length: sequences up to this many tokens may be repeated freely.
        dry_last_n: tokens that are searched for repetition; None searches the whole context.
        xtc_probability: chance, at each token, to exclude the likeliest choices; 0 is off.
        xtc_threshold: of the tokens above this probability all but the least likely are excluded.
        mirostat: 1 or 2 holds the surprise at `mirostat_tau` and replaces the filters above; 0 is off.
        mirostat_tau: surprise aimed at, in bits.
        mirostat_eta: how fast it is corrected.
        seed: None draws one, and the manifest records which.
        max_tokens: generate at most this many; None until the context is full.
        stop: strings that end the answer; they are not part of it.
        ignore_eos: go on after the end token (benchmarks).
        grammar: in GBNF, llama.cpp's format; the answer follows it from its rule `root`.
        json_schema: the answer is JSON that fits this schema.
        reasoning: whether the model thinks before it answers, where its chat template or server has a switch for it;
            None leaves it to the model.
        reasoning_effort: how hard, where they know efforts; without meaning where `reasoning` is off.
    """

    temperature: Annotated[float, Meta(ge=0, le=MAX_FACTOR)] = 0.7
    top_k: Annotated[int, Meta(ge=0, le=MAX_INT)] = 40
    top_p: Fraction = 0.95
    min_p: Fraction = 0.05
    repeat_penalty: Annotated[float, Meta(gt=0, le=MAX_FACTOR)] = 1.0
    typical_p: Fraction = 1.0
    repeat_last_n: Annotated[int, Meta(ge=0, le=MAX_INT)] = 64
    presence_penalty: Penalty = 0.0
    frequency_penalty: Penalty = 0.0
    dry_multiplier: Annotated[float, Meta(ge=0, le=MAX_FACTOR)] = 0.0
    dry_base: Annotated[float, Meta(ge=1, le=MAX_FACTOR)] = 1.75
    dry_allowed_length: Annotated[int, Meta(ge=0, le=MAX_INT)] = 2
    dry_last_n: Annotated[int, Meta(ge=0, le=MAX_INT)] | None = None
    xtc_probability: Fraction = 0.0
    xtc_threshold: Fraction = 0.1
    mirostat: Literal[0, 1, 2] = 0
    mirostat_tau: Annotated[float, Meta(ge=0, le=MAX_FACTOR)] = 5.0
    mirostat_eta: Fraction = 0.1
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_INT)] | None = None
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    grammar: Annotated[str, Meta(min_length=1, max_length=MAX_GRAMMAR)] | None = None
    json_schema: dict[str, Any] | None = None
    reasoning: Switch | None = None
    reasoning_effort: Effort | None = None

    def __post_init__(self) -> None:
        """Refuse settings that exclude each other."""
        if self.grammar is not None and self.json_schema is not None:
            raise ValueError("`grammar` and `json_schema` cannot both be given")
        if self.ignore_eos and (self.grammar is not None or self.json_schema is not None):
            raise ValueError("`ignore_eos` leaves an answer that must follow a grammar no end")

    @property
    def thinking(self) -> Reasoning:
        """What is asked of the model's thinking."""
        return Reasoning(self.reasoning, self.reasoning_effort)


class Adapter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A LoRA adapter to be attached to a model.

    Attributes:
        path: of its `.gguf` file.
        scale: how strongly it acts: 1 as it was trained, 0 not at all; a negative one acts against it.
    """

    path: str
    scale: Annotated[float, Meta(ge=-MAX_SCALE, le=MAX_SCALE)] = 1.0


class Runtime(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a model is loaded.

    Attributes:
        context: tokens per slot; None takes the trained context, at most 8,192.
        threads: None takes the physical cores this process may use.
        gpu_layers: None offloads all when the build has a GPU back end; 0 none.
        batch: tokens of a prompt evaluated at once, which is also how often a prefill can be cancelled.
        micro_batch: tokens that one pass through the layers takes, at most a batch; None takes the whole batch. Less
            needs smaller compute buffers.
        flash_attention: `auto` leaves it to llama.cpp, which asks the device.
        kv_type_k: of the keys in the cache.
        kv_type_v: of the values in the cache; a quantised one needs flash attention.
        slots: sequences in flight.
        mmap: map the file instead of reading it.
        rpc: `host:port` of llama.cpp's RPC workers on other machines, over which the model's layers are spread.
        adapters: LoRA adapters to attach; they belong to one base model, so the configuration takes none.
    """

    context: Annotated[int, Meta(ge=16, le=MAX_INT)] | None = None
    threads: Annotated[int, Meta(ge=1, le=1024)] | None = None
    gpu_layers: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    batch: Annotated[int, Meta(ge=1, le=65_536)] = 512
    micro_batch: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    flash_attention: FlashAttention = "auto"
    kv_type_k: KvType = "f16"
    kv_type_v: KvType = "f16"
    slots: Annotated[int, Meta(ge=1, le=256)] = 1
    mmap: bool = True
    rpc: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    adapters: tuple[Adapter, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what llama.cpp cannot do."""
        for endpoint in self.rpc:
            if not is_endpoint(endpoint):
                raise ValueError(f"{endpoint!r} in `rpc` is not of the form host:port")
        if self.flash_attention == "off" and is_quantised(self.kv_type_v):
            raise ValueError(f"`kv_type_v: {self.kv_type_v}` needs flash attention, and `flash_attention` is off")


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many models stay loaded, so that going back to one takes no time.

    Attributes:
        memory: that all loaded models may take together, the one that answers included: a size (`"8GiB"`, or bytes),
            or as a number up to 1 the share of what could be had if none were loaded. At most nine tenths of that are
            ever taken. 0 keeps only the model that answers.
        models: loaded at once, models on servers not counted; None sets no number.
    """

    memory: Annotated[float, Meta(ge=0, le=2**60)] | str = 0.9
    models: Annotated[int, Meta(ge=1, le=MAX_INT)] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no size."""
        if isinstance(self.memory, str):
            parse_size(self.memory)

    def budget(self, obtainable_bytes: int | None) -> int | None:
        """Bytes that all loaded models may take; None where neither the setting nor the system tells.

        Args:
            obtainable_bytes: that could be had if no model were loaded; None where unknown.
        """
        share = None if isinstance(self.memory, str) or self.memory > 1 else self.memory
        size = parse_size(self.memory) if isinstance(self.memory, str) else int(self.memory)
        if obtainable_bytes is None:
            return size if share is None else None
        most = LARGEST_SHARE * obtainable_bytes
        return int(min(most, size if share is None else share * obtainable_bytes))


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_HEADERS = {"authorization", "proxy-authorization", "x-api-key", "api-key"}


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A server of models.

    Attributes:
        url: of the API, as a rule `http://host:port/v1`; of Ollama `http://host:port`.
        urls: in its place, those of several servers that serve the same models and share the work.
        kind: the API it speaks: OpenAI's, or Ollama's own.
        key_env: name of the environment variable that holds the API key; the key itself is never written down.
        headers: sent with every request.
        models: patterns (`*`, `?`) of the model ids to list; none lists all.
        verify: False accepts any TLS certificate; a path names the authority's file.
        standard_only: send no sampling option that OpenAI's own API does not know (top-k, min-p, repeat penalty).
        keep_alive: how long Ollama keeps a model in memory after a turn: seconds, or a text like `10m`; negative for
            ever; None leaves it to the server.
    """

    url: str = ""
    urls: tuple[str, ...] = ()
    kind: Literal["openai", "ollama"] = "openai"
    key_env: str | None = None
    headers: dict[str, str] = {}
    models: tuple[str, ...] = ()
    verify: bool | str = True
    standard_only: bool = False
    keep_alive: str | int | float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work, or what would put a secret into a file."""
        if self.url and self.urls:
            raise ValueError("`url` and `urls` are both given; put all addresses into `urls`")
        if not self.url and not self.urls:
            raise ValueError("`url` is missing, and so is `urls`")
        if self.urls and self.kind == "ollama":
            raise ValueError("Ollama's own API takes one `url`; for `urls` leave `kind` out and end each in /v1")
        for number, url in enumerate(self.addresses):
            check_url(url)
            if url.rstrip("/") in {other.rstrip("/") for other in self.addresses[:number]}:
                raise ValueError(f"{url!r} stands twice in `urls`")
        if self.key_env is not None and not _VARIABLE.fullmatch(self.key_env):
            raise ValueError("`key_env` is the name of an environment variable, not the key itself")
        for name, value in self.headers.items():
            if name.casefold() in _SECRET_HEADERS:
                raise ValueError(
                    f"the header {name} would hold a secret; put it into a variable and name it in `key_env`"
                )
            if not name.isascii() or not name.isprintable() or " " in name or not value.isprintable():
                raise ValueError(f"{name!r} cannot be sent as a header")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every URL, one as a rule."""
        return self.urls or (self.url,)

    @property
    def replicas(self) -> "tuple[Server, ...]":
        """A server for each URL."""
        return tuple(msgspec.structs.replace(self, url=url, urls=()) for url in self.addresses)

    @property
    def hosts(self) -> tuple[str, ...]:
        """What tells the replicas apart, in few words: host and port, and the path where that is not enough."""
        parts = [urlsplit(url) for url in self.addresses]
        alone = [sum(part.netloc == other.netloc for other in parts) == 1 for part in parts]
        return tuple(part.netloc + ("" if only else part.path) for only, part in zip(alone, parts, strict=True))


def is_endpoint(text: str) -> bool:
    """Whether it is `host:port`."""
    return _ENDPOINT.fullmatch(text) is not None and int(text.rpartition(":")[2]) <= LARGEST_PORT


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
