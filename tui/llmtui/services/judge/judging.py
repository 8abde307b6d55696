"""A judge's work on a run: loaded once the others are gone, it grades what waits, a record a grade."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.domain.run import Result, ScoreRecord
from llmtui.domain.scorers import ModelGraded
from llmtui.engines.base import failure_of
from llmtui.errors import LlmtuiError
from llmtui.services.conversation import now_text
from llmtui.services.host import ModelHost
from llmtui.services.judge.family import is_related
from llmtui.services.judge.grading import Examiner, Verdict, score_of
from llmtui.services.judge.prompt import Material, question_of
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.events import (
    JudgeDone,
    JudgeFailed,
    JudgeReady,
    ModelBack,
    ModelLoading,
    Remark,
    RunEvent,
    SampleBegun,
    SampleScored,
)
from llmtui.services.runs.grading import ToGrade, to_grade
from llmtui.services.runs.plan import spec_of
from llmtui.services.runs.stage import Stage
from llmtui.services.runs.stopping import before
from llmtui.services.runs.tries import on_server, on_worker
from llmtui.services.wiring import Services


class Judging:
    """One judge over one run, once.

    Args:
        services: the parts of the program.
        book: the run's file; every answer is in it.
        host: loads the judge; what it held before is unloaded.
        spec: the judge, as the user named it.
        parallel: answers graded at once: slots of a local model, requests to a server.
        first_wait_s: before a server is tried again.
        tell: given what happens.
    """

    def __init__(
        self,
        services: Services,
        book: RunBook,
        host: ModelHost,
        spec: str,
        *,
        parallel: int,
        first_wait_s: float,
        tell: Callable[[RunEvent], None],
    ) -> None:
        self._services = services
        self._book = book
        self._host = host
        self._spec = spec
        self._parallel = parallel
        self._first_wait_s = first_wait_s
        self._tell = tell
        self._examiner = Examiner(book.plan.timeout_s)
        self._name = spec
        self._graded = self._agreed = self._ungraded = 0
        self._lost: set[str] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Grade until nothing is left, the judge is given up, or `stop` is set; what stands in the way is told."""
        try:
            info = await asyncio.to_thread(self._services.catalogue.resolve, self._spec)
        except LlmtuiError as error:
            self._tell(JudgeFailed(self._spec, failure_of(error)))
            return
        self._name = info.name
        keys = self._keys()
        if not keys:
            self._tell(Remark("nothing waits for a judge, or for another one"))
            return
        self._host.runtime = msgspec.structs.replace(self._book.plan.runtime, slots=self._parallel, adapters=())
        stage = self._stage(info)
        try:
            opening = asyncio.create_task(stage.open())
            if not await before(opening, stop):
                return
            loaded = await opening
            related = await asyncio.to_thread(self._related, info)
            self._tell(JudgeReady(model=self._name, loaded=loaded, answers=len(keys), related=related))
            await self._grade_all(stage, keys, stop)
        except LlmtuiError as error:
            self._tell(JudgeFailed(self._name, failure_of(error)))
        finally:
            await stage.close()
        self._tell(JudgeDone(model=self._name, graded=self._graded, agreed=self._agreed, ungraded=self._ungraded))

    def _stage(self, info: ModelInfo) -> Stage:
        return Stage(
            self._host,
            info,
            memory_bandwidth=None,
            parallel=self._parallel,
            on_load=lambda stage, fraction: self._tell(ModelLoading(self._name, stage, fraction)),
            on_back=lambda: self._tell(ModelBack(self._name)),
        )

    def _keys(self) -> list[str]:
        """Answers that wait for a judge, or were graded by another one; what a person has graded is left alone."""
        stored = self._book.stored
        return [key for key, result in stored.results.items() if self._wants(result, stored.scores(key))]

    def _wants(self, result: Result, given: tuple[ScoreRecord, ...]) -> bool:
        if "model_graded" in result.waiting and result.outcome == "waiting":
            return True
        grades = [score for score in given if score.error is None]
        if any(score.scorer == "human" for score in grades):
            return False
        return any(score.scorer == "model_graded" and score.by != self._name for score in grades)

    def _related(self, judge: ModelInfo) -> tuple[str, ...]:
        found = []
        for name in self._book.plan.models:
            with contextlib.suppress(LlmtuiError):
                if is_related(judge, self._services.catalogue.resolve(spec_of(self._book.plan, name))):
                    found.append(name)
        return tuple(found)

    async def _grade_all(self, stage: Stage, keys: list[str], stop: asyncio.Event) -> None:
        self._lost = set(keys)
        left, taking = to_grade(self._book.stored, ModelGraded, keys), asyncio.Lock()
        tasks = [asyncio.create_task(self._lane(stage, left, taking, stop, slot)) for slot in range(self._parallel)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            if self._lost and not stop.is_set():
                self._tell(Remark(f"{len(self._lost):,} answers are not graded: their samples were changed since"))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _lane(
        self,
        stage: Stage,
        left: Iterator[ToGrade],
        taking: asyncio.Lock,
        stop: asyncio.Event,
        slot: int,
    ) -> None:
        """Have one answer after another graded until none is left."""
        while not stop.is_set():
            async with taking:
                answer = await asyncio.to_thread(next, left, None)
            if answer is None:
                return
            self._lost.discard(answer.record.key)
            if answer.grade is not None and answer.grade.by == self._name:
                continue
            record = answer.record
            async with stage.place():
                self._tell(SampleBegun(self._name, record.set, record.sample, record.epoch))
                grading = asyncio.create_task(self._grade(stage, answer, slot, stop))
                if not await before(grading, stop):
                    return
            await self._note(answer, await grading)
            stage.note((await grading).error)

    async def _grade(self, stage: Stage, answer: ToGrade, slot: int, stop: asyncio.Event) -> Verdict:
        record = answer.record
        material = Material(
            question=question_of(record.messages, record.prompt),
            answer=record.content,
            rubric=record.rubric,
            references=record.references,
        )
        once = partial(self._try, stage, material, answer.scorer.scale, slot)
        if not stage.is_local:
            return await on_server(once, stop, first_wait_s=self._first_wait_s, elsewhere=stage.others_answer)
        await stage.bring_back()
        return await on_worker(once, stage.bring_back, stop)

    async def _try(self, stage: Stage, material: Material, scale: tuple[int, ...], slot: int, _: int) -> Verdict:
        slot = slot if stage.is_local else 0
        return await self._examiner.grade(stage.bench().engine, material, scale, slot=slot)

    async def _note(self, answer: ToGrade, verdict: Verdict) -> None:
        """Record the grade; one that failed does not take the place of another judge's."""
        score = score_of(
            verdict, answer.scorer, key=answer.record.key, index=answer.place, by=self._name, at=now_text()
        )
        if score.error is None:
            self._graded += 1
            self._agreed += verdict.agreed
        else:
            self._ungraded += 1
        if score.error is None or answer.grade is None:
            await self._book.note_scores((score,))
        self._tell(SampleScored((score,), self._book.stored.results[answer.record.key]))
