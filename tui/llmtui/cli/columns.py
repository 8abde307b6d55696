"""Aligned columns, with East Asian wide characters counted as the two cells that they take."""

import unicodedata
from collections.abc import Sequence


def width(text: str) -> int:
    """Cells that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells(char) for char in text)


def aligned(
    rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset(), gap: str = "  ", most: int | None = None
) -> list[str]:
    """Rows as lines, every column as wide as its widest cell, up to `most`.

    Args:
        rows: each with the same number of cells, safe to show.
        right: numbers of the columns that are aligned to the right.
        gap: between columns.
        most: cells of a column; a longer one pushes only its own row aside, so that one monstrous name, as a server or
            a file can have, does not drive every other row off the screen. None sets no bound.
    """
    widths = [max(width(cell) for cell in column) for column in zip(*rows, strict=True)]
    if most is not None:
        widths = [min(each, most) for each in widths]
    lines = []
    for row in rows:
        cells = []
        for index, cell in enumerate(row):
            space = " " * (widths[index] - width(cell))
            cells.append(space + cell if index in right else cell + space)
        lines.append(gap.join(cells).rstrip())
    return lines


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
