"""An engine that plays a script: for tests, and for working on the screens without a model."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import cycle

import msgspec

from llmtui.domain.events import (
    Delta,
    Failed,
    Finished,
    FinishReason,
    Loaded,
    LoadEvent,
    LoadProgress,
    Notice,
    PrefillProgress,
    ReasoningDelta,
    Timings,
    TurnEvent,
)
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.rendered import SPECIAL, Rendered, assemble, marked_all
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import well_formed
from llmtui.engines.base import GenerateRequest, failure_of, not_loaded, prompt_too_long
from llmtui.engines.streaming import AnswerText
from llmtui.errors import LlmtuiError

_SIGNS = frozenset({"<", ">"})
_TOKEN = re.compile(r"[a-zA-Z]+|\d|\s+|.", re.DOTALL)
PREFILL_STEPS = 4
KV_BYTES_PER_TOKEN = 64
LOAD_FRACTIONS = (0.0, 0.5, 1.0)


class ScriptedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the script.

    Attributes:
        tokens: its texts, one a token; the end token is added.
        thoughts: what the model thinks first, one a token.
        notices: remarked before anything is generated.
        delay_s: before each token.
        prefill_s: that evaluating the prompt takes, cached or not.
        prompt_tokens: what the prompt counts; None counts its words.
        failure: comes after the tokens, instead of the end.
        dies: the engine is gone after the tokens; a `failure` says why, else one is made up.
    """

    tokens: tuple[str, ...] = ()
    thoughts: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    delay_s: float = 0.0
    prefill_s: float = 0.0
    prompt_tokens: int | None = None
    failure: Failed | None = None
    dies: bool = False


