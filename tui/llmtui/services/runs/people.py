"""Grading by people: which answers wait for one, and the grades on their way into the runs' files."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmtui.domain.grades import is_enough, value_of
from llmtui.domain.run import PERSON, Result, ScoreRecord
from llmtui.domain.scorers import Human
from llmtui.domain.text import well_formed
from llmtui.errors import LlmtuiError
from llmtui.services.conversation import now_text
from llmtui.services.runs.book import RunBook, open_book
from llmtui.services.runs.grading import ToGrade, current_samples, to_grade
from llmtui.store.paths import Folders
from llmtui.store.run_answers import RunAnswers
from llmtui.store.runs import StoredRun, read_run, run_files, runs_dir

if TYPE_CHECKING:
    from llmtui.domain.prompt_set import Sample

_LONGEST = 4000


class RunToGrade:
    """A run with answers for a person. Its methods read from disk: call them from threads.

    Answers to one sample stand together, in an order that tells nothing of the models.

    Args:
        stored: the run.
        graded: take in the answers that have a grade, also a judge's.

    Attributes:
        keys: of the answers.
    """

    def __init__(self, stored: StoredRun, *, graded: bool) -> None:
        self._stored = stored
        self._answers = RunAnswers(stored.path)
        self._samples: dict[str, Sample] | None = None
        self.keys = _in_order(stored, [key for key in stored.results if _is_asked(stored, key, graded=graded)])

    @property
    def path(self) -> Path:
        """The run's file."""
        return self._stored.path

    @property
    def id(self) -> str:
        """The run's id."""
        return self._stored.run.id

    def read(self, key: str) -> ToGrade | None:
        """An answer with its scorer for people, the first that has no grade; None where there is none (any more).

        Raises:
            StoreError: the run's file cannot be read.
        """
        found = list(to_grade(self._stored, Human, [key], answers=self._answers, samples=self._samples))
        return next((answer for answer in found if answer.grade is None), found[0] if found else None)

    def match(self, stop: threading.Event) -> bool:
        """Find out which samples were changed since; what is read from here on tells it. Slow for long sets.

        Returns whether it came to its end.

        Args:
            stop: set it to give up.
        """
        samples = current_samples(self._stored, set(self.keys), stop)
        if stop.is_set():
            return False
        self._samples = samples
        return True

    @property
    def matched(self) -> bool:
        """Whether `match` has come to its end."""
        return self._samples is not None


def runs_to_grade(folders: Folders, path: Path | None = None, *, graded: bool = False) -> Iterator[RunToGrade]:
    """Runs that have answers for a person, the newest first. Reads from disk: call it from a thread.

    Args:
        folders: of the user.
        path: of one run; None takes all that the user keeps. What cannot be read is left out of these.
        graded: take in the answers that have a grade, also a judge's.

    Raises:
        StoreError: the one run cannot be read.
    """
    if path is not None:
        yield from _wanted(read_run(path), graded=graded)
        return
    for one in run_files(runs_dir(folders)):
        try:
            stored = read_run(one)
        except LlmtuiError:
            continue
        yield from _wanted(stored, graded=graded)


def _wanted(stored: StoredRun, *, graded: bool) -> Iterator[RunToGrade]:
    run = RunToGrade(stored, graded=graded)
    if run.keys:
        yield run


def _is_asked(stored: StoredRun, key: str, *, graded: bool) -> bool:
    result = stored.results[key]
    if graded:
        return result.is_final and stored.has_scorer(key, "human")
    return result.outcome == "waiting" and "human" in result.waiting


def _in_order(stored: StoredRun, keys: Sequence[str]) -> tuple[str, ...]:
    first: dict[tuple[str, str], int] = {}
    for at, result in enumerate(stored.results.values()):
        first.setdefault((result.set, result.sample), at)

    def place(key: str) -> tuple[int, int, str]:
        result = stored.results[key]
        return first[result.set, result.sample], result.epoch, key

    return tuple(sorted(keys, key=place))


def grade_record(answer: ToGrade, grade: int, note: str) -> ScoreRecord:
    """A person's grade as a record.

    Args:
        answer: that is graded.
        grade: of its scale.
        note: kept as the explanation.

    Raises:
        ValueError: it is no grade of the scale.
    """
    return ScoreRecord(
        key=answer.record.key,
        index=answer.place,
        scorer="human",
        value=value_of(answer.scorer, grade),
        passed=is_enough(answer.scorer, grade),
        answer=str(grade),
        explanation=well_formed(note.strip())[:_LONGEST],
        details={"grade": grade},
        by=PERSON,
        at=now_text(),
    )


class Pen:
    """Writes grades into one run after another, through its book where the run goes on in this program.

    Args:
        folders: of the user.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._own: RunBook | None = None
        self._used: RunBook | None = None

    @property
    def problem(self) -> str | None:
        """Why grades are not on disk, in words; they wait in memory and are tried again with the next one."""
        return self._used.problem if self._used is not None else None

    async def take(self, path: Path) -> RunBook:
        """The book of a run; what was taken before is let go.

        Raises:
            StoreError: the run is open in another instance, or its file is gone; or what was let go is not on disk.
        """
        if self._own is None or self._own.path != path:
            await self.close()
            self._used = open_book(path)
            if self._used is None:
                self._used = self._own = await asyncio.to_thread(RunBook.reopen, self._folders, path)
            return self._used
        return self._own

    async def write(self, path: Path, score: ScoreRecord) -> Result:
        """Put a grade on the disk; what its answer comes to.

        Raises:
            StoreError: as `take`.
        """
        book = await self.take(path)
        await book.note_scores((score,))
        return book.stored.results[score.key]

    async def close(self) -> None:
        """Let go of the run.

        Raises:
            StoreError: grades are not on disk.
        """
        own, self._own = self._own, None
        if own is not None:
            await own.close(finished=None)
