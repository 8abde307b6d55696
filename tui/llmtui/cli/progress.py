"""Long operations on standard error: a bar in a terminal, a line now and then without one."""

import contextlib
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from llmtui.cli import output
from llmtui.domain.operations import Progress
from llmtui.domain.pace import Pace
from llmtui.domain.quantities import percent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

PLAIN_S = 10.0
"""Between two lines where standard error is no terminal: a log stays short."""
_REPAINTS_A_SECOND = 4


class Drawer(Protocol):
    """Shows how far an operation is."""

    def show(self, progress: Progress) -> None:
        """Take the next event in."""


async def follow(events: AsyncGenerator[Progress], what: str, *, quiet: bool = False) -> str | None:
    """Draw an operation until it ends; gives the path of what it made, if it told one.

    An interrupt closes `events`, which cancels the operation and lets it clean up.

    Args:
        events: of the operation.
        what: it works on, e.g. a file's name; made safe here.
        quiet: draw nothing, as with `--json`.
    """
    path = None
    async with contextlib.aclosing(events):
        with drawn(what, quiet=quiet) as drawer:
            async for progress in events:
                drawer.show(progress)
                path = progress.path or path
    return path


@contextlib.contextmanager
def drawn(what: str, *, quiet: bool = False) -> Iterator[Drawer]:
    """Whatever draws best on standard error; it leaves the cursor in an empty line."""
    name = output.safe_line(what)
    if quiet or sys.stderr is None:
        yield _Nothing()
    elif output.is_terminal(sys.stderr):
        from rich.console import Console  # noqa: PLC0415 - only while something long is drawn

        with bar(name, Console(stderr=True, highlight=False, markup=False, emoji=False)) as drawer:
            yield drawer
    else:
        yield Lines(name)


class _Nothing:
    def show(self, progress: Progress) -> None:
        """Nothing is drawn."""


class Lines:
    """A line for each stage, and one every `PLAIN_S` seconds.

    Args:
        name: safe to show.
        clock: monotonic, in seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._clock = clock
        self._pace = Pace()
        self._stage: str | None = None
        self._told_s = 0.0
        self._told = ""

    def show(self, progress: Progress) -> None:
        """Write a line when it is time for one; the end of a stage is told even when it came soon."""
        now_s = self._clock()
        self._pace.note(progress, now_s)
        due = progress.stage != self._stage or now_s - self._told_s >= PLAIN_S or progress.fraction == 1
        line = " · ".join(part for part in (_stage(progress, self._name), _share(progress), str(self._pace)) if part)
        if due and line != self._told:
            self._stage, self._told_s, self._told = progress.stage, now_s, line
            output.note(line)


@contextlib.contextmanager
def bar(name: str, console: "Console") -> Iterator[Drawer]:
    """A bar that is repainted a few times a second and stays, full, when the operation is done."""
    from rich import progress as rich_progress  # noqa: PLC0415 - only while something long is drawn
    from rich.table import Column  # noqa: PLC0415 - as above

    columns = (
        rich_progress.TextColumn(
            "{task.description}", markup=False, table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis")
        ),
        rich_progress.BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        rich_progress.TextColumn(
            "{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True, justify="right")
        ),
    )
    rich = rich_progress.Progress(*columns, console=console, refresh_per_second=_REPAINTS_A_SECOND, expand=True)
    with rich:
        yield _Bar(name, rich)


class _Bar:
    def __init__(self, name: str, rich: "RichProgress") -> None:
        self._name = name
        self._rich = rich
        self._pace = Pace()
        self._task = rich.add_task(name, total=None, figures="")

    def show(self, progress: Progress) -> None:
        """Bring the bar up to date; it is painted by its own clock."""
        self._pace.note(progress, time.monotonic())
        figures = "  ".join(part for part in (_share(progress), str(self._pace)) if part)
        done = progress.path is not None
        self._rich.update(
            self._task,
            description=_stage(progress, self._name),
            total=1 if done else progress.total,
            completed=1 if done else progress.done or 0,
            figures=figures,
        )


def _stage(progress: Progress, name: str) -> str:
    return f"{output.safe_line(progress.stage)} {name}"


def _share(progress: Progress) -> str:
    return "" if progress.fraction is None else percent(progress.fraction)
