"""Entries stacked on one another, each with its rows as soon as they are known."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from rich.style import Style
from textual.geometry import Offset
from textual.selection import Selection
from textual.strip import Strip

from llmtui.app.render.entry import (
    LONGEST_ANSWER,
    Entry,
    barred,
    body_width,
    entry_rows,
    estimated_rows,
    frame_rows,
    label_rows,
)
from llmtui.app.render.lines import Line
from llmtui.app.render.palette import Palette
from llmtui.app.render.strips import strip_of
from llmtui.domain.text import visible

if TYPE_CHECKING:
    from llmtui.app.render.stream import MarkdownStream

WHOLE_ROW: Final = 1 << 16
"""Cells of a row that is filled to its end, whatever the width."""


class Block:
    """An entry and its rows, laid out for one width; before that, an estimate of how many there will be.

    Attributes:
        width: that the rows are for; 0 when they are out of date or not there yet.
    """

    def __init__(self, entry: Entry, width: int) -> None:
        self.entry = entry
        self.rows: list[Line] = []
        self._strips: list[Strip | None] = []
        self._base = Style.null()
        self.width = 0
        self._estimate = estimated_rows(entry, width)
        self._stream: MarkdownStream | None = None

    @property
    def height(self) -> int:
        """Rows, or the estimate."""
        return len(self.rows) or self._estimate

    def lay_out(self, width: int, palette: Palette) -> list[tuple[int, int]]:
        """Rows of a finished entry; gives the changed ones like `stream`."""
        if self._stream is not None and self.width == width and len(self.entry.text) <= LONGEST_ANSWER:
            body = self._stream.finish(self.entry.text)
            rows = frame_rows(self.entry, body, width, palette)
        else:
            rows = entry_rows(self.entry, width, palette)
        self._stream = None
        return self._take(rows, width)

    def stream(self, width: int, palette: Palette) -> list[tuple[int, int]]:
        """Rows of an entry that still grows; gives the numbers of those that changed, each with its cells."""
        from llmtui.app.render.stream import MarkdownStream  # noqa: PLC0415 - an empty chat does not pay for it

        kept: list[Line] = []
        if self._stream is None or self.width != width:
            self._stream = MarkdownStream(body_width(width), palette)
            self._stream.update(self.entry.text)
        else:
            kept = self.rows[1 : 1 + self._stream.update(self.entry.text)]
        fresh = (barred(row, self.entry, palette) for row in self._stream.rows[len(kept) :])
        return self._take([*label_rows(self.entry, width, palette), *kept, *fresh], width)

    def strip(self, row: int, width: int, base: Style) -> Strip:
        """A row as drawn, made when it is first needed.

        Args:
            row: its number in this block.
            width: cells.
            base: colours of the widget.
        """
        if self._base != base:
            self._base = base
            self._strips = [None] * len(self.rows)
        strip = self._strips[row]
        if strip is None or strip.cell_length != width:
            strip = self._strips[row] = strip_of(self.rows[row], width, base)
        return strip

    def forget_colours(self) -> None:
        """The palette changed."""
        self.width = 0
        self._stream = None

    def _take(self, rows: list[Line], width: int) -> list[tuple[int, int]]:
        old = self.rows
        changed: list[tuple[int, int]] = []
        for at in range(max(len(old), len(rows))):
            both = [lines[at] for lines in (old, rows) if at < len(lines)]
            if len(both) < 2 or both[0] != both[1]:
                changed.append((at, max(WHOLE_ROW if row.fill else row.cells for row in both)))
        self._strips = self._strips[: len(rows)] + [None] * (len(rows) - len(self._strips))
        for at, _ in changed:
            if at < len(rows):
                self._strips[at] = None
        if width != self.width:
            self._strips = [None] * len(rows)
        self.rows = rows
        self.width = width
        return changed


class Stack:
    """Blocks from top to bottom, and which row is where."""

    def __init__(self, blocks: Sequence[Block] = ()) -> None:
        self.blocks = list(blocks)
        self.tops: list[int] = []
        self.measure()

    def measure(self) -> None:
        """Find out where every block begins; call it when a height changed."""
        self.tops = [0, *accumulate(block.height for block in self.blocks)][: len(self.blocks)]

    @property
    def total(self) -> int:
        """Rows in all."""
        return self.tops[-1] + self.blocks[-1].height if self.blocks else 0

    def index_at(self, y: int) -> int:
        """The block that holds a row; the nearest one when the row is outside."""
        return max(0, bisect_right(self.tops, max(0, y)) - 1)

    def row_at(self, y: int) -> tuple[Block, int] | None:
        """A row's block and its number there; None where no row is laid out."""
        if not self.blocks:
            return None
        index = self.index_at(y)
        block, row = self.blocks[index], y - self.tops[index]
        return (block, row) if 0 <= row < len(block.rows) else None

    def find(self, entry_id: str) -> Block:
        """The block of an entry.

        Raises:
            KeyError: there is none.
        """
        for block in reversed(self.blocks):
            if block.entry.id == entry_id:
                return block
        raise KeyError(entry_id)

    def top_of(self, block: Block) -> int:
        """The row at which a block begins."""
        return self.tops[self.blocks.index(block)]

    def selection_of_entry(self, y: int) -> Selection:
        """All of the entry that holds a row."""
        index = self.index_at(y)
        last = self.tops[index] + self.blocks[index].height - 1
        return Selection(Offset(0, self.tops[index] + 1), Offset(0, last))

    def text_of(self, selection: Selection) -> str:
        """The text of selected rows: soft breaks undone, bars and hanging indents left out."""
        if selection.start is None and selection.end is None:
            return visible("\n\n".join(f"{block.entry.label}\n{block.entry.text}" for block in self.blocks))
        first = selection.start.y if selection.start else 0
        last = min(selection.end.y if selection.end else self.total, self.total - 1)
        parts: list[str] = []
        for y in range(first, last + 1):
            found = self.row_at(y)
            line = found[0].rows[found[1]] if found else Line([], 0)
            start, end = selection.get_span(y) or (0, 0)
            text = line.plain[max(start, line.lead) : None if end < 0 else end]
            parts.append(text.rstrip() if line.joint == "\n" else text)
            if y < last:
                parts.append(line.joint)
        return "".join(parts)
