"""Rows of text in aligned columns, as content for a list: pure layout, no markup."""

from collections.abc import Sequence

import msgspec
from rich.cells import cell_len, set_cell_size
from textual.content import Content

GAP = 2
FIRST_LEAST = 14
"""The first column keeps at least this many cells; others are dropped from the right before it gets less."""


class Column(msgspec.Struct, frozen=True):
    """A heading; numbers stand right-aligned."""

    name: str
    right: bool = False


class Row(msgspec.Struct, frozen=True):
    """One line of a list.

    Attributes:
        cells: one text a column.
        search: what a filter looks at.
        problem: why the row cannot be chosen; it then stands in place of the later columns.
    """

    cells: tuple[str, ...]
    search: str
    problem: str | None = None


class Layout(msgspec.Struct, frozen=True):
    """Widths of the columns that are shown."""

    columns: tuple[Column, ...]
    widths: tuple[int, ...]


def lay_out(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Layout:
    """Each column as wide as its widest text; the first one takes what is left."""
    widths = [
        max([cell_len(column.name), *(cell_len(row.cells[index]) for row in rows if row.problem is None)])
        for index, column in enumerate(columns)
    ]
    shown = len(columns)
    while shown > 1 and width - sum(widths[1:shown]) - GAP * (shown - 1) < FIRST_LEAST:
        shown -= 1
    first = max(1, width - sum(widths[1:shown]) - GAP * (shown - 1))
    return Layout(tuple(columns[:shown]), (first, *widths[1:shown]))


def heading(layout: Layout) -> Content:
    """The columns' names."""
    return Content.styled(_joined([column.name for column in layout.columns], layout), "$text-muted")


def line(row: Row, layout: Layout) -> Content:
    """One row; a row with a problem is dim and says why."""
    if row.problem is None:
        first, *rest = _cells(row.cells, layout)
        return Content.assemble(first, ("".join(" " * GAP + cell for cell in rest), "$text-muted"))
    total = sum(layout.widths) + GAP * (len(layout.widths) - 1)
    name = row.cells[0]
    name = name if cell_len(name) <= total // 2 else _cut(name, total // 2)
    return Content.styled(_cut(f"{name}  {row.problem}", total), "$text-muted")


def _joined(cells: Sequence[str], layout: Layout) -> str:
    return (" " * GAP).join(_cells(cells, layout))


def _cells(cells: Sequence[str], layout: Layout) -> list[str]:
    fitted = []
    for cell, width, column in zip(cells, layout.widths, layout.columns, strict=False):
        cut = _cut(cell, width)
        pad = " " * (width - cell_len(cut))
        fitted.append(pad + cut if column.right else cut + pad)
    return fitted


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…"
