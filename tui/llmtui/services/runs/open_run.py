"""A run that is looked at, from its file or while it goes on in this program."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from llmtui.domain.operations import Progress
from llmtui.domain.run import RunPlan, RunRecord
from llmtui.errors import LlmtuiError
from llmtui.services.host import ModelHost
from llmtui.services.runner import Runner
from llmtui.services.runs.book import RunBook, open_book
from llmtui.services.runs.choices import Choices
from llmtui.services.runs.grid import CellState, Grid, GridRow, Mark, Place
from llmtui.services.runs.grid_fold import GridFold, fold_of
from llmtui.services.runs.judging import Scoring
from llmtui.services.wiring import Services
from llmtui.store.prompt_sets import open_prompt_set
from llmtui.store.run_answers import Answer, RunAnswers
from llmtui.store.runs import StoredRun, read_run

__all__ = ["Answer", "Manner", "OpenRun"]


class Manner(NamedTuple):
    """How a run is gone on with; no part of what it asks.

    Attributes:
        parallel: samples in flight.
        allow_code: run the code in answers, in a sandbox.
    """

    parallel: int = 1
    allow_code: bool = False


class OpenRun:
    """One run with its grid and its answers. Make it with `read` or `begin`. All of it runs on one event loop.

    Attributes:
        run: the file's first line.
        path: the file.
        damaged: lines of it that cannot be read.
        manner: how it was gone on with last.
        cut_short: it was stopped, or broken off, when it last went on in this program.
    """

    def __init__(self, stored: StoredRun, book: RunBook | None = None) -> None:
        self.run: RunRecord = stored.run
        self.path = stored.path
        self.damaged = stored.damaged
        self.manner = Manner()
        self.cut_short = False
        self._book = book
        self._answers = RunAnswers(stored.path)
        self._rows: list[GridRow] = []
        self._choices = Choices()
        self._stop = asyncio.Event()
        self._running = False
        self._fold: GridFold = fold_of(stored.run.plan, stored.results.values(), stored.failures)

    @classmethod
    def read(cls, path: Path) -> "OpenRun":
        """A run of the past. Reads from disk: call it from a thread.

        Raises:
            StoreError: the file is missing, no run, or of a newer schema.
        """
        return cls(read_run(path))

    @classmethod
    async def begin(cls, services: Services, plan: RunPlan) -> "OpenRun":
        """A new run in the user's folder, of which nothing has been asked yet.

        Raises:
            StoreError: its file cannot be written.
        """
        book = await RunBook.begin(services.folders, None, plan)
        return cls(book.stored, book)

    @property
    def plan(self) -> RunPlan:
        """What is asked."""
        return self.run.plan

    @property
    def grid(self) -> Grid:
        """The grid now; the same object as before when nothing has changed."""
        return self._fold.grid()

    @property
    def running(self) -> bool:
        """Whether it goes on in this program."""
        return self._running

    @property
    def stopping(self) -> bool:
        """Whether it goes on until what is under way has ended, and no further."""
        return self._running and self._stop.is_set()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(
            stage="asking", done=self._fold.done, total=self.plan.turns * len(self.plan.models), unit="answers"
        )

    def rows(self) -> tuple[list[GridRow], LlmtuiError | None]:
        """The samples that are asked, and what stood in the way of reading them all; then the file's own are left.

        Reads from disk: call it from a thread, and hand the rows to `take_rows`.
        """
        found: list[GridRow] = []
        try:
            found.extend(_rows_of(self.plan))
        except LlmtuiError as error:
            return found, error
        return found, None

    def take_rows(self, rows: list[GridRow]) -> None:
        """Put the samples into the grid that have no answer yet."""
        self._rows = rows
        self._fold.set_rows(rows)

    def answer(self, key: str) -> Answer | None:
        """The newest answer under a key, with its scores. Reads from disk: call it from a thread.

        Raises:
            StoreError: the file cannot be read.
        """
        return self._answers.read(key)

    async def read_again(self) -> None:
        """Take in what others have written to the file, for instance grades.

        Raises:
            StoreError: the file cannot be read.
        """
        book = open_book(self.path)
        stored = book.stored if book is not None else await asyncio.to_thread(read_run, self.path)
        marks = self.grid.marks
        for result in stored.results.values():
            mark = marks.get((result.set, result.sample, result.model, result.epoch))
            if mark is None or mark.state not in {"asking", "queued"}:
                self._fold.note(result)

    # Going on

    async def go_on(
        self, services: Services, host: ModelHost, manner: Manner, *, only_wishes: bool = False
    ) -> AsyncGenerator[Progress]:
        """Ask what has no answer, until there is nothing left or `stop`; closing the iterator breaks it off.

        Args:
            services: the parts of the program.
            host: loads the models; closed in the end.
            manner: how.
            only_wishes: ask nothing but what is to be asked again.

        Raises:
            StoreError: the file is gone, open in another window, or not all is on disk.
            ConfigError: a set is not valid any more.
            SandboxError: code cannot be run here.
        """
        self._running, self.manner = True, manner
        self._stop.clear()
        finished = False
        try:
            if self._book is None:
                self._take_book(await asyncio.to_thread(RunBook.reopen, services.folders, self.path))
            yield self.progress
            before = self._book.stored.ended if self._book else None
            scoring = await asyncio.to_thread(_scoring, manner)
            sessions = self._sessions(services, host, scoring, only_wishes=only_wishes)
            async with contextlib.aclosing(sessions):
                async for _ in sessions:
                    yield self.progress
            complete = not only_wishes or (before is not None and before.reason == "finished")
            finished = complete and not self._stop.is_set()
        finally:
            self._choices = Choices()
            self._fold.rest()
            finished = finished or self.grid.done >= self.grid.planned  # also where asking again came to nothing
            self._running, self.cut_short = False, not finished
            book, self._book = self._book, None
            await host.close()
            if book is not None:
                await book.close(finished=finished)

    async def _sessions(
        self, services: Services, host: ModelHost, scoring: Scoring, *, only_wishes: bool
    ) -> AsyncGenerator[None]:
        """One runner, and another one for what is wished while the first one ends."""
        if not only_wishes:
            for place in self._marked("skipped"):
                if place not in self._choices.left_out:
                    self._fold.unskip(place)
        while self._book is not None:
            runner = Runner(
                services,
                self._book,
                host,
                parallel=self.manner.parallel,
                scoring=scoring,
                choices=self._choices,
                only_wishes=only_wishes,
            )
            runner.stop = self._stop
            async with contextlib.aclosing(runner.events()) as events:
                async for event in events:
                    self._fold.take(event)
                    yield
            if self._stop.is_set() or not self._choices.models:
                return
            only_wishes = True

    def _take_book(self, book: RunBook) -> None:
        """Another window may have written to the file since it was read."""
        wished, skipped = self._marked("queued"), self._marked("skipped")
        self._book = book
        self._fold = fold_of(self.plan, book.stored.results.values(), book.stored.failures)
        self._fold.set_rows(self._rows)
        for place in wished:
            self._fold.queue(place)
        for place in skipped:
            self._fold.skip(place)

    def stop(self) -> None:
        """Have it end: what is under way is recorded as stopped, and asked again when the run is taken up."""
        self._stop.set()

    # Cells

    @property
    def wished(self) -> bool:
        """Whether a sample is to be asked again."""
        return bool(self._choices.models)

    def mark_of(self, row: GridRow, model: str) -> tuple[int, Mark | None]:
        """Of a cell's epochs the number of the one that most calls for a look, and what it came to."""
        cell = self.grid.cell(row, model)
        return next(((number, mark) for number, mark in enumerate(cell.marks) if _state(mark) == cell.state), (0, None))

    def ask_again(self, row: GridRow, model: str) -> int:
        """Have all epochs of a sample asked next; how many are, without those that are being asked now."""
        places = [place for place, mark in self._epochs(row, model) if _state(mark) != "asking"]
        for place in places:
            self._fold.unskip(place)
            self._choices.ask_again(place)
            self._fold.queue(place)
        return len(places)

    def skip(self, row: GridRow, model: str) -> bool | None:
        """Leave the epochs of a sample out that have no answer, or take them in again.

        Returns:
            Whether they are left out now; None when there is nothing to leave out.
        """
        epochs = self._epochs(row, model)
        left_out = [place for place, mark in epochs if _state(mark) == "skipped"]
        for place in left_out:
            self._choices.take_in(place)
            self._fold.unskip(place)
        if left_out:
            return False
        open_ = [place for place, mark in epochs if _state(mark) in {"open", "error", "cancelled"}]
        for place in open_:
            self._choices.leave_out(place)
            self._fold.skip(place)
        return True if open_ else None

    def _marked(self, state: CellState) -> list[Place]:
        return [place for place, mark in self.grid.marks.items() if mark.state == state]

    def _epochs(self, row: GridRow, model: str) -> list[tuple[Place, Mark | None]]:
        cell = self.grid.cell(row, model)
        return [((row.set, row.sample, model, epoch), mark) for epoch, mark in enumerate(cell.marks)]


def _state(mark: Mark | None) -> str:
    return mark.state if mark is not None else "open"


def _scoring(manner: Manner) -> Scoring:
    if not manner.allow_code:
        return Scoring()
    from llmtui.services.scoring.running import code_runner  # noqa: PLC0415 - most runs have no code in them

    return Scoring(run_code=code_runner())


def _rows_of(plan: RunPlan) -> "Iterator[GridRow]":
    for planned in plan.sets:
        with open_prompt_set(Path(planned.path)) as reader:
            for sample in islice(reader.samples(), plan.limit):
                yield GridRow(planned.name, sample.id, plan.epochs or sample.epochs)
