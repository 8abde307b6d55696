"""Rows as Textual draws them."""

from itertools import pairwise

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from llmtui.app.render.lines import Line


def strip_of(line: Line, width: int, base: Style) -> Strip:
    """A row, padded to the width, because what was there before must go.

    Args:
        line: the row.
        width: cells.
        base: colours of the widget, under every style.
    """
    segments = [Segment(text, base + style if style else base) for text, style, _ in line.segments]
    if line.cells < width:
        segments.append(Segment(" " * (width - line.cells), base + line.fill if line.fill else base))
    strip = Strip(segments, max(width, line.cells))
    return strip if line.cells <= width else strip.crop(0, width)


def selected_strip(line: Line, span: tuple[int, int], width: int, base: Style, marked: Style) -> Strip:
    """A row with the characters of a span, the bar never among them, marked as selected.

    Args:
        line: the row.
        span: first and last (exclusive) character; -1 is the row's end.
        width: cells.
        base: colours of the widget.
        marked: added to the style of what is selected.
    """
    length = len(line.plain)
    start, end = max(span[0], line.lead), length if span[1] < 0 else min(span[1], length)
    segments: list[Segment] = []
    at = 0
    for text, style, _ in line.segments:
        cuts = [0, *sorted({min(max(cut - at, 0), len(text)) for cut in (start, end)}), len(text)]
        for left, right in pairwise(cuts):
            if right > left:
                inside = start <= at + left < end
                segments.append(Segment(text[left:right], (style or Style.null()) + marked if inside else style))
        at += len(text)
    return strip_of(line._replace(segments=segments), width, base)
