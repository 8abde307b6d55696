"""One answer graded by a loaded model: twice, with the scale listed from either end."""

import asyncio
import contextlib
import time
import uuid
from typing import NamedTuple

from llmtui.domain.events import Delta, Failed, ReasoningDelta
from llmtui.domain.fold import TurnFold
from llmtui.domain.grades import between, is_enough, scale_text, value_of
from llmtui.domain.messages import ChatMessage
from llmtui.domain.run import ScoreRecord
from llmtui.domain.scorers import Graded
from llmtui.domain.settings import Sampling
from llmtui.domain.text import well_formed
from llmtui.engines.base import Engine, ExplainsPrompts, GenerateRequest
from llmtui.errors import LlmtuiError
from llmtui.services.judge.prompt import (
    Material,
    Reply,
    once_more,
    read_reply,
    request_messages,
    schema_of,
    special_texts,
)
from llmtui.services.runs.tries import TIME_IS_OVER, TOO_MUCH, is_refused
from llmtui.services.streams import turn_events

MAX_TOKENS = 2048
"""Of a reply, with what a model on a server thinks before it."""
MOST_CHARACTERS = 1 << 18
"""Of a reply; a server may pass over the number of tokens."""
_SHOWN = 120
_LONGEST = 4000


class Verdict(NamedTuple):
    """What came of grading one answer.

    Attributes:
        first: with the worst grade listed first.
        second: with the best grade listed first; both are there, or `error` is.
        error: why there is no grade.
    """

    first: Reply | None = None
    second: Reply | None = None
    error: Failed | None = None

    @property
    def agreed(self) -> bool:
        """Whether the order of the scale made no difference."""
        return self.first is not None and self.second is not None and self.first.grade == self.second.grade


class Examiner:
    """Grades answers with one model; several at once where it has the slots.

    Args:
        timeout_s: of one reply.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._constrained = True

    async def grade(self, engine: Engine, material: Material, scale: tuple[int, ...], *, slot: int = 0) -> Verdict:
        """Have an answer graded; nothing is raised for an engine that fails. Cancelling ends the reply.

        Args:
            engine: of the judge, loaded.
            material: what is graded.
            scale: the grades, the worst first.
            slot: sequence of the engine's cache.
        """
        material = await self._disarmed(engine, material, scale)
        first = await self._pass(engine, material, scale, falling=False, slot=slot)
        if isinstance(first, Failed):
            return Verdict(error=first)
        second = await self._pass(engine, material, scale, falling=True, slot=slot)
        return Verdict(error=second) if isinstance(second, Failed) else Verdict(first, second)

    async def _disarmed(self, engine: Engine, material: Material, scale: tuple[int, ...]) -> Material:
        """The material, with what the judge would take for its own special tokens known, where the engine tells."""
        if not isinstance(engine, ExplainsPrompts):
            return material
        messages = request_messages(material, scale, falling=False)
        request = GenerateRequest(id=uuid.uuid4().hex, messages=messages, sampling=Sampling())
        try:
            async with asyncio.timeout(self._timeout_s):
                prompt = await engine.explain(request)
        except (LlmtuiError, TimeoutError):
            return material
        return material._replace(tokens=special_texts(prompt))

    async def _pass(
        self, engine: Engine, material: Material, scale: tuple[int, ...], *, falling: bool, slot: int
    ) -> Reply | Failed:
        """Ask, and once more where the reply cannot be read."""
        messages = request_messages(material, scale, falling=falling)
        text = await self._reply(engine, messages, scale, slot)
        if isinstance(text, Failed):
            return text
        found = read_reply(text, scale)
        if found is None:
            again = await self._reply(engine, once_more(messages, text, material, scale), scale, slot)
            if isinstance(again, Failed):
                return again
            found = read_reply(again, scale)
        return found or _unreadable(text, scale)

    async def _reply(
        self, engine: Engine, messages: tuple[ChatMessage, ...], scale: tuple[int, ...], slot: int
    ) -> str | Failed:
        """The reply's text, held to the schema where the engine can do so."""
        found = await self._once(engine, messages, scale if self._constrained else None, slot)
        if self._constrained and isinstance(found, Failed) and is_refused(found) and engine.alive:
            free = await self._once(engine, messages, None, slot)
            if not isinstance(free, Failed):
                self._constrained = False
                return free
        return found

    async def _once(
        self, engine: Engine, messages: tuple[ChatMessage, ...], scale: tuple[int, ...] | None, slot: int
    ) -> str | Failed:
        loaded = engine.loaded
        held_here = scale is not None and loaded is not None and loaded.served_by is None
        sampling = Sampling(
            temperature=0.0,
            seed=1,
            max_tokens=MAX_TOKENS,
            json_schema=schema_of(scale) if scale else None,
            reasoning="off" if held_here else None,
        )
        request = GenerateRequest(id=uuid.uuid4().hex, messages=messages, sampling=sampling, slot=slot)
        fold, written = TurnFold(time.perf_counter_ns()), 0
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                contextlib.aclosing(
                    turn_events(engine, request, remedy="Grade again with --resume and --judge")
                ) as events,
            ):
                async for event in events:
                    fold.add(event)
                    written += len(event.text) if isinstance(event, Delta | ReasoningDelta) else 0
                    if written > MOST_CHARACTERS:
                        return Failed("engine", "The judge's reply has no end", TOO_MUCH, "Have another judge grade")
        except TimeoutError:
            return Failed("engine", "The judge took too long", TIME_IS_OVER, "Set another with --timeout")
        # A template may open the thoughts by itself: what the schema holds stands there then.
        text = fold.text if scale is None or fold.text.strip() else fold.reasoning
        return fold.failure or well_formed(text)


def score_of(verdict: Verdict, scorer: Graded, *, key: str, index: int, by: str, at: str) -> ScoreRecord:
    """A verdict as a record. Where the two grades differ, the one midway counts, the worse of two neighbours.

    Args:
        verdict: of the judge.
        scorer: with the scale.
        key: of the sample.
        index: of the scorer among the sample's.
        by: the judge's name.
        at: when, UTC, ISO 8601.
    """
    first, second = verdict.first, verdict.second
    if first is None or second is None:
        failure = verdict.error or Failed("engine", "The judge said nothing", "", "")
        told = ": ".join(part for part in (failure.title, failure.cause) if part)
        return ScoreRecord(
            key=key, index=index, scorer="model_graded", error=well_formed(told)[:_LONGEST], by=by, at=at
        )
    grade = between(scorer, first.grade, second.grade)
    told = first.reason
    if not verdict.agreed:
        told = (
            f"Not consistent, so {grade} is taken. Worst grade listed first, {first.grade}: {first.reason}\n"
            f"Best grade listed first, {second.grade}: {second.reason}"
        )
    return ScoreRecord(
        key=key,
        index=index,
        scorer="model_graded",
        value=value_of(scorer, grade),
        passed=is_enough(scorer, grade),
        answer=str(grade),
        explanation=well_formed(told)[:_LONGEST],
        details={"grade": grade, "first": first.grade, "second": second.grade, "agreed": float(verdict.agreed)},
        by=by,
        at=at,
    )


def _unreadable(text: str, scale: tuple[int, ...]) -> Failed:
    shown = " ".join(text.split())
    shown = f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown
    return Failed(
        "model",
        "The judge gave no grade",
        f"one of {scale_text(scale)} was asked for, and this came: {shown or 'nothing'}",
        "Take another judge",
    )
