"""What screens with keys of their own have in common: a scope of the registry, a footer, and moving by keys."""

from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from llmtui.app.action import Scope
from llmtui.app.actions import key_of
from llmtui.app.widgets.bar import FooterBar

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp
    from llmtui.app.widgets.grid_view import GridView

Result = TypeVar("Result")


class ScopedScreen(Screen[Result], Generic[Result]):
    """A click on a key in the footer does what the key does.

    Attributes:
        SCOPE: whose actions it has the methods of; the palette offers them. None where it has none.
    """

    SCOPE: ClassVar[Scope | None] = None
    app: "LlmtuiApp"

    def key(self, action_id: str) -> str:
        """The key of an action, as people write it."""
        return key_of(self.app.actions, action_id)

    @on(FooterBar.Pressed)
    async def _key_clicked(self, message: FooterBar.Pressed) -> None:
        message.stop()
        await self.run_action(message.action.call)


class CoveringScreen(ScopedScreen[Result]):
    """Covers what it was opened from, line by line."""

    DEFAULT_CSS = """
    CoveringScreen { layout: vertical; background: $background; overflow: hidden; }
    """

    def say(self, text: str) -> None:
        """Show a short remark; it may hold anything."""
        raise NotImplementedError

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error that background work did not foresee, instead of a traceback."""
        if event.state is WorkerState.ERROR:
            self.say(f"{type(event.worker.error).__name__}: {event.worker.error}")


class Pane(Protocol):
    """What is read."""

    def scroll_rows(self, rows: int) -> None:
        """Scroll down, or up where `rows` is negative."""

    def scroll_page(self, pages: int) -> None:
        """Scroll by what is in view, less a row."""

    def scroll_end_of(self, end: int) -> None:
        """Go to the start, 0, or to the end, 1."""


class ReadingScreen(CoveringScreen[Result]):
    """One text is read; nothing is typed, so letters are keys. A key that is an action of its own is that.

    Attributes:
        pane: the text; set when it is mounted.
    """

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup,ctrl+u", "page(-1)", show=False),
        Binding("pagedown,space,ctrl+d", "page(1)", show=False),
        Binding("home,g,ctrl+home", "end(0)", show=False),
        Binding("end,G,ctrl+end", "end(1)", show=False),
    ]

    pane: Pane

    def action_scroll(self, rows: int) -> None:
        """Scroll by rows."""
        self.pane.scroll_rows(rows)

    def action_page(self, pages: int) -> None:
        """Scroll by a screen, less a row."""
        self.pane.scroll_page(pages)

    def action_end(self, end: int) -> None:
        """Go to the start or the end."""
        self.pane.scroll_end_of(end)


class GridScreen(CoveringScreen[Result]):
    """One cell of a grid is marked; nothing is typed. A key that is an action of its own is that."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move('up')", show=False),
        Binding("down,j", "move('down')", show=False),
        Binding("left,h", "move('left')", show=False),
        Binding("right,l", "move('right')", show=False),
        Binding("pageup,ctrl+u", "move('page_up')", show=False),
        Binding("pagedown,space,ctrl+d", "move('page_down')", show=False),
        Binding("home,g,ctrl+home", "move('first')", show=False),
        Binding("end,G,ctrl+end", "move('last')", show=False),
    ]
    _view: "GridView"

    def action_move(self, how: str) -> None:
        """Move the mark."""
        self._view.move(how)
