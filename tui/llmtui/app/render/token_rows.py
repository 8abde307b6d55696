"""A prompt's tokens as rows of the screen, laid out piece by piece so that a long prompt opens at once."""

import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol

from rich.cells import cell_len

from llmtui.domain.prompt_diff import Difference
from llmtui.domain.rendered import ADDED, SPECIAL, Rendered, Segment
from llmtui.domain.text import visible

ODD, MARKED, CACHED, SPLIT, GONE, NEW, MISS, FAINT = (1 << bit for bit in range(8))
"""How a cell looks, as bits: every other token; special; in the cache; a character of several tokens; in the first of
two prompts only; in the second only; the first token that is not what the cache holds; of secondary weight."""
KINDS = GONE | NEW

OWNERS = {"user": "you", "assistant": "model", "answer": "head of the answer", "text": "text", "template": "template"}
_PLAIN = re.compile("[ -~\u3001-\u303e\u4e00-\u9fff\uff01-\uff5e]*")
_ALIKE_SHOWN = 12
"""Tokens that are shown on either side of a stretch that two prompts share."""


class Cell(NamedTuple):
    """A token, or what of it stands on one row; a line feed ends the row.

    Attributes:
        place: of the token among those shown.
    """

    text: str
    look: int
    place: int


class Title(NamedTuple):
    """A row that says what follows."""

    text: str


class Row(NamedTuple):
    """What stands on one row; a title has no cells."""

    cells: tuple[Cell, ...]
    title: str = ""


class Sheet(Protocol):
    """Rows that can be had by number."""

    @property
    def height(self) -> int:
        """Rows so far."""

    def row(self, at: int) -> Row:
        """One of them."""

    def row_of(self, place: int) -> int:
        """The row on which a token begins; the last one so far for tokens that are not laid out yet."""


class Flow:
    """Tokens one after another, wrapped between tokens where that can be.

    Args:
        items: titles and tokens.
        width: cells.
    """

    def __init__(self, items: Iterable[Cell | Title], width: int) -> None:
        self._items = iter(items)
        self._width = max(2, width)
        self._rows: list[Row] = []
        self._firsts: list[int] = []
        self._open: list[Cell] = []
        self._used = 0

    @property
    def height(self) -> int:
        """Rows that are complete."""
        return len(self._rows)

    def row(self, at: int) -> Row:
        """One of them."""
        return self._rows[at]

    def row_of(self, place: int) -> int:
        """The row on which a token begins."""
        low, high = 0, len(self._firsts)
        while low < high:
            middle = (low + high) // 2
            if self._firsts[middle] <= place:
                low = middle + 1
            else:
                high = middle
        at = max(0, low - 1)
        while at > 0 and not self._rows[at].cells:
            at -= 1
        return at

    def more(self, count: int) -> bool:
        """Lay out so many further tokens; False when there are none left. May be called in a thread."""
        taken = 0
        for item in islice(self._items, count):
            taken += 1
            if isinstance(item, Title):
                self._end_row()
                self._put(Row((), item.text))
            else:
                self._add(item)
        if taken < count:
            self._end_row()
        return taken == count

    def _add(self, cell: Cell) -> None:
        if self._open and (self._open[-1].look ^ cell.look) & KINDS:
            self._end_row()
        *lines, last = cell.text.split("\n")
        for line in lines:
            self._fit(cell._replace(text=f"{line}↵"))
            self._end_row()
        if last:
            self._fit(cell._replace(text=last))

    def _fit(self, cell: Cell) -> None:
        cells = cell_len(cell.text)
        if self._used + cells > self._width and self._open:
            self._end_row()
        while cells > self._width:
            part = _cut(cell.text, self._width)
            self._open.append(cell._replace(text=part))
            self._end_row()
            cell = cell._replace(text=cell.text[len(part) :])
            cells = cell_len(cell.text)
        if cell.text:
            self._open.append(cell)
            self._used += cells

    def _end_row(self) -> None:
        if self._open:
            self._put(Row(tuple(self._open)))
            self._open, self._used = [], 0

    def _put(self, row: Row) -> None:
        before = self._firsts[-1] if self._firsts else 0
        self._rows.append(row)
        self._firsts.append(row.cells[0].place if row.cells else before)


class Table:
    """One token a row: its number, id, text, bytes.

    Args:
        rendered: the prompt.
    """

    def __init__(self, rendered: Rendered) -> None:
        self._rendered = rendered
        self.height = len(rendered.ids)

    def row(self, at: int) -> Row:
        """A token."""
        rendered = self._rendered
        piece, flag = rendered.pieces[at], rendered.flags[at]
        look = look_of(rendered, at) & ~ODD
        text = shown(_readable(piece)).replace("\n", "↵")
        text += " " * max(0, 24 - cell_len(text))
        written = " ".join(f"{byte:02x}" for byte in piece[:16]) + (" …" if len(piece) > 16 else "")
        remark = "special" * bool(flag & SPECIAL) + ", added by the tokeniser" * bool(flag & ADDED)
        cells = [(f"{at:>7,} ", FAINT), (f"{rendered.ids[at]:>8} ", look & (MISS | CACHED)), ("│", FAINT), (text, look)]
        cells += [("│ ", FAINT), (f"{written:<24} {remark}", FAINT)]
        return Row(tuple(Cell(part, kind, at) for part, kind in cells))

    def row_of(self, place: int) -> int:
        """Each token has its own."""
        return max(0, min(place, self.height - 1))


