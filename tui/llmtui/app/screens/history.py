"""Going back to an earlier chat."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Static

from llmtui.app import format as fmt
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.transcript import ChatList, ChatSummary
from llmtui.errors import LlmtuiError

NAMED = 3
"""Files that cannot be read, called by their names."""
_COLUMNS = (
    Column(name="chat", flexible=True),
    Column(name="last used"),
    Column(name="turns", right=True),
    Column(name="model"),
)


class HistoryScreen(PickerScreen[str]):
    """Past chats, newest first; Enter goes on with one. It stays open, and says why, when that is not possible.

    Args:
        list_chats: reads the summaries; runs in a thread.
        reopen: goes on with a chat; returns what stood in the way.
    """

    DEFAULT_CSS = """
    HistoryScreen #unreadable { display: none; height: auto; max-height: 3; color: $warning; }
    """

    def __init__(
        self,
        list_chats: Callable[[], ChatList],
        reopen: Callable[[Path], Awaitable[LlmtuiError | None]],
    ) -> None:
        super().__init__("History", "type to filter", _COLUMNS)
        self._list_chats = list_chats
        self._reopen = reopen

    def on_mount(self) -> None:
        """Read the summaries without holding up the screen."""
        super().on_mount()
        self.run_worker(self._list(), exit_on_error=False)

    def compose_below(self) -> ComposeResult:
        """Names of files that cannot be read."""
        yield Static(id="unreadable", markup=False)

    def chosen(self, choice: str) -> None:
        """Try to reopen it."""
        self.remark("opening …")
        self.run_worker(self._open(choice), exclusive=True, exit_on_error=False)

    async def _list(self) -> None:
        try:
            found = await asyncio.to_thread(self._list_chats)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self.fill([chat_row(chat) for chat in found.chats], [chat.path for chat in found.chats])
        self.remark(_summary(found))
        if found.unreadable:
            names = self.query_one("#unreadable", Static)
            names.update(fmt.name(_names(found.unreadable)))
            names.display = True

    async def _open(self, path: str) -> None:
        problem = await self._reopen(Path(path))
        if problem is None:
            self.dismiss(path)
        else:
            self.remark(str(problem), error=True)


def chat_row(chat: ChatSummary) -> Row:
    """A chat as a row of the list."""
    title = fmt.name(chat.title) or "(empty)"
    if chat.kind == "notebook":
        title = f"notebook: {title}"
    used = datetime.fromtimestamp(chat.modified_ns / 1e9).astimezone()
    cells = (title, f"{used:%Y-%m-%d %H:%M}", str(chat.turns), fmt.name(chat.model))
    return Row(key=chat.path, cells=cells, search=title)


def _summary(found: ChatList) -> str:
    """The line below the list."""
    chats, bad = len(found.chats), len(found.unreadable)
    parts = [f"{chats:,} chat{'' if chats == 1 else 's'}" if chats else "no chats yet"]
    if bad:
        parts.append(f"{bad:,} file{'' if bad == 1 else 's'} cannot be read")
    return " · ".join([*parts, "Enter goes on with one, Esc closes"] if chats else parts)


def _names(unreadable: Sequence[str]) -> str:
    more = len(unreadable) - NAMED
    names = ", ".join(unreadable[:NAMED])
    return f"Cannot be read: {names}{f' and {more:,} more' if more > 0 else ''}"
