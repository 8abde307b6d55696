"""Where one visible character ends and the next begins, for a cursor."""

from typing import Final

from rich.cells import split_graphemes

_WINDOW: Final = 64
"""Characters looked at on either side; no grapheme people write is longer."""


def previous_boundary(text: str, at: int) -> int:
    """The start of the grapheme that ends at, or holds, the character before `at`."""
    if at <= 0:
        return 0
    start = max(0, at - _WINDOW)
    return start + max((edge for edge in _edges(text[start : at + _WINDOW]) if edge < at - start), default=0)


def next_boundary(text: str, at: int) -> int:
    """The end of the grapheme that begins at, or holds, the character at `at`."""
    start = max(0, at - _WINDOW)
    window = text[start : at + _WINDOW]
    return start + min((edge for edge in _edges(window) if edge > at - start), default=len(window))


def _edges(text: str) -> list[int]:
    """Offsets at which graphemes begin, and the text's end."""
    edges: list[int] = []
    flags = 0
    for start, _, _ in split_graphemes(text)[0]:
        character = text[start]
        if "\U0001f1e6" <= character <= "\U0001f1ff":
            flags += 1
            if flags % 2 == 0:
                continue
        else:
            flags = 0
        if not "\U0001f3fb" <= character <= "\U0001f3ff" or start == 0:
            edges.append(start)
    return [*edges, len(text)]