def shown_parts(rendered: Rendered) -> Iterator[tuple[str, bool]]:
    """What each token shows, and whether its first character is of earlier tokens, too.

    A character that several tokens make up is shown with the last of them; the others show nothing.
    """
    if not rendered.ids:
        for line in rendered.text.splitlines(keepends=True):
            yield shown(line), False
        return
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pending = False
    for data, flag, piece in zip(rendered.slices(), rendered.flags, rendered.pieces, strict=True):
        if flag & ADDED:
            yield shown(_readable(piece)), False
        elif not pending and data.isascii():
            yield shown(data.decode()), False
        else:
            text = decoder.decode(data)
            yield shown(text), pending and bool(text)
            pending = bool(decoder.getstate()[0])


def look_of(rendered: Rendered, at: int) -> int:
    """A token's look, for itself."""
    look = ODD * (at & 1) | MARKED * bool(rendered.flags[at] & SPECIAL)
    if rendered.cached is not None and at < rendered.cached:
        look |= CACHED
    return look | MISS * (at == rendered.miss)


def items_of(rendered: Rendered) -> Iterator[Cell | Title]:
    """A whole prompt, with a title above each message."""
    if not rendered.ids:
        yield from (Cell(text, 0, at) for at, (text, _) in enumerate(shown_parts(rendered)))
        return
    heads = {segment.start: segment for segment in rendered.segments}
    for at, (text, split) in enumerate(shown_parts(rendered)):
        if at in heads:
            yield Title(title_of(rendered, heads[at]))
        yield Cell(text, look_of(rendered, at) | SPLIT * split, at)


def title_of(rendered: Rendered, segment: Segment) -> str:
    """Whose tokens follow, how many, and how many of them the cache holds."""
    parts = [OWNERS.get(segment.owner, segment.owner), f"{segment.tokens:,} tokens"]
    cached = min(max(0, (rendered.cached or 0) - segment.start), segment.tokens)
    if cached:
        parts.append("cached" if cached == segment.tokens else f"{cached:,} cached")
    return " · ".join(parts)


def difference_items(first: Rendered, second: Rendered, found: Sequence[Difference]) -> Iterator[Cell | Title]:
    """Two prompts as one: what is gone, what is new, and what stands around it."""
    if all(difference.kind == "same" for difference in found):
        yield Title("the two prompts are the same")
        return
    place = 0
    parts = [list(shown_parts(first)), list(shown_parts(second))]
    for at, difference in enumerate(found):
        kind = {"same": 0, "gone": GONE, "new": NEW}[difference.kind]
        source, texts = (first, parts[0]) if kind == GONE else (second, parts[1])
        numbers = range(difference.start, difference.end)
        before = _ALIKE_SHOWN if at else 0
        after = _ALIKE_SHOWN if at < len(found) - 1 else 0
        hidden = len(numbers) - before - after if not kind else 0
        for index, number in enumerate(numbers):
            if hidden > _ALIKE_SHOWN and index == before:
                yield Title(f"{hidden:,} {'tokens' if second.ids else 'lines'} alike")
            if hidden > _ALIKE_SHOWN and before <= index < before + hidden:
                continue
            text, split = texts[number]
            marked = MARKED * bool(source.flags[number] & SPECIAL) if source.ids else 0
            yield Cell(text, kind | marked | SPLIT * split | ODD * (place & 1), place)
            place += 1


@lru_cache(maxsize=1 << 16)
def shown(text: str) -> str:
    """A token's text with everything in it visible but line feeds, also what has no width."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_character(char, first=at == 0) for at, char in enumerate(text))


def _character(char: str, *, first: bool) -> str:
    if char in {"\n", " "}:
        return char
    if char == "\t":
        return "⇥"
    if char in {"\r", "\u2028", "\u2029"}:
        return "␍" if char == "\r" else f"<U+{ord(char):04X}>"
    category = unicodedata.category(char)
    if (category in {"Cf", "Co", "Cn", "Zs", "Cs"} and char != "\u3000") or "\ufe00" <= char <= "\ufe0f":
        return f"<U+{ord(char):04X}>"
    if category in {"Mn", "Me"} and first:
        return f"◌{char}"
    return visible(char)


def _readable(piece: bytes) -> str:
    """A piece by itself; bytes that are no character by themselves are written as numbers."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "".join(f"<{byte:02x}>" for byte in piece)


def _cut(text: str, width: int) -> str:
    """As much of a text as fits, at least a character."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if cell_len(text[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low]
