"""The one vocabulary of events. Live view, transcript and tests fold the same stream.

Clocks are `time.perf_counter_ns` of this machine: on one machine the worker's and the program's stamps compare.
"""

from typing import Literal

import msgspec

from llmtui.domain.models import LoadedModel

FinishReason = Literal["stop", "length", "cancelled", "context_full", "error"]
FailureKind = Literal["memory", "model", "engine", "context", "template", "usage"]
Source = Literal["engine", "measured", "estimated"]


class LoadProgress(msgspec.Struct, frozen=True, tag="load_progress"):
    """A model is being opened.

    Attributes:
        stage: in words, e.g. `reading weights`.
        fraction: 0 to 1; None where the engine does not say.
    """

    stage: str
    fraction: float | None = None


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model is ready."""

    model: LoadedModel


class PrefillProgress(msgspec.Struct, frozen=True, tag="prefill"):
    """Part of the prompt is evaluated.

    Attributes:
        done: prompt tokens in the cache so far, the cached ones included.
        total: tokens of the whole prompt.
        cached: tokens that were in the KV cache already.
        t_ns: when.
    """

    done: int
    total: int
    cached: int
    t_ns: int


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """More of the answer: text and the stamp of every token behind it.

    Engines gather the tokens of a few milliseconds into one event, so a stamp a token is kept. The text may be
    empty: a character's bytes can come in several tokens, and a possible stop string is held back.

    Attributes:
        text: what to append.
        t_ns: one stamp a token, taken right after sampling; from a server that sends several tokens at once, one
            stamp a chunk.
        tokens_per_stamp: 1 for stamps of tokens; for a chunk, how many tokens it brought, None where the server does
            not say: a chunk must never be counted as a token.
    """

    text: str
    t_ns: tuple[int, ...]
    tokens_per_stamp: int | None = 1

    @property
    def n_tokens(self) -> int | None:
        """Tokens in this event; None where the server does not say."""
        return None if self.tokens_per_stamp is None and self.t_ns else len(self.t_ns) * (self.tokens_per_stamp or 0)


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's account of a turn. Counts are tokens, spans nanoseconds; None where it does not know.

    Attributes:
        prompt_tokens: the whole prompt, cached part included.
        cached_tokens: the part reused from the KV cache.
        prefill_ns: from the first evaluation of the prompt to its logits.
        completion_tokens: generated, end token included.
        decode_ns: from the first token to the last on the engine's own clock, where tokens are not stamped here.
        context_used: tokens in the sequence after the turn.
        kv_bytes: live KV of this sequence.
        cache_miss_at: first prompt token that differed from the cache, when a cache was there and did not fit.
        rendered_sha256: of the rendered prompt's UTF-8 bytes.
        bos_count: begin-of-sequence tokens at the head of the prompt; two is a template's mistake.
        seed: used for sampling.
        source: who measured it.
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    prefill_ns: int | None = None
    completion_tokens: int | None = None
    decode_ns: int | None = None
    context_used: int | None = None
    kv_bytes: int | None = None
    cache_miss_at: int | None = None
    rendered_sha256: str | None = None
    bos_count: int | None = None
    seed: int | None = None
    source: Source = "measured"


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The turn ended, also when it was cancelled."""

    reason: FinishReason
    timings: Timings
    t_ns: int


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The turn or the load ended in an error; the three parts are those of `llmtui.errors`."""

    kind: FailureKind
    title: str
    cause: str
    remedy: str


LoadEvent = LoadProgress | Loaded
TurnEvent = PrefillProgress | Delta | Finished | Failed
