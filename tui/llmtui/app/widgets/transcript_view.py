"""The conversation, drawn row by row: long chats scroll fast, and a stream repaints only what changed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.theme import Theme
from textual.widget import Widget

from llmtui.app.render.blocks import Block, Stack
from llmtui.app.render.entry import Entry, Kind
from llmtui.app.render.palette import Palette
from llmtui.app.render.strips import selected_strip

if TYPE_CHECKING:
    from rich.style import Style

__all__ = ["Entry", "Kind", "TranscriptView"]


class TranscriptView(ScrollView, can_focus=False):
    """Entries in, `FollowChanged` out.

    It follows the end in steps of half a screen, because rows that do not move are not sent to the terminal again.
    Scrolling up stops that; scrolling to the end resumes it. It never takes the keyboard: what is typed belongs to the
    input line, whose screen calls the actions.
    """

    ALLOW_SELECT = True
    DEFAULT_CSS = """
    TranscriptView {
        background: $background;
        color: $foreground;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
        scrollbar-color: $panel;
    }
    """

    class FollowChanged(Message):
        """The view began or ceased to follow the end.

        Attributes:
            following: whether new text will be scrolled into view.
        """

        def __init__(self, *, following: bool) -> None:
            super().__init__()
            self.following = following

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._stack = Stack()
        self._streaming: Block | None = None
        self._following = True
        self._placing = False
        self._painting: Style | None = None
        self._palette = Palette.from_theme({}, ansi=True)

    # What goes in

    @property
    def following(self) -> bool:
        """Whether new text is scrolled into view."""
        return self._following

    @property
    def entries(self) -> list[Entry]:
        """The entries shown, oldest first."""
        return [block.entry for block in self._stack.blocks]

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Show these instead, scrolled to the end. What is not on the screen is laid out when it gets there."""
        self._streaming = None
        self._stack = Stack([Block(entry, self._width or 80) for entry in entries])
        self._follow(following=True)
        self._jump_to_end()
        self.refresh()

    def append_entry(self, entry: Entry) -> None:
        """Add one below. What the user said is always scrolled into view, with room for the answer."""
        block = Block(entry, self._width or 80)
        self._stack.blocks.append(block)
        changed = block.lay_out(self._width, self._palette) if self._width else []
        self._stack.measure()
        if entry.kind == "user":
            self._follow(following=True)
        self._show(block, changed)

    def change_entry(self, entry: Entry) -> None:
        """Show an entry in place of the one with its id; when there is none, nothing happens."""
        for block in self._stack.blocks:
            if block.entry.id == entry.id:
                block.entry = entry
                self._lay_out_changed(block)

    def begin_stream(self, entry_id: str) -> None:
        """The text of this entry will grow; it was added before, with an empty text.

        Raises:
            KeyError: there is no such entry.
        """
        self._streaming = self._stack.find(entry_id)

    def stream_text(self, full_text: str) -> None:
        """The answer so far. Call it two to four times a second, not for every token."""
        block = self._streaming
        if block is None:
            return
        block.entry = replace(block.entry, text=full_text)
        self._lay_out_changed(block)

    def end_stream(self, entry: Entry | None) -> None:
        """The stream's entry as it stays: the last of its text is parsed, its footer shown. None takes it away."""
        block = self._streaming
        self._streaming = None
        if block is None:
            return
        if entry is None:
            self._remove(block)
            return
        block.entry = entry
        self._lay_out_changed(block)

    def mark(self, entry_id: str | None) -> None:
        """Mark an entry and bring it into view, its beginning first; None takes the mark away."""
        for block in self._stack.blocks:
            if block.entry.marked != (block.entry.id == entry_id):
                block.entry = replace(block.entry, marked=not block.entry.marked)
                self._lay_out_changed(block)
                if block.entry.marked:
                    self._bring_into_view(block)

    def _bring_into_view(self, block: Block) -> None:
        top, y, height = self._stack.top_of(block), round(self.scroll_y), self.size.height
        bottom = top + block.height
        if top < y or bottom > y + height:
            self.scroll_to(y=max(0, min(top, bottom - height) if top >= y else top), animate=False)

    def _remove(self, block: Block) -> None:
        self._stack.blocks.remove(block)
        self._stack.measure()
        end = max(0, self._stack.total - self.size.height)
        self._place(end if self._following else min(round(self.scroll_y), end))
        self._settle()
        self.refresh()

    # Layout

    @property
    def _width(self) -> int:
        """Columns for text: the scrollbar covers the last ones. 0 before there is a screen."""
        return max(0, self.size.width - self.styles.scrollbar_size_vertical) if self.is_mounted else 0

    def _lay_out(self, block: Block) -> list[tuple[int, int]]:
        lay_out = block.stream if block is self._streaming else block.lay_out
        return lay_out(self._width, self._palette)

    def _lay_out_changed(self, block: Block) -> None:
        """New rows for a block: repaint those that changed, and all when others moved."""
        if not self._width:
            return
        before = block.height
        changed = self._lay_out(block)
        if block.height != before:
            self._stack.measure()
            if block is not self._stack.blocks[-1]:
                self.refresh()
        self._show(block, changed)

    def _show(self, block: Block, changed: list[tuple[int, int]]) -> None:
        top, y, height = self._stack.top_of(block), round(self.scroll_y), self.size.height
        rows = [(top + at - y, cells) for at, cells in changed if cells and 0 <= top + at - y < height]
        if rows:  # without regions, all would be painted
            self.refresh(*(Region(0, at, min(cells, self._width), 1) for at, cells in rows))
        self._grown()

    def _settle(self) -> None:
        """Lay out what is on the screen or a page away from it, keeping the row at the top where it is."""
        stack, width, height = self._stack, self._width, self.size.height
        if not width or not stack.blocks:
            return
        y = round(self.scroll_y)
        moved = False
        while True:
            first, last = stack.index_at(y - height), stack.index_at(y + 2 * height)
            stale = [block for block in stack.blocks[first : last + 1] if block.width != width]
            if not stale:
                break
            anchor = stack.index_at(y)
            inside, before = y - stack.tops[anchor], stack.blocks[anchor].height
            for block in stale:
                self._lay_out(block)
            stack.measure()
            if self._following:
                y = max(0, stack.total - height)
            else:
                y = stack.tops[anchor] + inside * stack.blocks[anchor].height // before
            moved = True
        if moved:
            self._place(y)
            self.refresh()

    def _grown(self) -> None:
        """Scroll half a screen on when the end has left the view; else let the scrollbar grow in steps."""
        height = self.size.height
        if not height:
            return
        y = round(self.scroll_y)
        total = self._stack.total
        if self._following and total > y + height:
            self._place(total - (height + 1) // 2)
        elif total > self.virtual_size.height:
            self._place(y, room=height // 2)

    def _jump_to_end(self) -> None:
        self._settle()
        self._place(max(0, self._stack.total - self.size.height))

    def _place(self, y: int, room: int = 0) -> None:
        """Scroll to a row, with as much empty room below the text as that takes and `room` rows more.

        The virtual size is set past the layout: a layout would repaint the whole widget for every line.
        """
        if not self.size.height:
            return
        tall = max(self._stack.total + room, y + self.size.height)
        self._placing = True
        if tall != self.virtual_size.height:
            size = Size(self._width, tall)
            self.set_reactive(Widget.virtual_size, size)
            self._scroll_update(size)
        self.scroll_target_y = self.scroll_y = y
        self._placing = False

    def _size_updated(
        self,
        size: Size,
        virtual_size: Size,
        container_size: Size,
        layout: bool = True,  # noqa: FBT001, FBT002 - Textual's signature
    ) -> bool:
        """A taller view has less to scroll; what that cuts off the position is not the user's scrolling."""
        self._placing = True
        try:
            return super()._size_updated(size, virtual_size, container_size, layout)
        finally:
            self._placing = False

    # Scrolling

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The user's scrolling decides whether the end is followed."""
        super().watch_scroll_y(old_value, new_value)
        if self._placing or round(old_value) == round(new_value):
            return
        at_end = round(new_value) >= self._stack.total - self.size.height
        self._follow(following=at_end and new_value > old_value)
        self._settle()

    def _follow(self, *, following: bool) -> None:
        if following != self._following:
            self._following = following
            self.post_message(self.FollowChanged(following=following))

    def _scroll_by(self, rows: int) -> None:
        end = max(0, self._stack.total - self.size.height)
        target = round(self.scroll_y) + rows
        self.scroll_to(y=min(target, max(end, round(self.scroll_y))), animate=False)

    def action_page_up(self) -> None:
        """A screen up, less a row."""
        self.scroll_page(-1)

    def action_page_down(self) -> None:
        """A screen down, less a row."""
        self.scroll_page(1)

    def action_scroll_home(self) -> None:
        """To the first row."""
        self.scroll_to(y=0, animate=False)

    def action_scroll_end(self) -> None:
        """To the last row, and follow from there."""
        self._follow(following=True)
        self._jump_to_end()

    def scroll_rows(self, rows: int) -> None:
        """Scroll down, or up where `rows` is negative."""
        self.scroll_relative(y=rows, animate=False)

    def scroll_page(self, pages: int) -> None:
        """A screen down or up, less a row."""
        self._scroll_by(pages * (self.size.height - 1))

    def scroll_end_of(self, end: int) -> None:
        """To the first row, or to the last, which is followed then."""
        (self.action_scroll_end if end else self.action_scroll_home)()

    # Events

    def on_mount(self) -> None:
        """Take the theme's colours, now and whenever they change."""
        self._take_theme(self.app.current_theme)
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, theme: Theme) -> None:
        self._take_theme(theme)
        for block in self._stack.blocks:
            block.forget_colours()
        self._settle()
        self.refresh()

    def _take_theme(self, theme: Theme) -> None:
        self._palette = Palette.from_theme(theme.to_color_system().generate(), ansi=theme.ansi)

    def on_resize(self) -> None:
        """Wrap again what is in view, and keep the reading position."""
        if self.text_selection is not None:
            self.screen.clear_selection()
        self._settle()
        y, end = round(self.scroll_y), max(0, self._stack.total - self.size.height)
        if self._following:
            self._place(min(max(y, end), end + self.size.height // 2) if end else 0)
        else:
            self._place(min(y, end))

    async def _on_click(self, event: events.Click) -> None:
        """A double click selects an entry, a triple one everything."""
        if event.chain == 2 and self._stack.blocks:
            event.prevent_default()
            self.screen.selections = {self: self._stack.selection_of_entry(round(self.scroll_y) + event.y)}

    # Painting

    def render_lines(self, crop: Region) -> list[Strip]:
        """Rows for the screen; they need no offsets for the mouse, which are dear."""
        self._painting = self.rich_style
        try:
            return super().render_lines(crop)
        finally:
            self._painting = None

    def render_line(self, y: int) -> Strip:
        """A row of the view, with offsets for text selection when the mouse asks."""
        at = y + round(self.scroll_y)
        width = self.size.width
        base = self._painting or self.rich_style
        found = self._stack.row_at(at)
        if found is None:
            return Strip.blank(width, base)
        block, row = found
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(at)) is not None:
            strip = selected_strip(block.rows[row], span, width, base, self._palette.selection)
        else:
            strip = block.strip(row, width, base)
        return strip if self._painting else strip.apply_offsets(0, at)

    # Selecting

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002 - Textual's signature
        """Repaint with the new selection."""
        self.refresh()

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text and what ends it."""
        return self._stack.text_of(selection), "\n"
