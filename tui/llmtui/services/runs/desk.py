"""A person's place at the answers to be graded: which one lies there, what was given, and what comes next."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from llmtui.domain.run import ScoreRecord
from llmtui.errors import LlmtuiError, StoreError
from llmtui.services.runs.grading import ToGrade
from llmtui.services.runs.people import Pen, RunToGrade, grade_record, runs_to_grade
from llmtui.store.paths import Folders


class Task(NamedTuple):
    """One answer to be graded."""

    run: RunToGrade
    key: str


class Given(NamedTuple):
    """A grade of this sitting, and what it was given for."""

    answer: ToGrade
    score: ScoreRecord


class Desk:
    """Open it, look at `answer`, then `grade` or `go`; close it at the end. All of it on one event loop.

    Args:
        folders: of the user.
        path: of one run; None takes all that the user keeps.

    Attributes:
        tasks: all answers, also those that were graded at this sitting.
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

    async def open(self, *, graded: bool = False) -> None:
        """Find the answers, and lay the first one down.

        Args:
            graded: take in the answers that have a grade, also a judge's.

        Raises:
            StoreError: the one run cannot be read.
        """

        def found() -> list[Task]:
            runs = runs_to_grade(self._folders, self._path, graded=graded)
            return [Task(run, key) for run in runs for key in run.keys]

        self.tasks, self.at, self.remark = await asyncio.to_thread(found), 0, ""
        await self._lay_down(1)

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
        await self._pen.close()

    async def _give(self, grade: int, note: str) -> None:
        answer, task = self.answer, self.task
        if answer is None or task is None:
            return
        score = grade_record(answer, grade, note)
        await self._pen.write(task.run.path, score)
        self.given[task.key] = Given(answer, score)

    async def _lay_down(self, step: int) -> None:
        """Read the answer at this place; one that cannot be read or written to is left out, and said so."""
        self.answer = None
        while (task := self.task) is not None:
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
