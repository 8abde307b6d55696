"""Rows of text in aligned columns, as content for a list: pure layout, no markup."""

from collections.abc import Sequence

import msgspec
from rich.cells import cell_len
from textual.content import Content

from llmtui.app import format as fmt

GAP = 2
FLEXIBLE_LEAST = 24
"""Cells that the flexible column keeps, if it has as many to show; others are dropped before it gets less."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A heading.

    Attributes:
        right: numbers stand right-aligned.
        flexible: takes what the others leave; one column of a table is.
        rank: of two columns the lower one goes first when the width does not do; of equals the one further right.
        kept: what a row is called by: it never goes, and is cut to half of the width.
    """

    name: str
    right: bool = False
    flexible: bool = False
    rank: int = 0
    kept: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list.

    Attributes:
        key: unique in the list.
        cells: one text a column.
        search: what a filter looks at.
        problem: why the row cannot be chosen; it then stands in place of the later columns.
        styles: by the number of a column; the others are quiet, the flexible one is not.
    """

    key: str
    cells: tuple[str, ...]
    search: str
    problem: str | None = None
    styles: dict[int, str] = {}


class Layout(msgspec.Struct, frozen=True):
    """Columns that are shown: their numbers and their widths in cells."""

    columns: tuple[Column, ...]
    shown: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def flexible(self) -> int:
        """Number of the column that takes what is left."""
        return next(index for index, column in enumerate(self.columns) if column.flexible)


def lay_out(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Layout:
    """Each column as wide as its widest text; the flexible one takes what is left.

    A column in which no row has anything is left out.
    """
    sound = [row for row in rows if row.problem is None]
    widest = [max((cell_len(row.cells[index]) for row in sound), default=0) for index in range(len(columns))]
    named = [max(cell_len(column.name), cells) for column, cells in zip(columns, widest, strict=True)]
    named = [
        min(cells, (width - GAP) // 2) if column.kept else cells for column, cells in zip(columns, named, strict=True)
    ]
    flexible = next(index for index, column in enumerate(columns) if column.flexible)
    shown = [index for index in range(len(columns)) if index == flexible or widest[index] or not sound]
    least = min(FLEXIBLE_LEAST, named[flexible])

    def left() -> int:
        return width - sum(named[index] + GAP for index in shown if index != flexible)

    while left() < least and (spare := [index for index in shown if index != flexible and not columns[index].kept]):
        shown.remove(min(spare, key=lambda i: (columns[i].rank, -i)))
    widths = tuple(max(1, left()) if index == flexible else named[index] for index in shown)
    return Layout(tuple(columns), tuple(shown), widths)


def heading(layout: Layout) -> Content:
    """The columns' names."""
    cells = (
        fmt.fitted(layout.columns[index].name, width, right=layout.columns[index].right)
        for index, width in _places(layout)
    )
    return Content.styled((" " * GAP).join(cells), "$text-muted")


def line(row: Row, layout: Layout) -> Content:
    """One row; a row with a problem is dim and says why."""
    parts: list[str | tuple[str, str]] = []
    for number, (index, width) in enumerate(_places(layout)):
        if number:
            parts.append(" " * GAP)
        if row.problem is not None and index == layout.flexible:
            rest = sum(layout.widths[number:]) + GAP * (len(layout.widths) - number - 1)
            parts.append((_with_problem(row.cells[index], row.problem, rest), "$text-muted"))
            break
        text = fmt.fitted(row.cells[index], width, right=layout.columns[index].right)
        style = row.styles.get(index, "" if index == layout.flexible else "$text-muted")
        parts.append((text, style) if style else text)
    return Content.assemble(*parts)


def _places(layout: Layout) -> list[tuple[int, int]]:
    return list(zip(layout.shown, layout.widths, strict=True))


def _with_problem(name: str, problem: str, room: int) -> str:
    name = name if cell_len(name) <= room // 2 else fmt.cut(name, room // 2)
    return fmt.cut(f"{name}  {problem}", room)
