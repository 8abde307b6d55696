"""A long operation on the screen: how far, how fast, how long; Esc cancels, Enter lets it go on behind the chat."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from llmtui.app import format as fmt
from llmtui.app.operations import Operation

REPAINT_S = 0.25
_FULL, _EMPTY = "█", "░"
_KEYS = "Enter: to the background · Esc: cancel"
_CANCELLING = "stopping …"
_OVER = "Esc closes"


class ProgressScreen(ModalScreen[str | None]):
    """Dismisses with the path of what was made; with None when the operation was cancelled, failed or left alone.

    Args:
        operation: under way.
        kept: what a cancel leaves, e.g. `what has come is kept`; shown with the keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", show=False, priority=True),
        Binding("enter", "leave", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    ProgressScreen {
        align: center middle; background: $background 60%;
        #box { width: 90%; max-width: 90; height: auto; max-height: 90%; padding: 0 1;
               background: $surface; border: round $primary; border-title-color: $primary; }
        Static { width: 1fr; height: auto; }
        #keys { color: $text-muted; margin-top: 1; }
    }
    """

    def __init__(self, operation: Operation, *, kept: str = "") -> None:
        super().__init__()
        self._operation = operation
        self._kept = kept
        self._cancelling = False

    def compose(self) -> ComposeResult:
        """Stage, bar, figures, keys."""
        with Vertical(id="box") as box:
            box.border_title = Content(fmt.name(self._operation.title))
            yield Static(id="stage", markup=False)
            yield Static(id="bar", markup=False)
            yield Static(id="figures", markup=False)
            yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Repaint now and then; the end comes by itself."""
        self._operation.watched = True
        self.set_interval(REPAINT_S, self._show)
        self.run_worker(self._until_over(), exit_on_error=False)
        self._show()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._operation.watched = False

    def on_resize(self) -> None:
        """The bar is as wide as there is room."""
        self.call_after_refresh(self._show)

    async def _until_over(self) -> None:
        await self._operation.wait()
        if self._operation.state == "failed":
            self._show()
        elif self.is_attached:
            self.dismiss(self._operation.path if self._operation.state == "done" else None)

    def _show(self) -> None:
        operation = self._operation
        progress = operation.progress
        stage, keys = fmt.name(progress.stage) if progress else "beginning", _KEYS
        if operation.state == "failed":
            error = operation.error
            parts = (error.title, error.cause, error.remedy) if error else (repr(operation.defect),)
            self.query_one("#stage", Static).update(_problem(parts))
            self.query_one("#keys", Static).update(_OVER)
            self.query_one("#bar", Static).display = self.query_one("#figures", Static).display = False
            return
        if self._kept:
            keys += f", {self._kept}"
        self.query_one("#stage", Static).update(stage)
        bar = self.query_one("#bar", Static)
        bar.update(bar_of(progress.fraction if progress else None, bar.content_size.width))
        self.query_one("#figures", Static).update(str(operation.pace) or " ")
        self.query_one("#keys", Static).update(_CANCELLING if self._cancelling else keys)

    def action_cancel(self) -> None:
        """Stop the operation; when it is over, close."""
        if self._operation.running:
            self._cancelling = True
            self._operation.cancel()
            self._show()
        elif self._operation.state == "failed":
            self.dismiss(None)

    def action_leave(self) -> None:
        """Back to the chat; the operation goes on."""
        if not self._cancelling:
            self.dismiss(None)


def bar_of(fraction: float | None, width: int) -> Content:
    """A bar with its percentage; empty where the fraction is not known."""
    share = fmt.percent(fraction) if fraction is not None else ""
    room = max(0, width - 6)
    full = int(room * (fraction or 0))
    return Content.assemble((_FULL * full, "$primary"), (_EMPTY * (room - full), "$border"), f" {share:>5}")


def _problem(parts: tuple[str, ...]) -> Content:
    title, *rest = (fmt.name(part) for part in parts)
    return Content.assemble((title, "bold $error"), *(f"\n{part}" for part in rest if part))
