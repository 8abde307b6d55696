"""Going back to something earlier: a chat, a notebook or a run."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from llmtui.app import format as fmt
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.screens.past_runs import STATE_STYLES
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.bar import FooterBar
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.transcript import ChatList
from llmtui.errors import LlmtuiError
from llmtui.services.history import Past, of_chat

NAMED = 3
"""Files that cannot be read, called by their names."""
BATCH_S = 0.25
"""Runs are shown as they are read, after so long each time, at least."""
REST = 8
"""Times that the last showing took, to read on before the next one: laying out thousands of rows takes a while."""
_COLUMNS = (
    Column(name="", rank=9),
    Column(name="kind", rank=6),
    Column(name="title", flexible=True),
    Column(name="last used", rank=5),
    Column(name="answers", right=True, rank=4),
    Column(name="model", rank=3),
    Column(name="state", rank=2),
)


class HistoryScreen(PickerScreen[Past]):
    """Chats, notebooks and runs, the newest first; Enter goes on with one, or opens the run's grid.

    It stays open, and says why, when that is not possible.

    Args:
        list_chats: reads the summaries; runs in a thread.
        list_runs: reads runs one by one; runs in threads.
        reopen: goes on with a chat or notebook; returns what stood in the way.
        compare: shows runs beside one another, the first as the baseline.
        actions: the registry with the user's keys.
    """

    SCOPE = "history"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "history")]
    DEFAULT_CSS = """
    HistoryScreen #unreadable { display: none; height: auto; max-height: 3; color: $warning; }
    HistoryScreen #keys { padding: 0; }
    """

    def __init__(
        self,
        list_chats: Callable[[], ChatList],
        list_runs: Callable[[], Iterator[Past]],
        reopen: Callable[[Path], Awaitable[LlmtuiError | None]],
        compare: Callable[[Sequence[Path]], None],
        actions: Sequence[Action] = ACTIONS,
    ) -> None:
        super().__init__("History", "type to filter", _COLUMNS)
        self._list_chats = list_chats
        self._list_runs = list_runs
        self._reopen = reopen
        self._compare = compare
        self._actions = tuple(actions)
        self._found: list[Past] = []
        self._unreadable = 0
        self._picked: list[str] = []
        self._made: dict[tuple[str, int | None], Row] = {}

    def on_mount(self) -> None:
        """Read the summaries without holding up the screen."""
        super().on_mount()
        self.run_worker(self._list(), group="list", exit_on_error=False)

    def compose_below(self) -> ComposeResult:
        """Names of files that cannot be read, and the keys."""
        yield Static(id="unreadable", markup=False)
        yield FooterBar(footer_actions(self._actions, "history"), id="keys")

    def chosen(self, choice: Past) -> None:
        """Open the run, or try to go on with the chat."""
        if choice.kind == "run":
            self.dismiss(choice)
            return
        self.remark("opening …")
        self.run_worker(self._open(choice), group="open", exclusive=True, exit_on_error=False)

    async def _list(self) -> None:
        try:
            found = await asyncio.to_thread(self._list_chats)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            found = ChatList()
        self._unreadable = len(found.unreadable)
        if found.unreadable:
            names = self.query_one("#unreadable", Static)
            names.update(fmt.name(_names(found.unreadable)))
            names.display = True
        self._add([of_chat(chat) for chat in found.chats])
        runs, seconds = self._list_runs(), BATCH_S
        while batch := await asyncio.to_thread(_some, runs, seconds):
            began = time.monotonic()
            self._add(batch)
            seconds = max(BATCH_S, REST * (time.monotonic() - began))
        self.remark(_summary(self._found, self._unreadable))

    def _add(self, found: Sequence[Past]) -> None:
        self._found = sorted([*self._found, *found], key=lambda past: past.used_at, reverse=True)
        self._show()
        self.remark(f"reading … {len(self._found):,}")

    def _show(self) -> None:
        self.grow([self._row(past) for past in self._found], self._found)

    def _row(self, past: Past) -> Row:
        """Made once for each state of it."""
        place = self._place(past)
        row = self._made.get((past.path, place))
        if row is None:
            row = self._made[past.path, place] = past_row(past, place)
        return row

    def _place(self, past: Past) -> int | None:
        return self._picked.index(past.path) + 1 if past.path in self._picked else None

    async def _open(self, past: Past) -> None:
        problem = await self._reopen(Path(past.path))
        if problem is None:
            self.dismiss(past)
        else:
            self.remark(str(problem), error=True)

    # Actions

    def action_history_mark(self) -> None:
        """Mark the run for comparing, or take its mark away."""
        past = self.marked
        if past is None or past.kind != "run":
            self.remark("Only runs are compared; type `run` to see them alone", error=True)
            return
        if past.path in self._picked:
            self._picked.remove(past.path)
        else:
            self._picked.append(past.path)
        self._moved = True
        self._show()
        self._tell_picked()

    def action_history_compare(self) -> None:
        """Lay the marked runs side by side."""
        if len(self._picked) < 2:
            self._tell_picked()
        else:
            self._compare([Path(path) for path in self._picked])

    def _tell_picked(self) -> None:
        mark, compare = self.key("history_mark"), self.key("history_compare")
        if len(self._picked) < 2:
            need = "another run" if self._picked else "two runs or more"
            self.remark(f"{mark} marks {need}; then {compare} compares them")
        else:
            self.remark(f"{len(self._picked)} runs are marked, 1 is the baseline; {compare} compares them")


def past_row(past: Past, place: int | None = None) -> Row:
    """A row of the list; `place` is its number among those that are marked."""
    title, models = fmt.name(past.title) or "(empty)", ", ".join(fmt.name(model) for model in past.models)
    if past.kind == "run":
        title, models = f"{title} · {models}", ""
    amount = f"{past.done:,}" if past.planned is None else f"{past.done:,}/{past.planned:,}"
    style = STATE_STYLES.get(past.state) if past.state != "finished" else None
    cells = (str(place or ""), past.kind, title, _when(past.used_at), amount, models, past.state)
    return Row(
        key=past.path,
        cells=cells,
        search=" ".join([past.kind, title, past.state, fmt.name(past.id), models]),
        styles={0: "bold $secondary"} | ({4: style, 6: style} if style else {}),
    )


def _when(seconds: float) -> str:
    """In the user's time zone and to the minute; nothing for a time that a file system made up."""
    try:
        return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return ""


def _some(runs: Iterator[Past], seconds: float) -> list[Past]:
    """The next ones, as many as can be read in that time; none behind the last."""
    ends = time.monotonic() + seconds
    found: list[Past] = []
    for run in runs:
        found.append(run)
        if time.monotonic() >= ends:
            break
    return found


def _summary(found: Sequence[Past], bad: int) -> str:
    """The line below the list."""
    counts = [(kind, sum(past.kind == kind for past in found)) for kind in ("chat", "notebook", "run")]
    parts = [f"{many:,} {kind}{'' if many == 1 else 's'}" for kind, many in counts if many] or ["nothing yet"]
    if bad:
        parts.append(f"{bad:,} file{'' if bad == 1 else 's'} cannot be read")
    return " · ".join(chain(parts, ["Enter opens one, Esc closes"]) if found else parts)


def _names(unreadable: Sequence[str]) -> str:
    more = len(unreadable) - NAMED
    names = ", ".join(unreadable[:NAMED])
    return f"Cannot be read: {names}{f' and {more:,} more' if more > 0 else ''}"
