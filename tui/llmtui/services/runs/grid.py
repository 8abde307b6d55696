"""A run as a grid: samples down, models across. Pure."""

from collections.abc import Mapping
from statistics import fmean
from typing import Literal

import msgspec

from llmtui.domain.run import Outcome

Place = tuple[str, str, str, int]
"""Set, sample, model and epoch."""
CellState = Outcome | Literal["asking", "queued", "skipped", "open"]
"""What became of a sample so far: `open` has no record, `queued` is asked again, `skipped` is left out until the run is
taken up again."""
ColumnState = Literal["open", "loading", "answering", "done", "failed"]
_WORST: tuple[CellState, ...] = (
    "asking",
    "queued",
    "error",
    "failed",
    "waiting",
    "cancelled",
    "skipped",
    "open",
    "unscored",
    "passed",
)


class GridRow(msgspec.Struct, frozen=True):
    """One sample of a set, asked so many times."""

    set: str
    sample: str
    epochs: int = 1


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What one epoch of a sample came to; the fields of `Result`.

    Attributes:
        mended: it passes and a baseline fails, or the other way round; None where both agree, or there is none.
    """

    state: CellState
    key: str | None = None
    value: float | None = None
    decode_tps: float | None = None
    error: str | None = None
    mended: bool | None = None


class Cell(msgspec.Struct, frozen=True):
    """A sample on a model: its epochs, None where one has not been asked."""

    marks: tuple[Mark | None, ...]

    @property
    def state(self) -> CellState:
        """Of several epochs the one that most calls for a look."""
        return min((mark.state if mark else "open" for mark in self.marks), key=_WORST.index, default="open")

    @property
    def passed(self) -> int:
        """Epochs that passed."""
        return sum(mark is not None and mark.state == "passed" for mark in self.marks)

    @property
    def mended(self) -> bool | None:
        """Whether it is better or worse than a baseline over its epochs; None where neither."""
        flips = [mark.mended for mark in self.marks if mark is not None and mark.mended is not None]
        better = 2 * sum(flips) - len(flips)
        return better > 0 if better else None

    @property
    def value(self) -> float | None:
        """Mean score, 0 to 1; None when nothing has been scored."""
        values = [mark.value for mark in self.marks if mark is not None and mark.value is not None]
        return fmean(values) if values else None

    @property
    def decode_tps(self) -> float | None:
        """Mean, tokens a second."""
        rates = [mark.decode_tps for mark in self.marks if mark is not None and mark.decode_tps is not None]
        return fmean(rates) if rates else None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of one model over one set, or over all.

    Attributes:
        planned: samples times epochs.
        done: that have an answer.
        score: mean over samples of their mean value.
        decode_tps: median over answers.
    """

    planned: int
    done: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    score: float | None = None
    decode_tps: float | None = None


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the run.

    Attributes:
        stage: of its load.
        fraction: of its load, 0 to 1.
        problem: why it is not asked.
    """

    model: str
    state: ColumnState = "open"
    stage: str = ""
    fraction: float | None = None
    problem: str | None = None


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """The whole grid at one moment.

    Attributes:
        rows: set by set.
        marks: of every place that has one.
        totals: by set and model; of all sets together under None.
        told: failures and pace of the model that answers, or grades, in words.
        judge: the model that grades now.
        remark: the last thing that people should know.
    """

    rows: tuple[GridRow, ...] = ()
    columns: tuple[Column, ...] = ()
    marks: Mapping[Place, Mark] = {}
    totals: Mapping[tuple[str | None, str], Totals] = {}
    told: str = ""
    judge: str | None = None
    remark: str = ""

    def cell(self, row: GridRow, model: str) -> Cell:
        """What became of a sample on a model."""
        return Cell(tuple(self.marks.get((row.set, row.sample, model, epoch)) for epoch in range(row.epochs)))

    @property
    def done(self) -> int:
        """Answers of all models together."""
        return sum(self.totals[None, column.model].done for column in self.columns)

    @property
    def planned(self) -> int:
        """Samples times epochs of all models together."""
        return sum(self.totals[None, column.model].planned for column in self.columns)

    @property
    def active(self) -> Column | None:
        """The model that is loaded or answers."""
        return next((column for column in self.columns if column.state in {"loading", "answering"}), None)
