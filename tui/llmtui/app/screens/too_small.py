"""What a terminal sees that is too small for the program."""

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import Static


class TooSmallScreen(ModalScreen[None]):
    """Says how large the terminal is and how large it has to be; goes away when it is.

    Args:
        needed: columns and rows.
    """

    DEFAULT_CSS = """
    TooSmallScreen { background: $background; overflow: hidden; }
    TooSmallScreen Static { width: 1fr; height: auto; }
    """

    def __init__(self, needed: tuple[int, int]) -> None:
        super().__init__(classes="too-small")
        self._needed = needed

    def compose(self) -> ComposeResult:
        """One paragraph, wrapped as the terminal allows."""
        yield Container(Static(markup=False))

    def on_resize(self) -> None:
        """Name the present size."""
        width, height = self.app.size
        columns, rows = self._needed
        self.query_one(Static).update(
            f"The terminal is {width}×{height}; llmtui needs {columns}×{rows}. Enlarge it, or use `llmtui ask`."
        )
