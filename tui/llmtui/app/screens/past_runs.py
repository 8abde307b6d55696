"""The runs of the past: one is opened, or deleted."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from llmtui.app import format as fmt
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.bar import FooterBar
from llmtui.app.widgets.row_list import RowList
from llmtui.app.widgets.table import Column, Row
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.runs.past import RunSummary

_COLUMNS = (
    Column(name="when", rank=5),
    Column(name="sets", flexible=True),
    Column(name="models", rank=2),
    Column(name="answers", right=True, rank=4),
    Column(name="state", rank=3),
    Column(name="id", rank=1),
)
STATE_STYLES = {"running": "$primary", "finished": "$success", "interrupted": "$warning", "broken off": "$error"}
_KEYS = "Enter opens one, Esc closes"


class PastRunsScreen(PickerScreen[str]):
    """Lists the runs, the newest first; dismisses with the path of the chosen one.

    Args:
        list_runs: reads them; runs in a thread.
        remove: removes one by its path; runs in a thread.
        actions: the registry with the user's keys.
    """

    SCOPE = "past_runs"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "past_runs")]

    def __init__(
        self,
        list_runs: "Callable[[], Iterator[RunSummary]]",
        remove: Callable[[Path], None],
        actions: Sequence[Action] = ACTIONS,
    ) -> None:
        super().__init__("Runs", "type to filter", _COLUMNS)
        self._list_runs = list_runs
        self._remove = remove
        self._actions = tuple(actions)
        self._found: list[RunSummary] = []
        self._doomed: str | None = None

    def compose_below(self) -> ComposeResult:
        """The keys."""
        yield FooterBar(footer_actions(self._actions, "past_runs"), id="keys")

    def on_mount(self) -> None:
        """Read the files without holding up the screen."""
        super().on_mount()
        self.run_worker(self._list(), group="list", exclusive=True, exit_on_error=False)

    async def _list(self) -> None:
        try:
            self._found = await asyncio.to_thread(lambda: list(self._list_runs()))
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self._show()

    def _show(self) -> None:
        self.grow([run_row(run) for run in self._found], [run.path for run in self._found])
        many = len(self._found)
        self.remark(f"{many:,} run{'' if many == 1 else 's'} · {_KEYS}" if many else "no runs yet")

    async def action_remove_run(self) -> None:
        """Delete the marked run, at the second time."""
        path = self.marked
        if path is None:
            return
        if self._doomed != path:
            self._doomed = path
            run = next(run for run in self._found if run.path == path)
            self.remark(
                f"{self.key('remove_run')} again deletes {run.id} with its {run.done:,} answers for good", error=True
            )
            return
        try:
            await asyncio.to_thread(self._remove, Path(path))
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self._doomed = None
        self._found = [run for run in self._found if run.path != path]
        self._show()

    @on(RowList.Marked)
    def _another_is_marked(self) -> None:
        if self._doomed is not None and self.marked != self._doomed:
            self._doomed = None
            self.remark(_KEYS)


def run_row(run: "RunSummary") -> Row:
    """A run as a row of the list."""
    first, *others = run.models
    models = fmt.name(first) + (f" +{len(others)}" if others else "")
    sets = fmt.name(", ".join(run.sets))
    cells = (when(run.created_at), sets, models, f"{run.done:,}/{run.planned:,}", run.state, run.id)
    search = " ".join([*cells, *map(fmt.name, others)])
    return Row(key=run.path, cells=cells, search=search, styles={4: STATE_STYLES.get(run.state, "")})


def when(created_at: str) -> str:
    """A record's time, in the user's time zone and to the minute."""
    try:
        return f"{datetime.fromisoformat(created_at).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return fmt.name(created_at)[:16]
