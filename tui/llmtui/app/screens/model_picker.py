"""Choosing a model."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from llmtui.app import model_rows
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.model_rows import Standing, columns, in_order, model_row, next_order, order_named
from llmtui.app.model_sheet import sheet
from llmtui.app.screens.model_operations import ModelOperations
from llmtui.app.widgets.bar import FooterBar
from llmtui.app.widgets.row_list import RowList
from llmtui.domain.fit import Fit, Room, fit_of
from llmtui.domain.models import ModelInfo
from llmtui.errors import LlmtuiError
from llmtui.services.ollama_servers import unite

if TYPE_CHECKING:
    from textual.timer import Timer

    from llmtui.services.bookmarks import Bookmarks
    from llmtui.services.model_files import ModelDetails
    from llmtui.services.servers import ServedDetails
    from llmtui.services.wiring import Services

REFRESH_S = 0.3
"""Between two additions to the list."""
REST = 5
"""Times that the last addition took, to wait for the next one: sorting thousands of rows takes a while."""
PAUSE_S = 0.12
"""A row that is marked for less is only passed by: its header is not read."""
ASK_S = 3.0
"""A server has so long to tell of a marked model."""
BESIDE = 130
"""Columns of the terminal from which details stand beside the list, and are open when nothing else was said."""


class ModelPicker(ModelOperations):
    """Lists what the catalogue finds and what servers offer; takes a typed path to a `.gguf` too.

    Args:
        services: find models, and hold those that are loaded.
        bookmarks: pins, last use, and how the list is shown.
        actions: the registry with the user's keys.
        title: above the filter.
    """

    SCOPE = "models"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "models")]
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-beneath"), (BESIDE, "-beside")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    ModelPicker {
        #box { max-width: 140; height: 90%; }
        #details { display: none; scrollbar-size-vertical: 1; }
        #details Static { width: 1fr; height: auto; }
        &.-details #details { display: block; }
        &.-beside #body { layout: horizontal; }
        &.-beside #details { width: 46; height: 1fr; border-left: solid $border; padding: 0 0 0 1; margin-left: 1; }
        &.-beneath #details { width: 1fr; height: 45%; border-top: solid $border; }
        #keys { padding: 0; }
    }
    """

    def __init__(
        self,
        services: "Services",
        bookmarks: "Bookmarks",
        actions: Sequence[Action] = ACTIONS,
        *,
        title: str = "Models",
    ) -> None:
        self._order = order_named(bookmarks.sort)
        super().__init__(title, "type to filter, or a path to a .gguf file", columns(self._order))
        self._services = services
        self._bookmarks = bookmarks
        self._actions = tuple(actions)
        self._found: dict[str, ModelInfo] = {}
        self._models: list[ModelInfo] = []
        self._read: deque[ModelInfo] = deque()
        self._room: Room | None = None
        self._fits: dict[str, Fit] = {}
        self._known: dict[str, ModelDetails | ServedDetails] = {}
        self._asked: str | None = None
        self._due = 0.0
        self._awaited: dict[str, str] = {}
        self._stale: set[str] = set()
        self._gone = threading.Event()
        self._pause: Timer | None = None

    def compose_beside(self) -> ComposeResult:
        """The details."""
        with VerticalScroll(id="details", can_focus=False):
            yield Static(markup=False)

    def compose_below(self) -> ComposeResult:
        """The keys."""
        yield FooterBar(footer_actions(self._actions, "models"), id="keys")

    def on_mount(self) -> None:
        """Read the headers and ask the servers without holding up the screen."""
        super().on_mount()
        wide = self.app.size.width >= BESIDE
        self.set_class(wide if self._bookmarks.details is None else self._bookmarks.details, "-details")
        self.set_interval(REFRESH_S, self._take_when_due)
        self._look()

    def on_unmount(self) -> None:
        """Read no further once the list is closed."""
        self._gone.set()

    # Finding models

    def _look(self) -> None:
        self._gone = threading.Event()
        self._read = deque()
        self._stale = set(self._found)
        self._awaited = {"disk": ""}
        self._in_background(self._look_at_memory(), "room")
        self._in_background(self._list(partial(self._scan, self._gone, self._read)), "disk")
        servers = self._services.catalogue.servers
        if servers:
            self._awaited["servers"] = _asking(len(servers))
            self._in_background(self._ask_servers(self._read), "servers")

    def _in_background(self, work: Coroutine[object, object, None], group: str) -> None:
        self.run_worker(work, group=group, exclusive=True, exit_on_error=False)

    async def _look_at_memory(self) -> None:
        from llmtui.services.fits import read_room  # noqa: PLC0415 - not needed for the first paint

        host = self._services.host
        await asyncio.to_thread(self._bookmarks.refresh)
        self._room = await asyncio.to_thread(read_room, host.runtime, host.pids)
        self._fits.clear()
        self._show()

    async def _list(self, scan: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(scan)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
        self._arrived("disk")

    def _scan(self, gone: threading.Event, found: deque[ModelInfo]) -> None:
        """In a thread, which the list does not wait for."""
        for info in self._services.catalogue.scan():
            if gone.is_set():
                return
            if info.kind == "model":
                found.append(info)

    async def _ask_servers(self, found: deque[ModelInfo]) -> None:
        """Add what the configured servers offer, each as it answers."""
        from llmtui.services.servers import list_served  # noqa: PLC0415 - only where servers are configured

        servers = self._services.catalogue.servers
        waiting = len(servers)
        async for models in list_served(servers):
            found.extend(models)
            waiting -= 1
            self._awaited["servers"] = _asking(waiting)
            self._take()
        self._arrived("servers")

    def _arrived(self, what: str) -> None:
        self._awaited.pop(what, None)
        self._take()
        if not self._awaited and self._stale:
            self._found = {name: info for name, info in self._found.items() if name not in self._stale}
            self._unite()
        self._tell()

    def _take_when_due(self) -> None:
        started = time.monotonic()
        if self._read and started >= self._due:
            self._take()
            self._due = time.monotonic() + REST * (time.monotonic() - started)

    def _take(self) -> None:
        """Show what has been found since; a model that was listed already is replaced."""
        if not self._read or self._gone.is_set():
            return
        while self._read:
            info = self._read.popleft()
            self._found[info.name] = info
            self._stale.discard(info.name)
        self._unite()
        self._tell()

    def _unite(self) -> None:
        """A file that a server offers, too, is one row."""
        files = [info for info in self._found.values() if info.server is None]
        rows, more = unite(files, [info for info in self._found.values() if info.server is not None])
        self._models = [*rows, *more]
        self._show()

    def _tell(self) -> None:
        waits = " · ".join(words for words in self._awaited.values() if words)
        if "disk" in self._awaited:
            self.remark(" · ".join(part for part in (f"reading … {len(self._models):,}", waits) if part))
        elif waits:
            self.remark(waits)
        else:
            self.remark(model_rows.summary(self._models, self._order))

    # Showing them

    def _standing(self, info: ModelInfo) -> Standing:
        host = self._services.host
        return Standing(
            current=host.info is not None and host.info.path == info.path,
            warm=bool(info.loaded) or any(info.path == warm.path for warm in host.warm),
            pin=self._bookmarks.pin_of(info),
            used_at=self._bookmarks.used_at(info),
            fit=self._fit(info),
        )

    def _fit(self, info: ModelInfo) -> Fit | None:
        if self._room is None:
            return None
        if info.name not in self._fits:
            self._fits[info.name] = fit_of(info, self._services.host.runtime, self._room)
        return self._fits[info.name]

    def _show(self) -> None:
        standing = {info.name: self._standing(info) for info in self._models}
        self._models = in_order(self._models, self._order, lambda info: standing[info.name])
        rows = [model_row(info, standing[info.name]) for info in self._models]
        wanted = [info.name for info in self._models if info.path == self.new_path]
        wanted += [info.name for info in self._models if standing[info.name].current]
        self.grow(rows, self._models, preferred=next(iter(wanted), None))

    @on(RowList.Marked)
    def _another_is_marked(self) -> None:
        self._describe()

    def _describe(self) -> None:
        """Show what is known at once; the header is read when the mark stays."""
        if self._pause is not None:
            self._pause.stop()
        if not self.has_class("-details"):
            return
        info = self.marked
        self.query_one("#details", VerticalScroll).scroll_home(animate=False)
        if info is None:
            self.query_one("#details Static", Static).update("")
            return
        wanted = info.problem is None and info.name not in self._known
        reading = "asking the server …" if info.server is not None else "reading the header …"
        self._show_details(info, reading if wanted else "")
        if wanted and self._asked != info.name:
            self._pause = self.set_timer(PAUSE_S, partial(self._read_details, info))

    def _read_details(self, info: ModelInfo) -> None:
        self._in_background(self._details(info), "details")

    async def _details(self, info: ModelInfo) -> None:
        from llmtui.services.servers import served_details  # noqa: PLC0415 - not needed for the first paint

        remark = ""
        self._asked = info.name
        try:
            if info.server is None:
                self._known[info.name] = await asyncio.to_thread(self._services.catalogue.details, info)
            else:
                async with asyncio.timeout(ASK_S):
                    self._known[info.name] = await served_details(info, self._services.catalogue.servers)
        except TimeoutError:
            remark = f"the server did not answer within {ASK_S:.0f} s"
        except LlmtuiError as error:
            remark = str(error)
        finally:
            if self._asked == info.name:
                self._asked = None
        marked = self.marked
        if marked is not None and marked.name == info.name:
            self._show_details(marked, remark)

    def _show_details(self, info: ModelInfo, remark: str) -> None:
        pane = self.query_one("#details", VerticalScroll)
        width = max(20, pane.content_size.width - pane.styles.scrollbar_size_vertical)
        text = sheet(info, self._standing(info), self._known.get(info.name), width=width, remark=remark)
        self.query_one("#details Static", Static).update(text)

    def lay_out_again(self) -> None:
        """Columns and details depend on the width."""
        super().lay_out_again()
        self._describe()

    # Choosing

    def typed(self, text: str) -> None:
        """Open a path that is not in the list."""
        self.remark("reading …")
        self._in_background(self._open(text), "open")

    async def _open(self, text: str) -> None:
        try:
            info = await asyncio.to_thread(self._services.catalogue.resolve, text)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self.dismiss(info)

    # Actions

    async def action_pin_model(self) -> None:
        """Pin the marked model, or take its pin away."""
        info = self.marked
        if info is None or info.problem is not None:
            return
        had = self._bookmarks.pin_of(info)
        try:
            number = await asyncio.to_thread(self._bookmarks.toggle_pin, info)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            number = self._bookmarks.pin_of(info)
        else:
            self.remark(_pinned(info.name, number, had))
        self._show_again()

    async def action_sort_models(self) -> None:
        """Sort by the next order."""
        self._order = next_order(self._order)
        self._columns = columns(self._order)
        self._show_again()
        self._tell()
        await self._remember(sort=self._order.name)

    async def action_model_details(self) -> None:
        """Show or hide the details."""
        self.toggle_class("-details")
        self.call_after_refresh(self.lay_out_again)
        await self._remember(details=self.has_class("-details"))

    def action_rescan_models(self) -> None:
        """Look for models again."""
        self._gone.set()
        self._known.clear()
        self._moved = self.marked is not None and self.new_path is None
        self._look()
        self._tell()

    def action_details_down(self) -> None:
        """Scroll the details down."""
        self.query_one("#details", VerticalScroll).scroll_down(animate=False)

    def action_details_up(self) -> None:
        """Scroll the details up."""
        self.query_one("#details", VerticalScroll).scroll_up(animate=False)

    def _show_again(self) -> None:
        """The same models in another order, or with other marks: the mark stays on its model."""
        self._moved = True
        self._show()

    async def _remember(self, *, sort: str | None = None, details: bool | None = None) -> None:
        try:
            await asyncio.to_thread(partial(self._bookmarks.remember, sort=sort, details=details))
        except LlmtuiError as error:
            self.remark(str(error), error=True)


def _asking(servers: int) -> str:
    return f"asking {servers} server{'' if servers == 1 else 's'} …" if servers else ""


def _pinned(name: str, number: int | None, had: int | None) -> str:
    if number is not None:
        return f"{name} is pinned: Alt+{number} loads it"
    return f"{name} is no longer pinned" if had is not None else "All nine pins are taken; free one with F2"
