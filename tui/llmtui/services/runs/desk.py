"""A person's place at the answers to be graded: which one lies there, what was given, and what comes next."""

import asyncio
import contextlib
import threading
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from llmtui.domain.run import ScoreRecord
from llmtui.errors import LlmtuiError, StoreError
from llmtui.services.runs.grading import ToGrade
from llmtui.services.runs.people import Pen, RunToGrade, grade_record, runs_to_grade
from llmtui.store.paths import Folders

if TYPE_CHECKING:
    from collections.abc import Iterator


class Task(NamedTuple):
    """One answer to be graded."""

    run: RunToGrade
    key: str


class Given(NamedTuple):
    """A grade of this sitting, and what it was given for."""

    answer: ToGrade
    score: ScoreRecord


class ModelGrades(NamedTuple):
    """The grades that a model got at this sitting.

    Attributes:
        given: how many.
        passed: of them.
        score: their mean, 0 to 1.
    """

    model: str
    given: int
    passed: int
    score: float


class Desk:
    """Open it, look at `answer`, then `grade` or `go`; close it at the end. All of it on one event loop.

    Args:
        folders: of the user.
        path: of one run; None takes all that the user keeps.

    Attributes:
        tasks: answers found so far, also those that were graded at this sitting.
        complete: all runs were looked through.
        at: which one lies there; as many as there are when all are through.
        answer: the present one; None behind the last.
        given: grades of this sitting, by key.
        remark: what became of answers that were left out; empty when nothing did.
    """

    def __init__(self, folders: Folders, path: Path | None = None) -> None:
        self._folders = folders
        self._path = path
        self._pen = Pen(folders)
        self.tasks: list[Task] = []
        self.complete = False
        self._runs: Iterator[RunToGrade] = iter(())
        self._looking = asyncio.Lock()
        self._closed = threading.Event()
        self.at = 0
        self.answer: ToGrade | None = None
        self.given: dict[str, Given] = {}
        self.remark = ""

    @property
    def problem(self) -> str | None:
        """Why grades are not on disk, in words; they wait in memory and are tried again with the next one."""
        return self._pen.problem

    @property
    def task(self) -> Task | None:
        """What lies there."""
        return self.tasks[self.at] if self.at < len(self.tasks) else None

    def by_model(self) -> list[ModelGrades]:
        """What each model got, in the order in which they were graded first."""
        found: dict[str, list[ScoreRecord]] = {}
        for one in self.given.values():
            found.setdefault(one.answer.record.model, []).append(one.score)
        return [
            ModelGrades(
                model, len(scores), sum(score.passed for score in scores), fmean(score.value for score in scores)
            )
            for model, scores in found.items()
        ]

    async def open(self, *, graded: bool = False) -> None:
        """Find the newest run with answers, and lay its first one down; `look_on` finds the others.

        Args:
            graded: take in the answers that have a grade, also a judge's.

        Raises:
            StoreError: the one run cannot be read.
        """
        async with self._looking:
            self.tasks, self.at, self.remark, self.complete = [], 0, "", False
            self._closed = threading.Event()
            self._runs = runs_to_grade(self._folders, self._path, graded=graded)
        await self._lay_down(1)

    async def look_on(self) -> bool:
        """Find the answers of another run; whether there may be more.

        Raises:
            StoreError: the one run cannot be read.
        """
        async with self._looking:
            if self.complete:
                return False
            runs = self._runs
            run = await asyncio.to_thread(next, runs, None)
            if run is None:
                self.complete = True
            else:
                self.tasks += [Task(run, key) for key in run.keys]
            return not self.complete

    async def match(self) -> bool:
        """Find out whether the present answer's sample was changed since; whether it was."""
        task = self.task
        if task is None or task.run.matched:
            return False
        if not await asyncio.to_thread(task.run.match, self._closed):
            return False
        with contextlib.suppress(StoreError):
            answer = await asyncio.to_thread(task.run.read, task.key)
            if answer is not None and self.task is task and self.answer is not None:
                self.answer = answer
                return answer.changed
        return False

    async def go(self, step: int) -> None:
        """Lay down the answer before (-1) or after (1); behind the last there is none."""
        if step < 0 and self.at == 0:
            return
        self.remark = ""
        self.at = min(self.at + step, len(self.tasks))
        await self._lay_down(step)

    async def grade(self, grade: int, note: str = "") -> None:
        """Put a grade on the answer, and lay down the next one that has none of this sitting.

        Raises:
            ValueError: it is no grade of the scale.
            StoreError: it cannot be written; the answer stays.
        """
        await self._give(grade, note)
        self.remark = ""
        while (task := self.task) is not None and task.key in self.given:
            self.at += 1
        await self._lay_down(1)

    async def note(self, note: str) -> bool:
        """Put another note on a grade that was given; whether there was one.

        Raises:
            StoreError: it cannot be written.
        """
        grade = self.answer.grade if self.answer is not None else None
        if grade is None or grade.answer is None:
            return False
        await self._give(int(grade.answer), note)
        await self._lay_down(1)
        return True

    async def close(self) -> None:
        """Let go of the runs.

        Raises:
            StoreError: grades are not on disk.
        """
        self._closed.set()
        await self._pen.close()

    async def _give(self, grade: int, note: str) -> None:
        answer, task = self.answer, self.task
        if answer is None or task is None:
            return
        score = grade_record(answer, grade, note)
        await self._pen.write(task.run.path, score)
        self.given[task.key] = Given(answer, score)

    async def _next(self) -> Task | None:
        """What lies here; behind the last that was found, what another run brings."""
        while self.at >= len(self.tasks) and await self.look_on():
            pass
        return self.task

    async def _lay_down(self, step: int) -> None:
        """Read the answer at this place; one that cannot be read or written to is left out, and said so."""
        self.answer = None
        while (task := await self._next()) is not None:
            try:
                await self._pen.take(task.run.path)
                self.answer = await asyncio.to_thread(task.run.read, task.key)
            except StoreError as error:
                self._leave_out(task.run, error)
                continue
            if self.answer is not None:
                return
            self.tasks.pop(self.at)
            self.remark = "an answer is left out: its record does not tell the scale, and its sample is gone"
            if step < 0:
                self.at = max(0, self.at - 1)

    def _leave_out(self, run: RunToGrade, error: LlmtuiError) -> None:
        before = sum(task.run is run for task in self.tasks[: self.at])
        count = sum(task.run is run for task in self.tasks)
        self.tasks = [task for task in self.tasks if task.run is not run]
        self.at -= before
        self.remark = f"{error.title}: run {run.id}, of which {count:,} answers are left out"
