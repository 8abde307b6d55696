"""Tables: columns shrink to the width; where even that is too narrow, a row becomes a list of its fields."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment

from llmtui.app.render.lines import Line, wrap_runs
from llmtui.app.render.palette import Palette

Alignment = Literal["left", "center", "right"]
NARROWEST: Final = 4
"""Cells below which a column cannot be read."""
_GAP: Final = " │ "
_CROSS: Final = "─┼─"


class Cell(NamedTuple):
    """A cell's text, one list of runs a line."""

    lines: list[list[Segment]]

    @property
    def cells(self) -> int:
        """Width of its longest line."""
        return max(sum(cell_len(run.text) for run in line) for line in self.lines)


def render_table(
    rows: Sequence[Sequence[Cell]], aligns: Sequence[Alignment], width: int, palette: Palette
) -> list[Line]:
    """A table's rows; the first one is its header.

    Args:
        rows: each of them with as many cells as `aligns`.
        aligns: how each column is set.
        width: cells to stay within.
        palette: the styles.
    """
    columns = _column_widths([max(row[at].cells for row in rows) for at in range(len(aligns))], width)
    if columns is None:
        return _as_fields(rows, width)
    rule = Segment(_CROSS.join("─" * column for column in columns), palette.muted)
    wrapped = [_table_row(row, aligns, columns, palette) for row in rows]
    separate = any(len(lines) > 1 for lines in wrapped[1:])
    table: list[Line] = []
    for index, lines in enumerate(wrapped):
        table.extend(lines)
        if index == 0 or (separate and index + 1 < len(wrapped)):
            table.append(Line([rule], cell_len(rule.text)))
    return table


def _column_widths(natural: list[int], width: int) -> list[int] | None:
    """Widths that fit: narrow columns keep theirs, the wide ones share the rest; None when they get too narrow."""
    natural = [max(1, column) for column in natural]
    space = width - cell_len(_GAP) * (len(natural) - 1)
    widths = list(natural)
    waiting = sorted(range(len(natural)), key=natural.__getitem__)
    while waiting:
        share = space // len(waiting)
        if share < NARROWEST and natural[waiting[-1]] > share:
            return None
        column = waiting.pop(0)
        widths[column] = min(natural[column], share)
        space -= widths[column]
    return widths


def _table_row(row: Sequence[Cell], aligns: Sequence[Alignment], columns: list[int], palette: Palette) -> list[Line]:
    cells = [
        [piece for line in cell.lines for piece in wrap_runs(line, column)]
        for cell, column in zip(row, columns, strict=True)
    ]
    height = max(map(len, cells))
    gap = Segment(_GAP, palette.muted)
    lines: list[Line] = []
    for at in range(height):
        segments: list[Segment] = []
        for cell, column, align in zip(cells, columns, aligns, strict=True):
            if segments:
                segments.append(gap)
            piece = cell[at] if at < len(cell) else Line([], 0)
            segments.extend(_aligned(piece, column, align))
        lines.append(Line(segments, sum(columns) + cell_len(_GAP) * (len(columns) - 1)))
    return lines


def _aligned(piece: Line, column: int, align: Alignment) -> list[Segment]:
    space = column - piece.cells
    left = {"left": 0, "center": space // 2, "right": space}[align]
    padding = [Segment(" " * left)] if left else []
    return [*padding, *piece.segments, Segment(" " * (space - left))] if space > left else [*padding, *piece.segments]


def _as_fields(rows: Sequence[Sequence[Cell]], width: int) -> list[Line]:
    """`header: value` lines, a blank line between rows."""
    header, *body = rows
    lines: list[Line] = []
    for row in body or [header]:
        if lines:
            lines.append(Line([], 0))
        for title, value in zip(header, row, strict=True):
            first, *others = value.lines
            runs = [*title.lines[0], Segment(": "), *first] if body else first
            for line in (runs, *others):
                lines.extend(wrap_runs(line, width))
    return lines
