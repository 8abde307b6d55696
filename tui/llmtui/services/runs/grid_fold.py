"""A grid is a fold over what a run tells, or over the results of its file. Pure."""

import bisect
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from llmtui.domain.run import Result, RunPlan
from llmtui.services.runs.events import (
    JudgeDone,
    JudgeFailed,
    JudgeReady,
    ModelBack,
    ModelDone,
    ModelFailed,
    ModelLoading,
    ModelReady,
    ModelSkipped,
    Remark,
    RunEvent,
    SampleBegun,
    SampleEnded,
    SampleScored,
)
from llmtui.services.runs.figures import Figures
from llmtui.services.runs.grid import Column, ColumnState, Grid, GridRow, Mark, Place, Totals


class GridFold:
    """Takes in what a run tells and gives grids.

    Args:
        plan: of the run.
        clock: monotonic, in seconds.
    """

    def __init__(self, plan: RunPlan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._figures = Figures(clock)
        self._rows: dict[str, dict[str, GridRow]] = {planned.name: {} for planned in plan.sets}
        self._columns = {model: Column(model=model) for model in plan.models}
        self._marks: dict[Place, Mark] = {}
        self._before: dict[Place, Mark | None] = {}
        self._tallies = {
            (name, model): _Tally(turns)
            for model in plan.models
            for name, turns in [*((planned.name, planned.turns) for planned in plan.sets), (None, plan.turns)]
        }
        self._remark = ""
        self._judge: str | None = None
        self._flat: tuple[GridRow, ...] | None = None
        self._grid: Grid | None = None

    def set_rows(self, rows: Iterable[GridRow]) -> None:
        """The samples that are asked, in their order; results of others, whose sets have changed, follow."""
        known = self._rows
        self._rows = {name: {} for name in known}
        for row in rows:
            self._rows.setdefault(row.set, {})[row.sample] = row
        for name, samples in known.items():
            for sample, row in samples.items():
                self._rows[name].setdefault(sample, row)
        self._flat = self._grid = None

    def note(self, result: Result) -> None:
        """A sample's result, from the file or as it comes."""
        mark = Mark(
            state=result.outcome,
            key=result.key,
            value=result.value,
            decode_tps=result.decode_tps,
            error=result.error,
        )
        self._put((result.set, result.sample, result.model, result.epoch), mark)

    def skip(self, place: Place) -> None:
        """A sample is left out, unless it has an answer."""
        mark = self._marks.get(place)
        if mark is None or mark.state in {"open", "error", "cancelled"}:
            self._put(place, Mark(state="skipped", key=mark.key if mark else None))

    def unskip(self, place: Place) -> None:
        """A sample that was left out is to be asked."""
        mark = self._marks.get(place)
        if mark is not None and mark.state == "skipped":
            self._put(place, None)

    def queue(self, place: Place) -> None:
        """A sample is to be asked again."""
        mark = self._marks.get(place)
        if mark is None or mark.state != "asking":
            self._before.setdefault(place, mark)
            self._put(place, Mark(state="queued", key=mark.key if mark else None))

    def take(self, event: RunEvent) -> None:
        """What the run tells next."""
        self._grid = None
        match event:
            case ModelLoading() | ModelReady() | ModelBack() | ModelSkipped() | ModelDone() | ModelFailed():
                self._take_model(event)
            case JudgeReady() | JudgeFailed() | JudgeDone():
                self._take_judge(event)
            case SampleBegun():
                self._begin((event.set, event.sample, event.model, event.epoch))
            case SampleEnded():
                self._before.pop((event.result.set, event.result.sample, event.result.model, event.result.epoch), None)
                self._figures.count(event)
                self.note(event.result)
            case SampleScored():
                if self._figures.counts(event):
                    self._figures.count(event)
                self.note(event.result)
            case Remark():
                self._remark = event.text

    def _take_model(
        self, event: ModelLoading | ModelReady | ModelBack | ModelSkipped | ModelDone | ModelFailed
    ) -> None:
        match event:
            case ModelLoading():
                self._column(event.model, state="loading", stage=event.stage, fraction=event.fraction)
            case ModelReady():
                self._figures.begin(event.model, event.turns)
                self._column(event.model, state="answering")
            case ModelBack():
                self._column(event.model, state="answering")
            case ModelFailed():
                error = event.error
                problem = ": ".join(part for part in (error.title, error.cause) if part)
                self._column(event.model, state="failed", problem=problem)
            case _:
                if self._columns[event.model].state != "failed":
                    self._column(event.model, state="done")
                self._put_back(event.model)

    def _take_judge(self, event: JudgeReady | JudgeFailed | JudgeDone) -> None:
        self._judge = event.model if isinstance(event, JudgeReady) else None
        for column in list(self._columns.values()):
            if column.state == "loading":  # it grades: its own answers are there
                self._column(column.model, state="done")
        if isinstance(event, JudgeReady):
            self._figures.begin(event.model, event.answers, judges=True)
        elif isinstance(event, JudgeFailed):
            self._remark = f"{event.model} cannot grade: {event.error.title}"

    def fail(self, model: str, problem: str) -> None:
        """A model could not be asked, as the run's file tells."""
        self._column(model, state="failed", problem=problem)

    def rest(self) -> None:
        """The run has ended or stopped: nothing is under way any more."""
        self._put_back()
        self._figures.begin("", 0)
        self._judge = None
        for column in self._columns.values():
            if column.state in {"loading", "answering"}:
                self._column(column.model, state="open")

    @property
    def done(self) -> int:
        """Answers of all models together."""
        return sum(self._tallies[None, model].done for model in self._columns)

    def grid(self) -> Grid:
        """The grid now; the same object as before when nothing has changed."""
        if self._grid is None:
            if self._flat is None:
                self._flat = tuple(row for samples in self._rows.values() for row in samples.values())
            self._grid = Grid(
                rows=self._flat,
                columns=tuple(self._columns.values()),
                marks=dict(self._marks),
                totals={place: tally.totals for place, tally in self._tallies.items()},
                told=self._figures.told,
                judge=self._judge,
                remark=self._remark,
            )
        return self._grid

    def _column(
        self,
        model: str,
        *,
        state: ColumnState,
        stage: str = "",
        fraction: float | None = None,
        problem: str | None = None,
    ) -> None:
        if model not in self._columns:  # a judge: it has none
            return
        self._columns[model] = Column(model=model, state=state, stage=stage, fraction=fraction, problem=problem)
        self._grid = None

    def _put(self, place: Place, mark: Mark | None) -> None:
        set_, sample, model, epoch = place
        if model not in self._columns:
            return
        self._make_row(set_, sample, epoch)
        before = self._marks.get(place)
        if mark is None:
            self._marks.pop(place, None)
        else:
            self._marks[place] = mark
        for name in (set_, None):
            if (tally := self._tallies.get((name, model))) is not None:
                tally.change((set_, sample), before, mark)
        self._grid = None

    def _make_row(self, set_: str, sample: str, epoch: int) -> None:
        samples = self._rows.setdefault(set_, {})
        row = samples.get(sample)
        if row is None or row.epochs <= epoch:
            samples[sample] = GridRow(set_, sample, epoch + 1)
            self._flat = None

    def _begin(self, place: Place) -> None:
        mark = self._marks.get(place)
        self._before.setdefault(place, mark)
        self._put(place, Mark(state="asking", key=mark.key if mark else None))

    def _put_back(self, model: str | None = None) -> None:
        """What was being asked of a model has what it had before; of all models, also what is to be asked again."""
        for place, mark in list(self._before.items()):
            now = self._marks.get(place)
            if model is None or (place[2] == model and now is not None and now.state == "asking"):
                del self._before[place]
                self._put(place, mark)


def fold_of(plan: RunPlan, results: Iterable[Result], failures: Mapping[str, str]) -> GridFold:
    """A run as its file tells it.

    Args:
        plan: of the run.
        results: one a place.
        failures: models that could not be asked: why, by name.
    """
    fold = GridFold(plan)
    for result in results:
        fold.note(result)
    for model, problem in failures.items():
        if model in plan.models:
            fold.fail(model, problem)
    return fold


class _Tally:
    """Totals that are brought up to date mark by mark: a run may have a hundred thousand."""

    def __init__(self, planned: int) -> None:
        self._planned = planned
        self._counts = Counter[str]()
        self._rates: list[float] = []
        self._values: dict[tuple[str, str], list[float]] = {}
        self._means = 0.0
        self._totals: Totals | None = None

    def change(self, sample: tuple[str, str], before: Mark | None, after: Mark | None) -> None:
        """A mark of a sample came in place of another."""
        values = self._values.pop(sample, [])
        self._means -= fmean(values) if values else 0.0
        if before is not None:
            self._counts[before.state] -= 1
            if before.decode_tps is not None:
                del self._rates[bisect.bisect_left(self._rates, before.decode_tps)]
            if before.value is not None:
                values.remove(before.value)
        if after is not None:
            self._counts[after.state] += 1
            if after.decode_tps is not None:
                bisect.insort(self._rates, after.decode_tps)
            if after.value is not None:
                values.append(after.value)
        if values:
            self._values[sample] = values
            self._means += fmean(values)
        self._totals = None

    @property
    def done(self) -> int:
        """Answers there are."""
        return sum(self._counts[state] for state in ("passed", "failed", "waiting", "unscored"))

    @property
    def totals(self) -> Totals:
        """Now."""
        if self._totals is None:
            counts = self._counts
            self._totals = Totals(
                planned=self._planned,
                done=self.done,
                passed=counts["passed"],
                failed=counts["failed"],
                errors=counts["error"] + counts["cancelled"],
                score=self._means / len(self._values) if self._values else None,
                decode_tps=_median(self._rates),
            )
        return self._totals


def _median(ordered: Sequence[float]) -> float | None:
    if not ordered:
        return None
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
