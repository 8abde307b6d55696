"""A text that is being edited, wrapped like all other text of the program, however long it is."""

from bisect import bisect_right
from itertools import accumulate

from textual._cells import cell_len, cell_width_to_column_index
from textual._wrap import compute_wrap_offsets
from textual.document._wrapped_document import WrappedDocument
from textual.expand_tabs import expand_tabs_inline, get_tab_widths
from textual.geometry import Offset
from textual.widgets.text_area import Location

from llmtui.app.render.lines import edit_offsets


class EditedText(WrappedDocument):
    """Breaks between Chinese characters too, where Textual's own breaks at spaces only.

    An edit wraps the lines that it touches and no others, and which row a line begins at is summed up when it is asked
    for: in a text of a megabyte a key takes milliseconds.
    """

    _tops: list[int] | None = None

    @property
    def height(self) -> int:
        """Rows."""
        return self._ends[-1] if self._wrap_offsets else 0

    @property
    def wrapped(self) -> bool:
        """Whether a line takes more than one row."""
        return self.height > len(self._wrap_offsets)

    def wrap(self, width: int, tab_width: int | None = None) -> None:
        """Wrap all lines."""
        self._width, self._tab_width = width, tab_width or self._tab_width
        self._wrap_offsets = [self._wrapped(line) for line in self.document.lines]
        self._tops = None

    def wrap_range(self, start: Location, old_end: Location, new_end: Location) -> None:
        """Wrap after an edit, which must have been made already."""
        last = len(self._wrap_offsets) - 1
        top = min(start[0], old_end[0], last)
        old_bottom = min(max(start[0], old_end[0]), last)
        new_bottom = max(start[0], new_end[0])
        fresh = [self._wrapped(line) for line in self.document.lines[top : new_bottom + 1]]
        self._wrap_offsets[top : old_bottom + 1] = fresh
        self._tops = None

    def row_at(self, y: int) -> tuple[int, int, int] | None:
        """The line of a row, and which of its characters the row holds, from and to; None below the text."""
        if not 0 <= y < self.height:
            return None
        line = bisect_right(self._ends, y)
        section = y - self._top(line)
        offsets = self._wrap_offsets[line]
        start = offsets[section - 1] if section else 0
        end = offsets[section] if section < len(offsets) else len(self.document.get_line(line))
        return line, start, end

    def offset_to_location(self, offset: Offset) -> Location:
        """The place in the text of a place on the screen, the nearest there is."""
        y = max(0, min(offset.y, self.height - 1))
        line = bisect_right(self._ends, y)
        return line, self.get_target_document_column(line, max(0, offset.x), y - self._top(line))

    def location_to_offset(self, location: Location) -> Offset:
        """The place on the screen of a place in the text."""
        line, column = min(location[0], len(self._wrap_offsets) - 1), location[1]
        offsets = self._wrap_offsets[line]
        section = bisect_right(offsets, column)
        start = offsets[section - 1] if section else 0
        return Offset(self._cells(self.document.get_line(line)[start:column]), self._top(line) + section)

    def get_sections(self, line_index: int) -> list[str]:
        """The rows of a line."""
        line, offsets = self.document.get_line(line_index), self._wrap_offsets[line_index]
        return [line[start:end] for start, end in zip([0, *offsets], [*offsets, len(line)], strict=True)]

    def get_target_document_column(self, line_index: int, x_offset: int, y_offset: int) -> int:
        """The column of a line that stands so many cells into one of its rows; negative rows count from the last."""
        line, offsets = self.document.get_line(line_index), self._wrap_offsets[line_index]
        section = y_offset if y_offset >= 0 else len(offsets) + 1 + y_offset
        start = offsets[section - 1] if section else 0
        end = offsets[section] if section < len(offsets) else len(line)
        column = start + cell_width_to_column_index(line[start:end], x_offset, self._tab_width)
        return column if section == len(offsets) else min(column, end - 1)

    def get_tab_widths(self, line_index: int) -> list[int]:
        """Cells of each tab of a line."""
        return [width for _, width in get_tab_widths(self.document.get_line(line_index), self._tab_width)]

    @property
    def _ends(self) -> list[int]:
        """For each line, the row behind it."""
        if self._tops is None:
            self._tops = list(accumulate(len(offsets) + 1 for offsets in self._wrap_offsets))
        return self._tops

    def _cells(self, text: str) -> int:
        return cell_len(expand_tabs_inline(text, self._tab_width) if "\t" in text else text)

    def _top(self, line: int) -> int:
        return self._ends[line - 1] if line else 0

    def _wrapped(self, line: str) -> list[int]:
        if not self._width or len(line) <= self._width // 2:
            return []
        if "\t" not in line:
            return edit_offsets(line, self._width)
        return compute_wrap_offsets(
            line, self._width, self._tab_width, precomputed_tab_sections=get_tab_widths(line, self._tab_width)
        )
