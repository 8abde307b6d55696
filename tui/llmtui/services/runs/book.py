"""A run's file while the run goes on, and the runs of the past."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from weakref import WeakValueDictionary

import llmtui
from llmtui.domain.judges import JudgeRow, judge_rows
from llmtui.domain.run import ModelRecord, Result, RunPlan, RunRecord, SampleRecord, ScoreRecord
from llmtui.domain.run_summary import SummaryRow, summarise
from llmtui.domain.text import visible_line
from llmtui.domain.transcript import EndRecord
from llmtui.errors import LlmtuiError, StoreError, UsageError
from llmtui.services.conversation import new_id, now_text
from llmtui.services.journal import Journal
from llmtui.services.scoring.registry import Waits, waits_by_name
from llmtui.services.thread import file_name
from llmtui.store.paths import Folders
from llmtui.store.runs import SUFFIX, StoredRun, read_head, read_run, run_files, runs_dir
from llmtui.store.transcript_writer import TranscriptWriter

_open_books: WeakValueDictionary[Path, "RunBook"] = WeakValueDictionary()
"""By file. The lock on a file keeps out this program, too: whoever else writes to a run here must use its book."""


class RunBook:
    """Writes a run's records as they come, and knows what became of every sample. Make it with `begin` or `reopen`.

    Attributes:
        elsewhere: the file is not among the user's runs, where an id is looked for.
    """

    def __init__(self, stored: StoredRun, writer: TranscriptWriter, *, elsewhere: bool) -> None:
        self.elsewhere = elsewhere
        self._stored = stored
        self._journal = Journal(writer)
        _open_books[stored.path.resolve()] = self

    @classmethod
    async def begin(cls, folders: Folders, folder: Path | None, plan: RunPlan) -> "RunBook":
        """A new file.

        Args:
            folders: of the user.
            folder: where it goes; None takes the user's runs.
            plan: what is asked.

        Raises:
            StoreError: it cannot be written; better now than after the first model.
        """
        run = RunRecord(id=new_id(), created_at=now_text(), llmtui=llmtui.__version__, plan=plan)
        path = (folder or runs_dir(folders)) / file_name(run.id, SUFFIX)
        book = cls(StoredRun(path, run), TranscriptWriter(path, what="run"), elsewhere=folder is not None)
        await book._journal.save(run)
        if book.problem is not None:
            problem = book.problem
            await book._journal.close()
            raise StoreError(
                "The run cannot be written", cause=visible_line(problem), remedy="Choose another folder with -o"
            )
        return book

    @classmethod
    def reopen(cls, folders: Folders, path: Path) -> "RunBook":
        """Go on with a run. Reads from disk: call it from a thread.

        Raises:
            StoreError: the file is missing, no run, or open in another instance.
        """
        read_run(path)  # refuses what is no run, before its tail is cut
        writer = TranscriptWriter.reopen(path, what="run")
        try:
            elsewhere = path.resolve().parent != runs_dir(folders).resolve()
            return cls(read_run(path), writer, elsewhere=elsewhere)
        except LlmtuiError:
            writer.close()
            raise

    @property
    def run(self) -> RunRecord:
        """The file's first line."""
        return self._stored.run

    @property
    def plan(self) -> RunPlan:
        """What is asked."""
        return self._stored.run.plan

    @property
    def path(self) -> Path:
        """The file."""
        return self._stored.path

    @property
    def stored(self) -> StoredRun:
        """What is known of the run so far."""
        return self._stored

    @property
    def problem(self) -> str | None:
        """Why records are not on disk, in words; they wait in memory and are tried again with the next one."""
        return self._journal.problem

    def is_answered(self, key: str) -> bool:
        """Whether a sample has its answer: it is not asked again. One that failed or was cancelled is."""
        found = self._stored.results.get(key)
        return found is not None and found.is_final

    async def note_model(self, record: ModelRecord) -> None:
        """Record what became of a load."""
        self._stored.take(record)
        await self._journal.save(record)

    async def note_sample(self, record: SampleRecord, scores: Sequence[ScoreRecord]) -> Result:
        """Record a sample and its scores in one write, and wait until they are on the disk."""
        self._stored.take(record)
        for one in scores:
            self._stored.take(one)
        await self._journal.save(record, *scores)
        return self._stored.results[record.key]

    async def note_scores(self, scores: Sequence[ScoreRecord]) -> None:
        """Record scores of a sample whose own record is there already."""
        for one in scores:
            self._stored.take(one)
        await self._journal.save(*scores)

    def summary(self) -> list[SummaryRow]:
        """A row for each pair of set and model."""
        planned = [(one.name, model, one.turns) for one in self.plan.sets for model in self.plan.models]
        return summarise(self._stored.results.values(), planned)

    def waiting(self) -> dict[str, Counter[Waits]]:
        """How many answers of each set wait, by what they wait for; one may wait for a judge or a person.

        What another scorer has failed is failed whatever they would say.
        """
        found: dict[str, Counter[Waits]] = {}
        for result in (one for one in self._stored.results.values() if one.outcome == "waiting"):
            kinds = {kind for name in result.waiting if (kind := waits_by_name(name)) is not None}
            if kinds:
                found.setdefault(result.set, Counter()).update(kinds)
        return found

    def judged(self) -> list[JudgeRow]:
        """A row for each model that has graded answers."""
        return judge_rows(self._stored.scores(key) for key in self._stored.results)

    async def close(self, *, finished: bool | None) -> None:
        """Write the end and let go of the file.

        Args:
            finished: None writes no end: nothing was asked.

        Raises:
            StoreError: records are not on disk.
        """
        if _open_books.get(self.path.resolve()) is self:
            del _open_books[self.path.resolve()]
        end = EndRecord(ended_at=now_text(), reason="finished" if finished else "interrupted")
        await self._journal.close(*([] if finished is None else [end]))
        if self.problem is not None:
            raise StoreError(
                "Not all of the run is on disk",
                cause=visible_line(self.problem),
                remedy="Make room, then take the run up with --resume: what is missing is asked again",
            )


def open_book(path: Path) -> RunBook | None:
    """The book of a run that goes on in this program; None where none does."""
    return _open_books.get(path.resolve())


def find_run(folders: Folders, word: str, folder: Path | None = None) -> Path:
    """The file of a run: by its path, its id, or the beginning of one id.

    Args:
        folders: of the user.
        word: what the user typed.
        folder: where to look; None takes the user's runs.

    Raises:
        UsageError: there is none, or more than one.
    """
    if word and "\0" not in word:
        path = Path(word).expanduser() if word.startswith("~/") else Path(word)
        if ("/" in word or path.suffix == SUFFIX) and path.is_file():
            return path
    where = folder or runs_dir(folders)
    heads = {head.id: path for path in run_files(where) if (head := read_head(path)) is not None}
    found = [id_ for id_ in heads if id_ == word] or [id_ for id_ in heads if word and id_.startswith(word)]
    if len(found) == 1:
        return heads[found[0]]
    shown = visible_line(word)[:80]
    newest = ", ".join(list(heads)[:5])
    raise UsageError(
        f"Several runs begin with {shown!r}" if found else f"There is no run {shown!r}",
        cause=", ".join(found[:5]) or (f"the newest are {newest}" if newest else f"no run is kept in {where}"),
        remedy="Write more of the id" if found else "Give the id or the file of a run; -o names the folder",
    )
