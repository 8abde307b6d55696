"""An Ollama server's parts into our events, and its account into our definitions."""

from collections.abc import Iterator

from llmtui.domain.events import (
    Delta,
    Finished,
    FinishReason,
    ReasoningDelta,
    Timings,
    TurnEvent,
)
from llmtui.domain.settings import Sampling
from llmtui.engines.ollama.wire import Options, Part
from llmtui.engines.thoughts import Said, ThoughtSplitter

LOADED_NS = 500_000_000
"""A model that is in memory is found in less; from here on the server loaded it in this turn."""


class Account:
    """What one answer has brought so far.

    A part may hold any number of tokens: the server holds back characters that are not whole and what may become a
    stop string. So tokens are counted by the account at the end only.

    Args:
        sampling: of the turn.
        seed: that was sent.
        options: as they were sent.
        context_size: tokens; None where the server does not say.
        fresh: the model was loaded for us and has evaluated nothing yet.
    """

    def __init__(
        self,
        sampling: Sampling,
        seed: int,
        options: Options,
        context_size: int | None,
        *,
        fresh: bool,
        raw: bool = False,
    ) -> None:
        self.done = False
        self._sampling = sampling
        self._seed = seed
        self._options = options
        self._context_size = context_size
        self._fresh = fresh
        self._last = Part()
        self._thoughts = ThoughtSplitter(active=not raw)

    def take(self, part: Part, t_ns: int) -> Iterator[TurnEvent]:
        """The events of a part that arrived at `t_ns`."""
        pieces = [Said(thought=True, text=part.thought)] if part.thought else []
        pieces += self._thoughts.feed(part.text) if part.text else []
        if part.text and not pieces:
            pieces = [Said(thought=self._thoughts.thinking, text="")]
        stamps: tuple[int, ...] = (t_ns,)
        for piece in pieces:
            yield (ReasoningDelta if piece.thought else Delta)(piece.text, stamps, None)
            stamps = ()
        if part.done:
            self.done, self._last = True, part

    def rest(self) -> Iterator[Delta | ReasoningDelta]:
        """Text that was held back because it might have become a marker of thoughts."""
        for piece in self._thoughts.flush():
            yield (ReasoningDelta if piece.thought else Delta)(piece.text, (), None)

    @property
    def prompt_tokens(self) -> int | None:
        """Of the prompt as the server evaluated it; None before the end, and where it does not tell."""
        return self._last.prompt_eval_count or None

    def finished(self, t_ns: int, reason: FinishReason | None = None) -> Finished:
        """The end; without a `reason` the server's own."""
        return Finished(reason or self._reason(), self.timings(), t_ns)

    def timings(self) -> Timings:
        """The server's account by our definitions.

        `eval_count` is all generated tokens, the end token included. `eval_duration` starts when the prompt has been
        evaluated and the first token is about to be drawn, and ends with the last one: it spans the n - 1 evaluations
        between them, which is our t_n - t_1. (Dividing n by it, as Ollama itself does, reads high.)
        `prompt_eval_duration` covers what was not in the cache; `prompt_eval_count` is the whole prompt.
        """
        last, prompt = self._last, self.prompt_tokens
        completion = last.eval_count if self.done else None
        load_ns = last.load_duration or 0
        loaded_now = load_ns >= LOADED_NS
        cached = last.prompt_eval_cached_count
        if cached is None and (self._fresh or loaded_now) and prompt is not None:
            cached = 0
        return Timings(
            prompt_tokens=prompt,
            cached_tokens=cached,
            prefill_ns=last.prompt_eval_duration or None,
            completion_tokens=completion,
            decode_ns=last.eval_duration if completion is not None and completion > 1 and last.eval_duration else None,
            context_used=None if prompt is None or not completion else prompt + completion - 1,
            seed=self._seed,
            load_ns=load_ns if loaded_now else None,
            options=self._options,
            source="engine",
        )

    def _reason(self) -> FinishReason:
        """`length` is ours when our limit was reached, else the context's, when that is known to be full."""
        if self._last.done_reason != "length":
            return "stop"
        prompt, completion, limit = self.prompt_tokens, self._last.eval_count, self._sampling.max_tokens
        if completion is not None and limit is not None and completion >= limit:
            return "length"
        if self._context_size is None or prompt is None or completion is None:
            return "length"
        return "context_full" if prompt + completion >= self._context_size else "length"
