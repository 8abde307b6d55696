"""A list of rows of which only those on the screen are ever drawn, so that thousands cost as little as ten."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from llmtui.app.widgets.table import Layout, Row, line

if TYPE_CHECKING:
    from textual.content import Content


class RowList(ScrollView, can_focus=False):
    """Shows rows and marks one. It never takes the keyboard: its screen moves the mark."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-list--marked"}
    DEFAULT_CSS = """
    RowList {
        height: 1fr; background: $surface; scrollbar-size-vertical: 1; overflow-x: hidden;
        & > .row-list--marked { background: $block-cursor-blurred-background; }
    }
    """

    class Marked(Message):
        """Another row is marked, or none."""

        def __init__(self, number: int | None) -> None:
            super().__init__()
            self.number = number

    class Clicked(Message):
        """A row was clicked."""

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._rows: Sequence[Row] = ()
        self._layout: Layout | None = None
        self._mark: int | None = None

    @property
    def rows(self) -> Sequence[Row]:
        """What is shown, first to last."""
        return self._rows

    @property
    def mark(self) -> int | None:
        """Number of the marked row."""
        return self._mark

    @property
    def row_width(self) -> int:
        """Cells of a row beside the scroll bar."""
        return max(1, self.content_size.width - self.styles.scrollbar_size_vertical)

    def show(self, rows: Sequence[Row], layout: Layout, *, mark: int | None) -> None:
        """Set the rows; the marked one is scrolled to."""
        self._rows, self._layout = rows, layout
        self.virtual_size = Size(self.row_width, len(rows))
        self._set_mark(mark if rows else None)
        self.refresh()

    def move(self, how: str) -> None:
        """Move the mark: `up`, `down`, `page_up`, `page_down`, `first` or `last`; up and down go round."""
        if not self._rows:
            return
        last, page = len(self._rows) - 1, max(1, self.size.height - 1)
        at = self._mark if self._mark is not None else -1
        places = {
            "up": at - 1 if at > 0 else last,
            "down": at + 1 if at < last else 0,
            "page_up": max(0, at - page),
            "page_down": min(last, at + page),
            "first": 0,
            "last": last,
        }
        self._set_mark(places[how])

    def render_line(self, y: int) -> Strip:
        """One row, padded to the width."""
        number = y + self.scroll_offset.y
        width = self.size.width
        style = self.visual_style
        if self._layout is None or number >= len(self._rows):
            return Strip.blank(width, style.rich_style)
        content: Content = line(self._rows[number], self._layout)
        if number == self._mark:
            style += self.get_visual_style("row-list--marked")
        strips = Visual.to_strips(self, content, width, 1, style, pad=True, apply_selection=False)
        return strips[0] if strips else Strip.blank(width, style.rich_style)

    def on_click(self, event: events.Click) -> None:
        """Mark the row under the pointer and tell."""
        number = event.y + self.scroll_offset.y
        if 0 <= number < len(self._rows):
            self._set_mark(number)
            self.post_message(self.Clicked(number))

    def on_resize(self) -> None:
        """Keep the marked row in view."""
        self._scroll_to_mark()

    def _set_mark(self, mark: int | None) -> None:
        self._mark = mark
        self._scroll_to_mark()
        self.refresh()
        self.post_message(self.Marked(mark))

    def _scroll_to_mark(self) -> None:
        if self._mark is not None:
            self.scroll_to_region(Region(0, self._mark, 1, 1), animate=False, force=True)
