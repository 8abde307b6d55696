"""A run under way on standard error: bars in a terminal, lines without one; with --json, objects on standard output."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from llmtui.cli import output
from llmtui.domain.events import Failed
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.events import (
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

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_S = 10.0
"""Between two lines on how far a run is, where standard error is no terminal."""
_REPAINTS_A_SECOND = 4
_UNFIT_SHOWN = 10


class View(Protocol):
    """Shows a run."""

    def take(self, event: RunEvent) -> None:
        """Take the next event in."""


@contextlib.contextmanager
def viewed(book: RunBook, *, as_json: bool) -> Iterator[View]:
    """Whatever shows a run best where the program's output goes."""
    if as_json:
        output.write_json_line({"event": "run", "path": str(book.path), **msgspec.to_builtins(book.run)})
        yield JsonView()
        return
    plan = book.plan
    sets = ", ".join(f"{output.safe_line(one.name)} ({one.turns:,})" for one in plan.sets)
    output.note(f"run {book.run.id}: {sets} on {', '.join(map(output.safe_line, plan.models))}")
    if output.is_terminal(sys.stderr):
        with _bars(len(plan.models)) as view:
            yield view
    else:
        yield LineView(len(plan.models))


class JsonView:
    """One object a line: models as they come and go, samples with their scores."""

    def take(self, event: RunEvent) -> None:
        """Write the event, unless it only tells how far something is."""
        match event:
            case SampleEnded():
                record: dict[str, Any] = msgspec.to_builtins(event.record)
                scores = [msgspec.to_builtins(score) for score in event.scores]
                result = {"outcome": event.result.outcome, "value": event.result.value}
                record.pop("record")
                output.write_json_line({"event": "sample", **record, **result, "scores": scores})
            case SampleScored():
                scores = [msgspec.to_builtins(score) for score in event.scores]
                output.write_json_line({"event": "score", **msgspec.to_builtins(event.result), "scores": scores})
            case ModelReady() | ModelFailed():
                output.write_json_line({"event": "model", **msgspec.to_builtins(event)})
            case JudgeReady() | JudgeFailed():
                output.write_json_line({"event": "judge", **msgspec.to_builtins(event)})
            case Remark():
                output.note(event.text)


