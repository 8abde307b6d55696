"""A run that is looked at, from its file."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from llmtui.domain.run import RunPlan, RunRecord
from llmtui.errors import LlmtuiError
from llmtui.services.runs.grid import Grid, GridRow
from llmtui.services.runs.grid_fold import GridFold, fold_of
from llmtui.store.prompt_sets import open_prompt_set
from llmtui.store.run_answers import Answer, RunAnswers
from llmtui.store.runs import StoredRun, read_run

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Answer", "OpenRun"]


class OpenRun:
    """One run with its grid and its answers. Make it with `read`.

    Attributes:
        run: the file's first line.
        path: the file.
        damaged: lines of it that cannot be read.
    """

    def __init__(self, stored: StoredRun) -> None:
        self.run: RunRecord = stored.run
        self.path = stored.path
        self.damaged = stored.damaged
        self._fold: GridFold = fold_of(stored.run.plan, stored.results.values(), stored.failures)
        self._answers = RunAnswers(stored.path)

    @classmethod
    def read(cls, path: Path) -> "OpenRun":
        """A run of the past. Reads from disk: call it from a thread.

        Raises:
            StoreError: the file is missing, no run, or of a newer schema.
        """
        return cls(read_run(path))

    @property
    def plan(self) -> RunPlan:
        """What is asked."""
        return self.run.plan

    @property
    def grid(self) -> Grid:
        """The grid now; the same object as before when nothing has changed."""
        return self._fold.grid()

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
        self._fold.set_rows(rows)

    def answer(self, key: str) -> Answer | None:
        """The newest answer under a key, with its scores. Reads from disk: call it from a thread.

        Raises:
            StoreError: the file cannot be read.
        """
        return self._answers.read(key)


def _rows_of(plan: RunPlan) -> "Iterator[GridRow]":
    for planned in plan.sets:
        with open_prompt_set(Path(planned.path)) as reader:
            for sample in islice(reader.samples(), plan.limit):
                yield GridRow(planned.name, sample.id, plan.epochs or sample.epochs)