class ScriptedEngine:
    """Plays one `ScriptedTurn` per request, from the first again after the last.

    Args:
        script: at least one turn.
        model: what `load` grants; None grants a small one.
        load_failure: raised by `load`.
        load_s: that loading takes.
    """

    def __init__(
        self,
        script: Sequence[ScriptedTurn],
        *,
        model: LoadedModel | None = None,
        load_failure: LlmtuiError | None = None,
        load_s: float = 0.0,
    ) -> None:
        self._script = cycle(script)
        self._granted = model or LoadedModel(
            name="scripted", description="a script", engine="scripted", engine_build="1", context_size=4096
        )
        self._load_failure = load_failure
        self._load_s = load_s
        self._loaded: LoadedModel | None = None
        self._gone: Failed | None = None
        self._running: dict[str, asyncio.Event] = {}
        self._caches: dict[int, list[int]] = {}
        self._ids: dict[str, int] = {}

    @property
    def loaded(self) -> LoadedModel | None:
        """What `load` granted; None before."""
        return self._loaded

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent now."""
        return self._loaded is not None and self._gone is None

    def last_log(self) -> list[str]:
        """A script has no log but its failure."""
        return [self._gone.title] if self._gone else []

    async def load(self) -> AsyncGenerator[LoadEvent]:
        """Report progress, then the model.

        Raises:
            LlmtuiError: the failure given.
        """
        for fraction in LOAD_FRACTIONS:
            yield LoadProgress("reading the script", fraction)
            await asyncio.sleep(self._load_s / len(LOAD_FRACTIONS))
        if self._load_failure is not None:
            raise self._load_failure
        self._loaded = msgspec.structs.replace(self._granted, load_s=self._load_s)
        yield Loaded(self._loaded)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        """Play the next turn of the script."""
        if not self.alive:
            yield self._gone or failure_of(not_loaded())
            return
        turn = next(self._script)
        cache = self._caches.setdefault(request.slot, [])
        play = _Play(turn, request, self._prompt(request.asked, request.template), cache)
        text = ""
        stopped = self._running[request.id] = asyncio.Event()
        try:
            async for event in play.events(self._granted.context_size or sys.maxsize, stopped):
                if self._gone is not None:
                    yield self._gone
                    return
                if isinstance(event, Delta):
                    text += event.text
                elif isinstance(event, Finished):
                    cache += self._tokenise(text)
                yield event
                if isinstance(event, Finished | Failed):
                    return
            self.die(turn.failure)
            yield self._gone or failure_of(not_loaded())
        finally:
            del self._running[request.id]

    def die(self, failure: Failed | None = None) -> None:
        """Be gone, like a worker that was killed: running turns end with `failure`, later ones begin with it."""
        self._gone = failure or Failed(
            "engine", "The model process was killed (signal 9, SIGKILL)", "the script says so", "Reload the model."
        )
        for stopped in self._running.values():
            stopped.set()

    async def cancel(self, request_id: str) -> None:
        """Stop a turn; unknown ids are ignored."""
        if stopped := self._running.get(request_id):
            stopped.set()

    async def count_prompt(
        self,
        prompt: Sequence[ChatMessage] | str,
        *,
        template: NamedTemplate | None = None,
        answer_start: str = "",
        thinking: Reasoning = NO_WISH,
    ) -> int:
        """Words, digits and signs; of a conversation some more a message, and the name of a template.

        Raises:
            EngineError: the engine is gone.
        """
        del thinking  # scripts do not think
        self._check()
        return len(self._prompt(prompt, template)) + len(self._tokenise(answer_start))

    async def tokenise(self, text: str) -> list[int]:
        """A number for every word, digit and sign.

        Raises:
            EngineError: the engine is gone.
        """
        self._check()
        return self._tokenise(text)

    async def explain(self, request: GenerateRequest) -> Rendered:
        """The script's rendering, a token for every word, digit and sign.

        Raises:
            EngineError: the engine is gone.
        """
        self._check()
        text = self._text(request.asked, request.template) + request.answer_start
        words = _TOKEN.findall(text)
        ids = [self._ids.setdefault(word, len(self._ids)) for word in words]
        frame = self._text(marked_all(request.messages), request.template) if request.messages else None
        flags = bytes(SPECIAL if word in _SIGNS else 0 for word in words)
        pieces = [word.encode() for word in words]
        size = self._granted.context_size
        shown = assemble(text, ids, pieces, flags, messages=request.messages, frame=frame, context_size=size)
        held = self._caches.get(request.slot, [])
        shared = _common_prefix(ids, held)
        miss = shared if shared < min(len(held), len(ids)) else None
        return msgspec.structs.replace(shown, cached=max(0, min(shared, len(ids) - 1)), miss=miss)

    async def close(self) -> None:
        """Be gone in order."""
        if self._gone is None:
            self.die(failure_of(not_loaded()))

    def _check(self) -> None:
        if not self.alive:
            raise not_loaded()

    def _prompt(self, prompt: Sequence[ChatMessage] | str, template: NamedTemplate | None) -> list[int]:
        return self._tokenise(self._text(prompt, template))

    def _text(self, prompt: Sequence[ChatMessage] | str, template: NamedTemplate | None) -> str:
        if isinstance(prompt, str):
            return prompt
        parts = [f"<{message.role}>{message.content}\n" for message in prompt]
        return "".join([template.name if template else "", *parts, "<assistant>"])

    def _tokenise(self, text: str) -> list[int]:
        return [self._ids.setdefault(word, len(self._ids)) for word in _TOKEN.findall(text)]


class _Play:
    """One turn while it is played; the cache is changed as an engine's would be."""

    def __init__(self, turn: ScriptedTurn, request: GenerateRequest, prompt: list[int], cache: list[int]) -> None:
        self._turn = turn
        self._sampling = request.sampling
        self._stops = request.sampling.stop + (request.template.stops if request.template else ())
        self._prompt = prompt
        self._cache = cache
        self._total = len(prompt) if turn.prompt_tokens is None else turn.prompt_tokens
        self._cached = min(_common_prefix(prompt, cache), len(prompt) - 1, self._total)
        self._generated = 0
        self._prefill_ns: int | None = None

    async def events(self, context_size: int, stopped: asyncio.Event) -> AsyncGenerator[TurnEvent]:
        """Until the end; without `Finished` or `Failed` when the engine is to die."""
        if self._total >= context_size:
            yield failure_of(prompt_too_long(self._total, context_size))
            return
        started_ns = time.perf_counter_ns()
        for step in range(PREFILL_STEPS + 1):
            done = self._cached + (self._total - self._cached) * step // PREFILL_STEPS
            yield PrefillProgress(done, self._total, self._cached, time.perf_counter_ns())
            if step < PREFILL_STEPS and await _pause(stopped, self._turn.prefill_s / PREFILL_STEPS):
                self._cache[:] = self._prompt[:done]
                yield self._finished("cancelled")
                return
        self._prefill_ns = time.perf_counter_ns() - started_ns
        self._cache[:] = self._prompt
        async for event in self._before_the_answer(stopped):
            yield event
        answer = AnswerText(self._stops)
        reason: FinishReason | None = None
        for token in self._tokens():
            if await _pause(stopped, self._turn.delay_s):
                reason = "cancelled"
                break
            self._generated += 1
            text = answer.feed(well_formed(token or "").encode())
            yield Delta(text, (time.perf_counter_ns(),))
            reason = self._reason(token, context_size, stopped=answer.stopped)
            if reason is not None:
                break
        if rest := answer.finish():
            yield Delta(rest, ())
        if reason is not None:
            yield self._finished(reason)
        elif self._turn.failure is not None and not self._turn.dies:
            yield self._turn.failure

    async def _before_the_answer(self, stopped: asyncio.Event) -> AsyncGenerator[TurnEvent]:
        """Remarks and thoughts; fewer when the turn is stopped."""
        for notice in self._turn.notices:
            yield notice
        for thought in self._turn.thoughts:
            if await _pause(stopped, self._turn.delay_s):
                return
            self._generated += 1
            yield ReasoningDelta(thought, (time.perf_counter_ns(),))

    def _tokens(self) -> Iterator[str | None]:
        """The texts, then None for the end token, unless something else comes instead."""
        if self._sampling.ignore_eos and self._turn.tokens:
            yield from cycle(self._turn.tokens)
        yield from self._turn.tokens
        if self._turn.failure is None and not self._turn.dies:
            yield None

    def _reason(self, token: str | None, context_size: int, *, stopped: bool) -> FinishReason | None:
        if token is None or stopped:
            return "stop"
        if self._generated == self._sampling.max_tokens:
            return "length"
        if self._total + self._generated > context_size:
            return "context_full"
        return None

    def _finished(self, reason: FinishReason) -> Finished:
        used = len(self._cache) if self._prefill_ns is None else self._total + max(0, self._generated - 1)
        timings = Timings(
            prompt_tokens=self._total,
            cached_tokens=self._cached,
            prefill_ns=self._prefill_ns,
            completion_tokens=self._generated,
            context_used=used,
            kv_bytes=used * KV_BYTES_PER_TOKEN,
            seed=self._sampling.seed or 0,
        )
        return Finished(reason, timings, time.perf_counter_ns())


async def _pause(stopped: asyncio.Event, seconds: float) -> bool:
    """Wait; true at once when the turn is stopped."""
    if seconds <= 0:
        await asyncio.sleep(0)
        return stopped.is_set()
    try:
        await asyncio.wait_for(stopped.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    for shared, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return shared
    return min(len(left), len(right))