class LineView:
    """Plain lines: a model's coming and going, what has no answer, and every `PLAIN_S` seconds how far it is.

    Args:
        models: how many.
        clock: monotonic, in seconds.
    """

    def __init__(self, models: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._models = models
        self._clock = clock
        self._figures = Figures(clock)
        self._told_s = clock()

    def take(self, event: RunEvent) -> None:
        """Write a line when there is something to tell."""
        figures = self._figures
        match event:
            case ModelReady():
                figures.number += 1
                figures.begin(event.model, event.turns)
                self._told_s = self._clock()
            case JudgeReady():
                figures.begin(f"judge {event.model}", event.answers, judges=True)
                self._told_s = self._clock()
            case SampleEnded() | SampleScored() if figures.counts(event):
                figures.count(event)
        for line in remarks(event, f"model {figures.number} of {self._models}"):
            output.note(line)
        now_s = self._clock()
        counted = isinstance(event, SampleEnded | SampleScored) and figures.counts(event)
        if counted and (now_s - self._told_s >= PLAIN_S or figures.done == figures.total):
            self._told_s = now_s
            told = f" · {figures.told}" if figures.told else ""
            output.note(f"{output.safe_line(figures.model)}: {figures.done:,} of {figures.total:,}{told}")


class BarView:
    """A bar for the models and one for the samples of the present one, with what has no answer above them."""

    def __init__(self, rich: "Progress", models: int) -> None:
        self._rich = rich
        self._figures = Figures()
        self._whole: TaskID | None = rich.add_task("models", total=models, told="") if models > 1 else None
        self._task = rich.add_task("", total=None, told="")

    def take(self, event: RunEvent) -> None:
        """Bring the bars up to date; they are painted by their own clock."""
        figures = self._figures
        match event:
            case ModelLoading():
                self._rich.reset(self._task, total=None, description=output.safe_line(event.model))
                self._rich.update(self._task, told=output.safe_line(event.stage))
            case ModelReady():
                figures.begin(event.model, event.turns)
                self._rich.reset(self._task, total=event.turns, description=output.safe_line(event.model))
            case ModelBack():
                self._rich.update(self._task, total=figures.total, completed=figures.done, told=figures.told)
            case JudgeReady():
                figures.begin(f"judge {event.model}", event.answers, judges=True)
                self._rich.reset(self._task, total=event.answers, description=output.safe_line(figures.model))
            case SampleBegun():
                self._rich.update(
                    self._task, description=output.safe_line(f"{event.model} · {event.set}/{event.sample}")
                )
            case SampleEnded() | SampleScored() if figures.counts(event):
                figures.count(event)
                share = f"{figures.done:,}/{figures.total:,}"
                self._rich.update(self._task, completed=figures.done, told=f"{share} · {figures.told}")
            case ModelDone() | ModelSkipped() if self._whole is not None:
                self._rich.advance(self._whole)
        for line in remarks(event, ""):
            if not isinstance(event, ModelReady) or event.unfit:
                self._rich.console.print(line, markup=False, highlight=False, soft_wrap=True)


def remarks(event: RunEvent, place: str) -> list[str]:
    """What people should read of an event, safe to show."""
    match event:
        case ModelReady():
            return _ready_lines(event, place)
        case ModelSkipped():
            return [f"{output.safe_line(event.model)}: all {event.answered:,} answered before"]
        case ModelFailed():
            return [f"{output.safe_line(event.model)}: {_error_text(event.error)}"]
        case SampleEnded() if event.result.error is not None:
            record = event.record
            name = output.safe_line(f"{record.model} · {record.set}/{record.sample}")
            told = output.safe_line(f"a scorer failed: {event.result.error}")
            return [f"{name}: {_error_text(record.error) if record.error else told}"]
        case Remark():
            return [event.text]
        case _:
            return _grading_lines(event)


def _ready_lines(event: ModelReady, place: str) -> list[str]:
    answered = f", {event.answered:,} answered before" if event.answered else ""
    context = f", context {event.loaded.context_size:,}" if event.loaded.context_size else ""
    devices = "".join(f", {output.safe_line(device)}" for device in event.loaded.devices)
    template = f", template: {output.safe_line(event.loaded.template_source or 'unknown')}"
    head = f"{output.safe_line(event.model)} ({place})" if place else output.safe_line(event.model)
    return [f"{head}: {event.turns:,} to ask{answered}{context}{devices}{template}", *_unfit_lines(event)]


def _grading_lines(event: RunEvent) -> list[str]:
    """What people should read of a judge's work, and of scorers that failed on answers from before."""
    match event:
        case JudgeReady():
            own = ", ".join(map(output.safe_line, event.related))
            head = f"judge {output.safe_line(event.model)}: {event.answers:,} to grade"
            return [head, f"  it may favour itself and models of its family: {own}"] if own else [head]
        case JudgeFailed():
            return [f"judge {output.safe_line(event.model)}: {_error_text(event.error)}"]
        case SampleScored():
            result = event.result
            name = output.safe_line(f"{result.model} · {result.set}/{result.sample}")
            return [f"{name}: {output.safe_line(score.error)}" for score in event.scores if score.error is not None]
        case _:
            return []


def _unfit_lines(event: ModelReady) -> list[str]:
    if not event.unfit:
        return []
    more = len(event.unfit) - _UNFIT_SHOWN
    shown = ", ".join(map(output.safe_line, event.unfit[:_UNFIT_SHOWN]))
    return [f"  longer than its context: {shown}{f' and {more:,} more' if more > 0 else ''}"]


def _error_text(error: Failed) -> str:
    return output.safe_line(": ".join(part for part in (error.title, error.cause) if part))


@contextlib.contextmanager
def _bars(models: int) -> Iterator[BarView]:
    from rich import progress as rich_progress  # noqa: PLC0415 - only while something long is drawn
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.table import Column  # noqa: PLC0415 - as above

    columns = (
        rich_progress.TextColumn(
            "{task.description}", markup=False, table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis")
        ),
        rich_progress.BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        rich_progress.TextColumn("{task.fields[told]}", markup=False, table_column=Column(no_wrap=True)),
    )
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with rich_progress.Progress(
        *columns, console=console, refresh_per_second=_REPAINTS_A_SECOND, expand=True, transient=True
    ) as rich:
        yield BarView(rich, models)
