"""Line breaking for mixed Chinese and Latin text, by terminal cells.

Breaks fall between wide characters, after spaces and after hyphens inside words. Kinsoku holds: closing punctuation
begins no line and opening brackets end none. A word wider than the line is folded between graphemes, so nothing is
ever cut off.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from rich.cells import cell_len, get_character_cell_size, split_graphemes
from rich.segment import Segment
from rich.style import Style

TAB: Final = 4
MIN_WIDTH: Final = 2
"""Cells of the narrowest line: one wide character."""

NO_LINE_START: Final = frozenset("。，、；：？！）》」』】〉〕〗〙｝］〞”’…‥—–～〜·・％‰℃々〻ー‐，．")
"""Never the first character of a line, not even after a space."""
_NO_START_AFTER_WIDE: Final = NO_LINE_START | frozenset(",.;:?!)]}%>\"'")
"""Nor these ASCII ones, when they follow a wide character directly."""
NO_LINE_END: Final = frozenset("（《「『【〈〔〖〘｛［〝“‘￥＄")
"""Never the last character of a line, not even before a space."""
_NO_END_BEFORE_WIDE: Final = NO_LINE_END | frozenset("([{<$#@")
_HYPHENS: Final = frozenset("-–—")
ZERO_WIDTH_JOINER: Final = "\u200d"
_WIDTH_CHANGERS: Final = (ZERO_WIDTH_JOINER, "\ufe0f")

_WIDE_RANGES: Final = (
    (0x1100, 0x115F),
    (0x2E80, 0xA4CF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE6F),
    (0xFF01, 0xFFE6),
    (0x1F000, 0x1F1E5),
    (0x1F200, 0x1F3FA),
    (0x1F400, 0x1FAFF),
    (0x20000, 0x3FFFF),
)
_WIDE_STARTS: Final = tuple(start for start, _ in _WIDE_RANGES)


class Line(NamedTuple):
    """One row of text.

    Attributes:
        segments: its runs of style, without padding.
        cells: their width.
        joint: what stood between this row and the next in the text: a line feed, or what a soft break swallowed.
        lead: characters at the start that are decoration, not text: a quotation's bar, a hanging indent.
        fill: style of the rest of the row; None leaves the background.
    """

    segments: list[Segment]
    cells: int
    joint: str = "\n"
    lead: int = 0
    fill: Style | None = None

    @property
    def plain(self) -> str:
        """The row's characters."""
        return "".join(segment.text for segment in self.segments)


class _CellSizes(dict[str, int]):
    def __missing__(self, character: str) -> int:
        size = self[character] = get_character_cell_size(character)
        return size


class _BreaksAround(dict[str, bool]):
    """Whether text may be broken on both sides of a character."""

    def __missing__(self, character: str) -> bool:
        code = ord(character)
        at = bisect_right(_WIDE_STARTS, code) - 1
        known = self[character] = at >= 0 and code <= _WIDE_RANGES[at][1]
        return known


_sizes = _CellSizes()
_is_wide = _BreaksAround()


def is_wide(character: str) -> bool:
    """Whether it is Chinese, Japanese, Korean (their punctuation included) or an emoji: text may break around it."""
    return _is_wide[character]


def expand_tabs(text: str) -> str:
    """Tabs as spaces up to the next multiple of `TAB` cells; for one line of text."""
    if "\t" not in text:
        return text
    parts = text.split("\t")
    done = ""
    for part in parts[:-1]:
        done += part
        done += " " * (TAB - cell_len(done) % TAB) if len(done) < 4096 else " " * TAB
    return done + parts[-1]


def break_offsets(text: str, width: int) -> list[tuple[int, int]]:
    """Where the rows of one line of text begin and end; spaces at a break belong to no row.

    Args:
        text: without line feeds and tabs.
        width: cells of a row, at least `MIN_WIDTH`.
    """
    width = max(MIN_WIDTH, width)
    length = len(text)
    if length <= width // 2 or cell_len(text) <= width:
        return [(0, length)]
    graphemes = _grapheme_ends(text) if any(mark in text for mark in _WIDTH_CHANGERS) else None
    rows: list[tuple[int, int]] = []
    start = 0
    while start < length:
        end = _fitting_end(text, start, width) if graphemes is None else _fitting_grapheme(graphemes, start, width)
        after = end
        while after < length and text[after] == " ":
            after += 1
        if after == length:
            rows.append((start, max(start, end)))
            break
        cut, after = _last_break(text, start, end, after)
        rows.append((start, cut))
        start = after
    return rows


def edit_offsets(text: str, width: int) -> list[int]:
    """Where the rows of a line that is being edited begin, but for the first; spaces at a break stay in the row.

    Args:
        text: without line feeds and tabs.
        width: cells of a row.
    """
    width = max(MIN_WIDTH, width)
    graphemes = _grapheme_ends(text) if any(mark in text for mark in _WIDTH_CHANGERS) else None
    starts: list[int] = []
    start = 0
    while True:
        end = _fitting_end(text, start, width) if graphemes is None else _fitting_grapheme(graphemes, start, width)
        if end >= len(text):
            return starts
        start = end if text[end] != " " and _may_break(text, start, end) else _last_break(text, start, end, end)[1]
        starts.append(start)


