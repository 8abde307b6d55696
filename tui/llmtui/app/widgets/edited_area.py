"""A text area as the program wants it: Chinese wrapped like all its text, long texts as quick as short ones."""

from typing import ClassVar, Final

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.document._document_navigator import DocumentNavigator
from textual.expand_tabs import expand_text_tabs_from_widths
from textual.strip import Strip
from textual.widgets import TextArea
from textual.widgets.text_area import Location

from llmtui.app.render.document import EditedText
from llmtui.app.render.graphemes import next_boundary, previous_boundary
from llmtui.domain.text import visible

_JOINERS: Final = ("\u200c", "\u200d")
"""Invisible, so not printable, but typed in Persian, in Indic scripts and in emoji that are made of several."""


def editing_bindings(but: set[str]) -> list[BindingType]:
    """The keys of a text area, but for those that the program needs for itself."""
    kept: list[BindingType] = []
    for binding in TextArea.BINDINGS:
        if isinstance(binding, Binding):
            keys = [key for key in binding.key.split(",") if key not in but]
            if keys:
                kept.append(Binding(",".join(keys), binding.action, binding.description, show=False))
    return kept


class EditedArea(TextArea, inherit_bindings=False):
    """A text area whose rows are painted one by one: Textual's own paints a whole line for each row of it."""

    BINDINGS: ClassVar[list[BindingType]] = [*editing_bindings(set())]
    wrapped_document: EditedText

    def _set_document(self, text: str, language: str | None) -> None:
        super()._set_document(text, language)
        self.wrapped_document = EditedText(self.document, tab_width=self.indent_width)
        self.navigator = DocumentNavigator(self.wrapped_document)
        self._rewrap_and_refresh_virtual_size()

    def find_matching_bracket(self, bracket: str, search_from: Location) -> Location | None:  # noqa: ARG002 - overrides
        """None: looking for it takes as long as the text is, at every step of the cursor."""
        return None

    # Painting

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        if self.placeholder and self.document.line_count == 1 and not self.document.get_line(0):
            return super().render_line(y)
        theme = self._theme
        base = theme.base_style or self.rich_style
        width = self.scrollable_content_region.size.width
        row = self.wrapped_document.row_at(y + self.scroll_offset.y)
        if row is None:
            return Strip.blank(width, base)
        text = self._painted(*row)
        strip = Strip(text.render(self.app.console), text.cell_len)
        return strip.extend_cell_length(width, base).apply_style(base)

    def _painted(self, line: int, start: int, end: int) -> Text:
        """A row with selection, cursor, and what `marks` tells."""
        whole = self.document.get_line(line)
        last = end == len(whole)
        text = Text(whole[start:end] + (" " if last else ""), end="", no_wrap=True)
        theme, cursor = self._theme, self.selection.end
        top, bottom = sorted(self.selection)
        for first, behind, style in self.marks():
            _paint(text, style, (line, start, end), first, behind)
        selected = theme.selection_style
        if top != bottom and selected:
            if not whole and top[0] <= line <= bottom[0] and line != cursor[0]:
                text = Text("▌", Style(color=selected.bgcolor), end="")
            _paint(text, selected, (line, start, end), top, bottom)
        here = cursor[0] == line and start <= cursor[1] and (cursor[1] < end or last)
        if here and self._draw_cursor and theme.cursor_style:
            text.stylize(theme.cursor_style, cursor[1] - start, cursor[1] - start + 1)
        if "\t" not in text.plain:
            return text
        before = whole[:start].count("\t")
        widths = self.wrapped_document.get_tab_widths(line)[before : before + text.plain.count("\t")]
        return expand_text_tabs_from_widths(text, widths)

    def marks(self) -> list[tuple[Location, Location, Style]]:
        """Parts of the text that are painted in a style of their own, from and to."""
        return []

    # Editing by what people see as one character

    def get_cursor_left_location(self) -> Location:
        """Past a grapheme."""
        row, column = self.cursor_location
        if column == 0:
            return super().get_cursor_left_location()
        return row, previous_boundary(self.document.get_line(row), column)

    def get_cursor_right_location(self) -> Location:
        """Past a grapheme."""
        row, column = self.cursor_location
        line = self.document.get_line(row)
        return super().get_cursor_right_location() if column >= len(line) else (row, next_boundary(line, column))

    async def _on_key(self, event: events.Key) -> None:
        if event.character in _JOINERS and not self.read_only:
            event.stop()
            event.prevent_default()
            self._replace_via_keyboard(event.character, *self.selection)

    async def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_pasted(event.text)

    def action_paste(self) -> None:
        """Insert what was copied inside the program."""
        self.insert_pasted(self.app.clipboard)

    def insert_pasted(self, text: str) -> None:
        """Insert a text from the clipboard: line ends unified, controls made visible, since it may hold anything."""
        if not self.read_only:
            self._replace_via_keyboard(visible(text), *self.selection)


def _paint(text: Text, style: Style, row: tuple[int, int, int], first: Location, behind: Location) -> None:
    """Style what of a stretch of the text lies in a row."""
    line, start, end = row
    if first[0] <= line <= behind[0]:
        begin = first[1] if first[0] == line else 0
        stop = behind[1] if behind[0] == line else end
        begin, stop = max(begin, start), min(stop, end)
        if begin < stop:
            text.stylize(style, begin - start, stop - start)
