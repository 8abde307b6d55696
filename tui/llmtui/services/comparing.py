"""Runs that are laid side by side, with their answers: what a screen needs of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

from llmtui.domain.run import Result
from llmtui.domain.text import visible_line
from llmtui.errors import StoreError
from llmtui.services.answers import ShownAnswer, of_sample
from llmtui.services.compare import Comparison, Place, columns_of, join, table_of
from llmtui.services.compare_text import as_markdown
from llmtui.services.runs.grid import Column, Grid, GridRow, Mark, Totals
from llmtui.store.paths import Folders, make_private_dir
from llmtui.store.run_answers import RunAnswers
from llmtui.store.runs import StoredRun, read_run

_MOST_NAMES = 1000
LEAST_ID = 4
"""Characters of a run's id that are shown, if they tell it from the others."""


class OpenComparison:
    """Runs side by side. It reads from disk: call it from a thread.

    Attributes:
        baseline: the file of the run against which the others are held.
        comparison: the runs joined.
        grid: the same as a grid; its columns' models are the labels, each of them once.

    Args:
        paths: the runs' files; the first one is the baseline.

    Raises:
        StoreError: one is no run, or cannot be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        files = list(dict.fromkeys(path.resolve() for path in paths))
        self._runs: list[tuple[Path, StoredRun]] = [(path, read_run(path)) for path in files]
        self._sources = columns_of(self._runs)
        self._tables = [table_of(stored, model) for _, stored, model in self._sources]
        self._answers = {path: RunAnswers(path) for path in files}
        self.hold_against(files[0])

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self._runs)

    @property
    def baseline_id(self) -> str:
        """The baseline's id."""
        return next(stored.run.id for path, stored in self._runs if path == self.baseline)

    def hold_against(self, path: Path) -> None:
        """Take the run of this file as the baseline."""
        self.baseline = path
        self.comparison: Comparison = join(self._runs, path)
        self.grid: Grid = grid_of(self.comparison, self._tables)

    def file_of(self, label: str) -> Path:
        """The file of a column's run."""
        return self._sources[self.number(label)][0]

    def number(self, label: str) -> int:
        """The number of a column."""
        return next(at for at, column in enumerate(self.grid.columns) if column.model == label)

    def answers(self, row: GridRow, epoch: int) -> tuple[ShownAnswer, ...]:
        """A sample's answers in one epoch, column by column; one that is missing says so.

        Raises:
            StoreError: a run's file cannot be read.
        """
        place = (row.set, row.sample, epoch)
        shown = []
        for (path, stored, model), table in zip(self._sources, self._tables, strict=True):
            note = f"run {stored.run.id}" if self.runs > 1 else ""
            result = table.get(place)
            found = self._answers[path].read(result.key) if result is not None else None
            if found is None:
                shown.append(ShownAnswer(label=model, note=note, error="not asked in this run"))
            else:
                shown.append(of_sample(found.record, found.scores, note=note))
        return tuple(shown)

    def export(self, folders: Folders) -> Path:
        """Write the comparison as Markdown into a new file of the data folder, and tell which.

        Raises:
            StoreError: it cannot be written.
        """
        folder = folders.data_dir / "comparisons"
        stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        text = as_markdown(self.comparison)
        for number in range(_MOST_NAMES):
            path = folder / f"{stem}{f'-{number + 1}' if number else ''}.md"
            try:
                make_private_dir(folder)
                with path.open("x", encoding="utf-8") as file:
                    file.write(text)
            except FileExistsError:
                continue
            except OSError as error:
                raise StoreError(
                    "The comparison cannot be written",
                    cause=f"{visible_line(str(path))}: {error.strerror or error}",
                    remedy="Make room on the disk, or check the permissions of the data folder",
                ) from error
            return path
        raise StoreError(
            "The comparison cannot be written",
            cause=f"{visible_line(str(folder))} has {_MOST_NAMES:,} files of this second",
            remedy="Try again",
        )


def grid_of(comparison: Comparison, tables: Sequence[Mapping[Place, Result]]) -> Grid:
    """A comparison as a grid: samples down, columns across.

    Args:
        comparison: of runs.
        tables: results by place, one a column.
    """
    short = _short({column.run for column in comparison.columns})
    labels = _unlike(
        [f"{column.run[:short]} {column.model}" if short else column.model for column in comparison.columns]
    )
    epochs: dict[tuple[str, str], int] = {}
    for row in comparison.rows:
        epochs[row.set, row.sample] = max(epochs.get((row.set, row.sample), 0), row.epoch + 1)
    sets = list(dict.fromkeys(name for name, _ in epochs))
    order = {name: at for at, name in enumerate(sets)}
    rows = sorted((GridRow(set_, sample, many) for (set_, sample), many in epochs.items()), key=lambda r: order[r.set])
    marks: dict[tuple[str, str, str, int], Mark] = {}
    totals: dict[tuple[str | None, str], Totals] = {}
    for label, column, table in zip(labels, comparison.columns, tables, strict=True):
        flips = {(one.set, one.sample, one.epoch): one.mended for one in column.flips.flips} if column.flips else {}
        for place, result in table.items():
            marks[place[0], place[1], label, place[2]] = _mark(result, flips.get(place))
        for name in (None, *sets):
            totals[name, label] = _totals([one for one in table.values() if name in {None, one.set}])
    columns = tuple(Column(model=label, state="done") for label in labels)
    return Grid(rows=tuple(rows), columns=columns, marks=marks, totals=totals)


def _mark(result: Result, mended: bool | None) -> Mark:  # noqa: FBT001 - what a flip says
    return Mark(
        state=result.outcome,
        key=result.key,
        value=result.value,
        decode_tps=result.decode_tps,
        error=result.error,
        mended=mended,
    )


def _totals(results: Sequence[Result]) -> Totals:
    rates = [one.decode_tps for one in results if one.decode_tps is not None]
    return Totals(
        planned=len(results),
        done=sum(one.is_final for one in results),
        passed=sum(one.outcome == "passed" for one in results),
        failed=sum(one.outcome == "failed" for one in results),
        errors=sum(one.outcome == "error" for one in results),
        decode_tps=median(rates) if rates else None,
    )


def _short(ids: Collection[str]) -> int:
    """How many characters tell the runs apart; none where there is one run."""
    if len(ids) < 2:
        return 0
    longest = max(map(len, ids))
    return next((size for size in range(LEAST_ID, longest) if len({id_[:size] for id_ in ids}) == len(ids)), longest)


def _unlike(labels: Sequence[str]) -> list[str]:
    """Labels of which none is like another: the same run may lie in two files."""
    taken: dict[str, int] = {}
    unlike = []
    for label in labels:
        taken[label] = taken.get(label, 0) + 1
        unlike.append(label if taken[label] == 1 else f"{label} #{taken[label]}")
    return unlike