def _fitting_end(text: str, start: int, width: int) -> int:
    """The end of the longest slice from `start` that fits, at least one character."""
    window = text[start : start + width + 1]
    if window.isascii():
        return start + min(len(window), width)
    sizes = _sizes
    cells = 0
    at = start
    for at in range(start, len(text)):
        cells += sizes[text[at]]
        if cells > width:
            return max(at, start + 1)
    return len(text)


class _Graphemes(NamedTuple):
    """Ends of graphemes as offsets, and cells up to each of them."""

    ends: list[int]
    cells: list[int]


def _grapheme_ends(text: str) -> _Graphemes:
    spans, _ = split_graphemes(text)
    return _Graphemes([end for _, end, _ in spans], list(accumulate(size for _, _, size in spans)))


def _fitting_grapheme(graphemes: _Graphemes, start: int, width: int) -> int:
    first = bisect_right(graphemes.ends, start)
    before = graphemes.cells[first - 1] if first else 0
    last = bisect_right(graphemes.cells, before + width) - 1
    return graphemes.ends[max(last, first)]


def _last_break(text: str, start: int, end: int, after: int) -> tuple[int, int]:
    """The row's end and the next row's start, for the last break at or before `end`."""
    if after > end and _may_break(text, start, after):
        return _without_spaces(text, start, end), after
    for at in range(min(end, len(text) - 1), start, -1):
        if text[at] != " " and _may_break(text, start, at):
            cut = _without_spaces(text, start, at)
            if cut > start:
                return cut, at
    return end, end


def _without_spaces(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1] == " ":
        end -= 1
    return end


def _may_break(text: str, start: int, at: int) -> bool:
    """Whether a row that began at `start` may end before the character at `at`, which is not a space."""
    after = text[at]
    if after in NO_LINE_START or _sizes[after] == 0 or "\U0001f3fb" <= after <= "\U0001f3ff":
        return False
    before = text[at - 1]
    if before == " ":
        kept = _without_spaces(text, start, at)
        return kept == start or text[kept - 1] not in NO_LINE_END
    if before == ZERO_WIDTH_JOINER:
        return False
    base = at - 1
    while base > start and _sizes[text[base]] == 0:
        base -= 1
    before = text[base]
    if _is_wide[after]:
        return before not in _NO_END_BEFORE_WIDE
    if _is_wide[before] or (before in NO_LINE_START and before != "’"):
        return after not in _NO_START_AFTER_WIDE and before not in NO_LINE_END
    return before in _HYPHENS and after.isalpha() and base > start and text[base - 1].isalnum()


def wrap_plain(text: str, width: int, style: Style | None = None) -> list[Line]:
    """Rows of a text in one style, line feeds and tabs obeyed.

    Args:
        text: passed through `domain.text.visible` already.
        width: cells of a row.
        style: of every row.
    """
    rows: list[Line] = []
    for raw in text.split("\n"):
        line = expand_tabs(raw)
        offsets = break_offsets(line, width)
        for index, (start, end) in enumerate(offsets):
            piece = line[start:end]
            joint = line[end : offsets[index + 1][0]] if index + 1 < len(offsets) else "\n"
            rows.append(Line([Segment(piece, style)] if piece else [], cell_len(piece), joint))
    return rows


def wrap_runs(runs: Sequence[Segment], width: int) -> list[Line]:
    """Rows of one line of styled text (no line feeds in it)."""
    if "\t" in "".join(run.text for run in runs):
        runs = _expand_run_tabs(runs)
    text = "".join(run.text for run in runs)
    if not text:
        return [Line([], 0)]
    offsets = break_offsets(text, width)
    bounds = list(accumulate(len(run.text) for run in runs))
    rows: list[Line] = []
    for index, (start, end) in enumerate(offsets):
        joint = text[end : offsets[index + 1][0]] if index + 1 < len(offsets) else "\n"
        rows.append(Line(_slice(runs, bounds, start, end), cell_len(text[start:end]), joint))
    return rows


def fold_runs(runs: Sequence[Segment], width: int) -> list[Line]:
    """Rows of one line of code: every character kept, cut where a row is full."""
    runs = _expand_run_tabs(runs)
    text = "".join(run.text for run in runs)
    width = max(MIN_WIDTH, width)
    if not text or cell_len(text) <= width:
        return [Line(list(runs), cell_len(text))]
    graphemes = _grapheme_ends(text) if any(mark in text for mark in _WIDTH_CHANGERS) else None
    bounds = list(accumulate(len(run.text) for run in runs))
    rows: list[Line] = []
    start = 0
    while start < len(text):
        end = _fitting_end(text, start, width) if graphemes is None else _fitting_grapheme(graphemes, start, width)
        joint = "" if end < len(text) else "\n"
        rows.append(Line(_slice(runs, bounds, start, end), cell_len(text[start:end]), joint))
        start = end
    return rows


def _slice(runs: Sequence[Segment], bounds: list[int], start: int, end: int) -> list[Segment]:
    pieces: list[Segment] = []
    at = bisect_right(bounds, start)
    while start < end:
        base = bounds[at - 1] if at else 0
        stop = min(end, bounds[at])
        if stop > start:
            pieces.append(Segment(runs[at].text[start - base : stop - base], runs[at].style))
        start = stop
        at += 1
    return pieces


def _expand_run_tabs(runs: Iterable[Segment]) -> list[Segment]:
    expanded: list[Segment] = []
    done = ""
    for run in runs:
        before = done
        done = expand_tabs(before + run.text)
        expanded.append(Segment(done[len(before) :], run.style))
    return expanded
