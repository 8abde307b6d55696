"""The text of a notebook: edited freely, and written into by a model while it may not be edited."""

from typing import ClassVar, Final

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.widget import Widget
from textual.widgets.text_area import Edit, EditResult, Location

from llmtui.app.widgets.edited_area import EditedArea, editing_bindings
from llmtui.domain.splices import splice_between

_FREE_KEYS: Final = {"ctrl+y", "super+y", "f6", "f7"}
"""Keys of a text area that the program needs for itself."""
Stretch = tuple[Location, Location]


class NotebookArea(EditedArea, inherit_bindings=False):
    """A text area with a part that a model wrote, which is painted in a colour of its own.

    Args:
        placeholder: shown while the text is empty.
        mark: a word that is painted in a colour of its own, too.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"notebook-area--written", "notebook-area--gap"}
    DEFAULT_CSS = """
    NotebookArea {
        border: none; padding: 0 1; background: $background; scrollbar-size-vertical: 1; scrollbar-gutter: stable;
        .notebook-area--written { color: $secondary; }
        .notebook-area--gap { color: $warning; text-style: bold; }
    }
    NotebookArea:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*editing_bindings(_FREE_KEYS)]
    _room = 0

    class Refused(Message):
        """A key would have changed the text while the model writes."""

    def __init__(self, *, placeholder: str = "", mark: str = "", id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            tab_behavior="focus",
            placeholder=placeholder,
            id=id,
        )
        self.cursor_blink = False
        self.match_cursor_bracket = False
        self._mark = mark
        self._written: Stretch | None = None
        self._before = ""
        self._so_far = ""

    def marks(self) -> list[tuple[Location, Location, Style]]:
        """What the model wrote last."""
        if self._written is None:
            return []
        return [(*self._written, self.get_component_rich_style("notebook-area--written", partial=True))]

    def _painted(self, line: int, start: int, end: int) -> Text:
        text = super()._painted(line, start, end)
        at = text.plain.find(self._mark) if self._mark else -1
        if at >= 0:
            text.stylize(self.get_component_rich_style("notebook-area--gap", partial=True), at, at + len(self._mark))
        return text

    # What the program does to the text

    def show_text(self, text: str, written: tuple[int, int] | None = None) -> None:
        """Make the text another one, as a change that Ctrl+Z takes back.

        Args:
            text: without control characters.
            written: from where to where a model wrote it, in characters.
        """
        change = splice_between(self.text, text)
        self._written = None
        if change is not None:
            self._record(change.text, self._place(change.at), self._place(change.at + change.removed))
        self.mark_written(written)
        if written is not None:
            self.move_cursor(self._place(written[1]))

    def mark_written(self, written: tuple[int, int] | None) -> None:
        """Paint a part of the text, in characters, as what a model wrote; None paints none."""
        shown = written if written is not None and written[0] < written[1] else None
        self._written = None if shown is None else (self._place(shown[0]), self._place(shown[1]))
        self.refresh()

    def begin_writing(self, start: int, end: int) -> None:
        """From now on the model writes, in place of these characters; the text cannot be edited meanwhile."""
        first, last = (self._place(at) for at in (start, end))
        self._before = self._so_far = self.get_text_range(first, last)
        self._written = (first, last)
        self.move_cursor(first)
        self.read_only = True
        self._show_end()

    def write_on(self, text: str) -> None:
        """Show what the model wrote so far, all of it."""
        if self._written is None or not self.read_only or text in {"", self._so_far}:
            return
        start, end = self._written
        followed = self._in_view(end)
        more = text.startswith(self._so_far) and self._so_far != self._before
        new_end = self._put(text[len(self._so_far) :] if more else text, end if more else start, end)
        self._written, self._so_far = (start, new_end), text
        if followed:
            self._show_end()

    def end_writing(self, text: str, written: tuple[int, int] | None) -> None:
        """The model has ended. All that it made of the text is one change, which Ctrl+Z takes back.

        Args:
            text: the whole text now.
            written: see `show_text`.
        """
        if self._written is None or not self.read_only:
            return
        start, end = self._written
        followed, y = self._in_view(end), self.scroll_offset.y
        self._put(self._before, start, end)
        self.read_only = False
        self.show_text(text, written)
        if not followed:
            self.scroll_to(y=y, animate=False)

    def put_once(self, mark: str) -> None:
        """Put a word at the cursor, in place of what is selected; where the text has it already, it is moved."""
        at = self.text.find(mark)
        if at >= 0:
            self.replace("", *(self._place(place) for place in (at, at + len(mark))))
        self._replace_via_keyboard(mark, *self.selection)

    def _place(self, at: int) -> Location:
        for row, line in enumerate(self.document.lines):
            if at <= len(line):
                return row, at
            at -= len(line) + 1
        return self.document.end

    def _record(self, text: str, start: Location, end: Location) -> EditResult:
        self.history.checkpoint()
        result = super().edit(Edit(text, start, end, maintain_selection_offset=False))
        self.history.checkpoint()
        return result

    def _put(self, text: str, start: Location, end: Location) -> Location:
        """Change the text without a trace in what can be undone; only rows that it changes are painted again."""
        wrapped = self.wrapped_document
        began, rows = wrapped.location_to_offset(start), wrapped.height
        old_end = self.document.end
        result = self.document.replace_range(start, end, text)
        wrapped.wrap_range(start, end, result.end_location)
        ended = wrapped.location_to_offset(result.end_location)
        if wrapped.height < rows:
            self._refresh_size()
        elif wrapped.height > self.virtual_size.height:
            self._grow(wrapped.height)
        if start == end == old_end and began.y == ended.y:  # the row has grown at its end
            self.refresh(Region(began.x, began.y - self.scroll_offset.y, ended.x - began.x + 1, 1))
        else:
            first = max(0, began.y - 1)  # a row may give its last word to the next
            self.refresh_lines(first, max(rows, wrapped.height) - first)
        return result.end_location

    def _grow(self, rows: int) -> None:
        """Make so many rows reachable, past the layout where that can be: a layout paints the whole text again."""
        self._room = rows
        if self.show_vertical_scrollbar or rows <= self.size.height:
            size = Size(0, rows)
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)
        else:
            self._refresh_size()

    def _refresh_size(self) -> None:
        """The text's rows, and the empty ones below it that `_show_end` has brought into view."""
        rows = self.wrapped_document.height
        self._room = min(self._room, rows + self.size.height // 2)
        self.virtual_size = Size(0, max(rows, self._room))
        self._refresh_scrollbars()

    # Following the end of what is written

    def _row(self, location: Location) -> int:
        return self.wrapped_document.location_to_offset(location).y

    def _in_view(self, location: Location) -> bool:
        return 0 <= self._row(location) - self.scroll_offset.y < max(1, self.size.height)

    def _show_end(self) -> None:
        """Bring the end of what is written into view, by half a screen: rows that do not move are not sent again."""
        if self._written is None or self._in_view(self._written[1]):
            return
        y, height = max(0, self._row(self._written[1]) - self.size.height // 2), self.size.height
        if y + height > self.virtual_size.height:
            self._grow(y + height)
        self.scroll_to(y=y, animate=False, force=True)

    # Editing

    def edit(self, edit: Edit) -> EditResult:
        """The user's change; what the model wrote stays marked as far as it is still there."""
        result = super().edit(edit)
        if self._written is not None:
            self._written = _moved(self._written, edit.top, edit.bottom, result.end_location)
        return result

    def undo(self) -> None:
        """Take the last change back."""
        self._written = None
        super().undo()

    def redo(self) -> None:
        """Make it again."""
        self._written = None
        super().redo()

    async def _on_key(self, event: events.Key) -> None:
        if self.read_only and (event.is_printable or event.key in {"enter", "tab", "backspace", "delete"}):
            event.stop()
            event.prevent_default()
            self.post_message(self.Refused())
        elif event.key == "tab":
            event.stop()
            event.prevent_default()
            self._replace_via_keyboard(" " * self._find_columns_to_next_tab_stop(), *self.selection)

    def insert_pasted(self, text: str) -> None:
        """Insert a text from the clipboard, unless the model writes."""
        if self.read_only:
            self.post_message(self.Refused())
        super().insert_pasted(text)


def _moved(stretch: Stretch, top: Location, bottom: Location, end: Location) -> Stretch | None:
    """Where a stretch lies after `top` to `bottom` became `top` to `end`; None where nothing is left of it."""

    def behind(place: Location) -> Location:
        column = place[1] - bottom[1] + end[1] if place[0] == bottom[0] else place[1]
        return place[0] - bottom[0] + end[0], column

    start, stop = stretch
    start = behind(start) if start >= bottom else start if start <= top else end
    stop = stop if stop <= top else behind(stop) if stop >= bottom else top
    return (start, stop) if start < stop else None
