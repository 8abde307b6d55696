"""A server's chunks into our events, and into an account that says only what is known."""

from collections.abc import Iterator

from llmtui.domain.events import (
    Delta,
    Finished,
    FinishReason,
    Notice,
    PrefillProgress,
    ReasoningDelta,
    Timings,
    TurnEvent,
)
from llmtui.domain.settings import Sampling
from llmtui.domain.text import visible_line
from llmtui.engines.http.alarms import truncation
from llmtui.engines.openai.wire import Chunk, Piece, Progress, ServerTimings, Usage
from llmtui.engines.thoughts import Said, ThoughtSplitter

_MS = 1_000_000
_LONGEST_MS = 1e12


class Account:
    """What one answer has brought so far.

    A chunk may hold any number of tokens. Where the server counts them as it goes (llama-server's timings, vLLM's
    continuous usage) the count comes along; elsewhere a chunk's tokens stay unknown, and the usage at the end, if it
    comes, tells the sum. llama-server's own clock also tells when each token was made, whatever the network did since.

    Attributes:
        finish_reason: as the server calls it; None until it says so.
        begun: something of the answer has come, if only its place.

    Args:
        sampling: of the turn.
        seed: that was sent.
        context_size: tokens; None where the server does not say.
    """

    def __init__(self, sampling: Sampling, seed: int, context_size: int | None, *, raw: bool = False) -> None:
        self._thoughts = ThoughtSplitter(active=not raw)
        self.finish_reason: str | None = None
        self.begun = False
        self._sampling = sampling
        self._seed = seed
        self._context_size = context_size
        self._usage: Usage | None = None
        self._timings: ServerTimings | None = None
        self._progress: Progress | None = None
        self._counted: int | None = 0
        self._anchor_ns: int | None = None
        self._last_ns = 0
        self._tail = ""
        self._missed_stop: str | None = None

    def take(self, chunk: Chunk, t_ns: int) -> Iterator[TurnEvent]:
        """The events of a chunk that arrived at `t_ns`."""
        if chunk.prompt_progress is not None:
            self._progress = progress = chunk.prompt_progress
            yield PrefillProgress(progress.processed, progress.total, progress.cache, t_ns)
        self._usage = chunk.usage or self._usage
        self._timings = chunk.timings or self._timings
        text = thought = ""
        for choice in (chunk.choices or [])[:1]:
            self.begun = True
            piece = choice.delta or choice.message or Piece()
            text, thought = choice.text or piece.content or "", piece.reasoning_content or piece.reasoning or ""
            self.finish_reason = choice.finish_reason or self.finish_reason
        self._watch(text)
        yield from self._generated(text, thought, chunk, t_ns)

    def finished(self, t_ns: int, reason: FinishReason | None = None) -> Finished:
        """The end; without a `reason` the server's own."""
        return Finished(reason or self._reason(), self.timings(), t_ns)

    def notices(self, sent: int) -> Iterator[Notice]:
        """What the end of the turn shows the server not to have done as it was asked.

        Args:
            sent: tokens of the prompt, as we estimate them.
        """
        limit, written = self._sampling.max_tokens, self._completion_tokens()
        if limit is not None and written is not None and written > limit + 1:  # some count an end token more
            yield Notice(
                "options",
                f"The server wrote {written:,} tokens though at most {limit:,} were asked for",
                "Stop the answer by hand, or see whether the server has its own setting for the length.",
            )
        if self._missed_stop is not None:
            yield Notice(
                "options",
                f"The server went on behind the stop text {visible_line(self._missed_stop)!r}",
                "See whether it has its own setting for stop texts.",
            )
        alarm = truncation(sent, self._prompt_tokens(), self._context_size)
        if alarm is not None:
            yield alarm

    def timings(self) -> Timings:
        """The account as far as the server has given it."""
        prompt, cached = self._prompt_tokens(), self._cached_tokens()
        completion = self._completion_tokens()
        known = self._timings or ServerTimings()
        return Timings(
            prompt_tokens=prompt,
            cached_tokens=cached,
            prefill_ns=_nanoseconds(known.prompt_ms) if known.prompt_n > 0 else None,
            completion_tokens=completion,
            decode_ns=_nanoseconds(known.predicted_ms) if known.predicted_n > 1 else None,
            context_used=None if prompt is None or not completion else prompt + completion - 1,
            seed=self._seed,
            source="engine",
        )

    def _watch(self, text: str) -> None:
        """Look for what the server should have stopped at, also across chunks."""
        stops = [stop for stop in self._sampling.stop if stop]
        if not stops or not text:
            return
        self._tail += text
        self._missed_stop = self._missed_stop or next((stop for stop in stops if stop in self._tail), None)
        self._tail = self._tail[-max(map(len, stops)) :]

    def _generated(self, text: str, thought: str, chunk: Chunk, t_ns: int) -> Iterator[Delta | ReasoningDelta]:
        """A chunk's thoughts and text; its tokens count with whichever comes first."""
        new = self._new_tokens(chunk, text or thought)
        stamps = () if new == 0 else (self._stamp(chunk, t_ns),)
        counted = 1 if new == 0 else new
        pieces = [Said(thought=True, text=thought)] if thought else []
        pieces += self._thoughts.feed(text) if text else []
        if not pieces and stamps:
            pieces = [Said(thought=self._thoughts.thinking, text="")]
        for piece in pieces:
            yield (ReasoningDelta if piece.thought else Delta)(piece.text, stamps, counted)
            stamps, counted = (), 1

    def rest(self) -> Iterator[Delta | ReasoningDelta]:
        """Text that was held back because it might have become a marker of thoughts."""
        for piece in self._thoughts.flush():
            yield (ReasoningDelta if piece.thought else Delta)(piece.text, ())

    def _new_tokens(self, chunk: Chunk, text: str) -> int | None:
        """Tokens that this chunk brought; None when it brought text and nobody counted."""
        total: int | None = None
        if chunk.timings is not None:
            total = chunk.timings.predicted_n
        elif chunk.usage is not None:
            total = chunk.usage.completion_tokens
        if text and total is not None and total <= 0:  # sent along by servers that do not count as they write
            total = None
        if total is None or self._counted is None:
            if text:
                self._counted = None
            return None if text else 0
        new = max(0, total - self._counted)
        self._counted += new
        return new

    def _stamp(self, chunk: Chunk, t_ns: int) -> int:
        """When the chunk's last token was made: by the server's clock, never later than it arrived here."""
        stamp = t_ns
        if chunk.timings is not None:
            made_ns = _nanoseconds(chunk.timings.predicted_ms) or 0
            if self._anchor_ns is None:
                self._anchor_ns = t_ns - made_ns
            stamp = min(t_ns, self._anchor_ns + made_ns)
        self._last_ns = max(self._last_ns, stamp)
        return self._last_ns

    def _prompt_tokens(self) -> int | None:
        told, known = self._usage or Usage(), self._timings or ServerTimings()
        if told.prompt_tokens is not None and told.prompt_tokens > 0:
            return told.prompt_tokens
        if known.cache_n is not None and known.cache_n >= 0 and known.prompt_n > 0:
            return known.prompt_n + known.cache_n
        return self._progress.total if self._progress is not None else None

    def _cached_tokens(self) -> int | None:
        """Where the server says so, and what it says can be."""
        details = self._usage.prompt_tokens_details if self._usage is not None else None
        told = (
            details.cached_tokens if details is not None else None,
            self._timings.cache_n if self._timings is not None else None,
            self._progress.cache if self._progress is not None else None,
        )
        prompt = self._prompt_tokens()
        return next((n for n in told if n is not None and n >= 0 and (prompt is None or n <= prompt)), None)

    def _completion_tokens(self) -> int | None:
        told = self._usage.completion_tokens if self._usage is not None else None
        return told if told is not None and told > 0 else self._counted

    def _reason(self) -> FinishReason:
        """`length` is ours when our limit was reached, else the context's, when that is known to be full."""
        if self.finish_reason != "length":
            return "stop"
        prompt, completion = self._prompt_tokens(), self._completion_tokens()
        limit = self._sampling.max_tokens
        if completion is not None and limit is not None and completion >= limit:
            return "length"
        if self._context_size is None or prompt is None or completion is None:
            return "length"
        return "context_full" if prompt + completion >= self._context_size else "length"


def _nanoseconds(milliseconds: float) -> int | None:
    """A span that can be; None for what is no time, or longer than thirty years."""
    return round(milliseconds * _MS) if 0 < milliseconds < _LONGEST_MS else None
