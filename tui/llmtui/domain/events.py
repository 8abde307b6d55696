"""The one vocabulary of events. Live view, transcript and tests fold the same stream.

Clocks are `time.perf_counter_ns` of this machine: on one machine the worker's and the program's stamps compare.
"""

from typing import Literal

import msgspec

from llmtui.domain.models import AttachedAdapter, LoadedModel

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


class Generated(msgspec.Struct, frozen=True):
    """Text that the model wrote and the stamp of every token behind it.

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


class Delta(Generated, frozen=True, tag="delta"):
    """More of the answer."""


class ReasoningDelta(Generated, frozen=True, tag="reasoning"):
    """More of what the model thinks before it answers, from an engine that tells the two apart.

    Its tokens are generated ones like any other; its text is no part of the answer.
    """


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """Something the user should know of a turn that goes on.

    Attributes:
        kind: `truncated`: the engine read less than it was sent; `options`: it does not do as it was asked;
            `template`: the conversation does not go into its template as it is, or the template is a guess; `dropped`:
            older messages were not sent, because the conversation does not fit; `replica`: one of several servers that
            share the work has come or gone.
        text: one or two sentences without a full stop at the end, safe to show.
        remedy: what the user can do.
    """

    kind: Literal["truncated", "options", "template", "dropped", "replica"]
    text: str
    remedy: str


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
        template_note: how the conversation was changed so that its template takes it.
        seed: used for sampling.
        load_ns: that the engine spent on loading the model in this turn; None where it was loaded already.
        options: sampling options as the engine took them, under its own names; None where they are those asked for.
        adapters: that acted on the model; None where the engine knows of none.
        replica: the URL, `#` and the model's id of the server that answered, where several share the work.
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
    template_note: str | None = None
    seed: int | None = None
    load_ns: int | None = None
    options: dict[str, int | float | str | list[str]] | None = None
    adapters: tuple[AttachedAdapter, ...] | None = None
    replica: str | None = None
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
TurnEvent = PrefillProgress | Delta | ReasoningDelta | Notice | Finished | Failed
