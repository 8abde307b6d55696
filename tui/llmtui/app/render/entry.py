"""One entry of a conversation as rows: a bar, who speaks, what is said, what it cost."""

from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from llmtui.app.render.lines import Line, wrap_plain
from llmtui.app.render.palette import Palette
from llmtui.domain.text import visible, visible_line

BAR: Final = "▌ "
MARKED_BAR: Final = "█ "
"""Of the entry that keys work on; as wide as `BAR`."""
FOLD_ABOVE: Final = 30
"""Rows above which what is not an answer is shown folded."""
FOLDED_ROWS: Final = 20
LONGEST_ANSWER: Final = 400_000
"""Characters of an answer that are shown; laying out more would stall the screen."""

Kind = Literal["user", "assistant", "notice", "error"]


@dataclass(frozen=True)
class Entry:
    """What stands in the conversation.

    Attributes:
        id: unique among the entries of a view.
        kind: who speaks; answers are rendered as Markdown, all else as plain text.
        label: the first line: `you`, the model's name, an error's title.
        text: what is said; it may come from a stranger.
        footer: the last line: what the turn cost.
        marked: keys work on it now.
        whole: it is never folded, however long.
    """

    id: str
    kind: Kind
    label: str
    text: str
    footer: str | None = None
    marked: bool = False
    whole: bool = False


def entry_rows(entry: Entry, width: int, palette: Palette) -> list[Line]:
    """All rows of an entry, the empty one below it included.

    Args:
        entry: what to show.
        width: cells of a row, the bar included.
        palette: the styles.
    """
    return frame_rows(entry, body_rows(entry, width, palette), width, palette)


def body_width(width: int) -> int:
    """Cells beside the bar."""
    return max(4, width - cell_len(BAR))


def body_rows(entry: Entry, width: int, palette: Palette) -> list[Line]:
    """Rows of an entry's text, without a bar."""
    width = body_width(width)
    if not entry.text.strip():
        return []
    if entry.kind != "assistant":
        style = palette.error if entry.kind == "error" else palette.text
        return (_whole if entry.whole else _folded)(entry.text, width, style, palette)
    from llmtui.app.render.markdown import render_markdown  # noqa: PLC0415 - an empty chat does not pay for it

    rows = render_markdown(entry.text[:LONGEST_ANSWER], width, palette)
    hidden = len(entry.text) - LONGEST_ANSWER
    return [*rows, _more(hidden, palette)] if hidden > 0 else rows


def frame_rows(entry: Entry, body: list[Line], width: int, palette: Palette) -> list[Line]:
    """A body with its bar, label, footer and the empty row below."""
    rows = [*label_rows(entry, width, palette), *(barred(row, entry, palette) for row in body)]
    if entry.footer:
        footer = wrap_plain(visible_line(entry.footer), body_width(width), palette.muted)
        rows.extend(barred(row, entry, palette) for row in footer)
    return [*rows, Line([], 0)]


def label_rows(entry: Entry, width: int, palette: Palette) -> list[Line]:
    """Who speaks, in one row; the title of an error or a notice in full, an error's as bright as its bar."""
    style = palette.error + palette.strong if entry.kind == "error" else palette.label
    rows = wrap_plain(visible_line(entry.label), body_width(width), style)
    if entry.kind in {"user", "assistant"}:
        rows = [rows[0]._replace(joint="\n")]
    return [barred(row, entry, palette) for row in rows]


def barred(row: Line, entry: Entry, palette: Palette) -> Line:
    """A row with the entry's bar left of it."""
    bar = Segment(MARKED_BAR if entry.marked else BAR, _bar_style(entry, palette))
    return Line([bar, *row.segments], row.cells + 2, row.joint, row.lead + len(BAR), row.fill)


def estimated_rows(entry: Entry, width: int) -> int:
    """About how many rows an entry will take, without laying it out."""
    cells = (len(entry.text) + len(entry.text.encode("utf-8", "replace"))) // 2
    rows = cells // body_width(width) + entry.text.count("\n") + 1
    if entry.kind != "assistant" and rows > FOLD_ABOVE and not entry.whole:
        rows = FOLDED_ROWS + 1
    return rows + 2 + (entry.footer is not None)


def _bar_style(entry: Entry, palette: Palette) -> Style:
    return {
        "user": palette.user,
        "assistant": palette.assistant,
        "notice": palette.notice,
        "error": palette.error,
    }[entry.kind]


def _whole(text: str, width: int, style: Style, palette: Palette) -> list[Line]:
    rows = wrap_plain(visible(text[:LONGEST_ANSWER]).strip("\n"), width, style)
    hidden = len(text) - LONGEST_ANSWER
    return [*rows, _more(hidden, palette)] if hidden > 0 else rows


def _folded(text: str, width: int, style: Style, palette: Palette) -> list[Line]:
    """The text, or its head when it is long; only the head is ever laid out."""
    head = text[: (FOLD_ABOVE + 1) * width * 2]
    rows = wrap_plain(visible(head).strip("\n"), width, style)
    if len(rows) <= FOLD_ABOVE and len(head) == len(text):
        return rows
    rows = rows[:FOLDED_ROWS]
    shown = sum(len(row.plain) + len(row.joint) for row in rows)
    return [*rows, _more(len(text) - shown, palette)]


def _more(characters: int, palette: Palette) -> Line:
    text = f"… {characters:,} more characters"
    return Line([Segment(text, palette.muted)], cell_len(text))
