"""Markdown into rows of a terminal. What a model writes can only ever become styled text.

Rows follow the source: line breaks are kept (poems are written that way), and two blocks have an empty row between
them where the source has an empty line. So a text that is rendered block by block, while it streams, looks the same
as the finished one.
"""

import re
from collections.abc import Sequence
from typing import Final, cast

from markdown_it.token import Token
from rich.segment import Segment
from rich.style import Style

from llmtui.app.render.code import render_code
from llmtui.app.render.lines import Line, wrap_plain, wrap_runs
from llmtui.app.render.palette import Palette
from llmtui.app.render.parse import MAX_NESTING, parser
from llmtui.app.render.tables import Alignment, Cell, render_table
from llmtui.domain.text import visible, visible_line

LONGEST: Final = 200_000
"""Characters that are worth the time to parse; a longer text is shown plain."""
DEEPEST: Final = 12
NARROWEST: Final = 12
"""Levels of nesting that are indented, and the cells below which none is: text is worth more than structure then."""
_BULLETS: Final = ("• ", "◦ ", "▪ ")
_TASK: Final = re.compile(r"\[([ xX])\] ")


def render_markdown(source: str, width: int, palette: Palette) -> list[Line]:
    """The rows of a text, none wider than `width` cells, none holding a control character.

    Args:
        source: Markdown from a stranger.
        width: cells of a row.
        palette: the styles.
    """
    source = visible(source)
    if len(source) > LONGEST:
        return wrap_plain(source.strip("\n"), width, palette.text)
    return _Renderer(source.split("\n"), palette).blocks(parser().parse(source), width, palette.text)


class _Renderer:
    """One rendering.

    Args:
        lines: of the source, to see where it is empty.
        palette: the styles.
    """

    def __init__(self, lines: list[str], palette: Palette) -> None:
        self._lines = lines
        self._palette = palette

    def blocks(self, tokens: Sequence[Token], width: int, style: Style) -> list[Line]:
        """Rows of sibling blocks."""
        rows: list[Line] = []
        at = 0
        while at < len(tokens):
            end = _end_of(tokens, at)
            if rows and self._blank_before(tokens[at]):
                rows.append(Line([], 0))
            rows.extend(self._block(tokens[at : end + 1], width, style))
            at = end + 1
        return rows

    def _too_deep(self, tokens: Sequence[Token]) -> bool:
        """Whether the parser gave up inside a block, and dropped what is nested more deeply."""
        return tokens[0].level == 0 and any(token.level >= MAX_NESTING - 1 for token in tokens)

    def _blank_before(self, token: Token) -> bool:
        if not token.map or not token.map[0]:
            return False
        line = self._lines[token.map[0] - 1]
        in_container = token.level > (token.type == "list_item_open")
        return not (line.strip(" >\t") if in_container else line.strip())

    def _block(self, tokens: Sequence[Token], width: int, style: Style) -> list[Line]:
        first, inside, palette = tokens[0], tokens[1:-1], self._palette
        nests = first.level // 2 < DEEPEST and width >= NARROWEST
        if self._too_deep(tokens):
            top, end = first.map or (0, 0)
            return wrap_plain("\n".join(self._lines[top:end]), width, style)
        match first.type:
            case "paragraph_open":
                rows = self._flow(inside[0], width, style)
            case "heading_open":
                rows = self._flow(inside[0], width, style + (palette.title if first.tag == "h1" else palette.heading))
            case "fence" | "code_block":
                rows = render_code(first.content, visible_line(first.info), width, palette)
            case "bullet_list_open" | "ordered_list_open" if nests:
                rows = self._list(inside, width, style, ordered=first.type == "ordered_list_open", level=first.level)
            case "blockquote_open" if nests:
                rows = self._quote(inside, width, style)
            case "hr":
                rows = [Line([Segment("─" * width, palette.muted)], width)]
            case "table_open":
                rows = self._table(inside, width, style)
            case _:
                rows = self.blocks(inside, width, style)
        return rows or [Line([], 0)]

    def _quote(self, tokens: Sequence[Token], width: int, style: Style) -> list[Line]:
        rows = self.blocks(tokens, width - 2, style + self._palette.quote) or [Line([], 0)]
        bar = Segment("│ ", self._palette.muted)
        return [row._replace(segments=[bar, *row.segments], cells=row.cells + 2, lead=row.lead + 2) for row in rows]

    def _list(self, tokens: Sequence[Token], width: int, style: Style, *, ordered: bool, level: int) -> list[Line]:
        rows: list[Line] = []
        at = 0
        while at < len(tokens):
            end = _end_of(tokens, at)
            item, inside = tokens[at], tokens[at + 1 : end]
            if rows and self._blank_before(item):
                rows.append(Line([], 0))
            mark = f"{item.info}{item.markup} " if ordered else _BULLETS[min(level // 2, 2)]
            rows.extend(self._item(inside, mark, width, style))
            at = end + 1
        return rows

    def _item(self, inside: Sequence[Token], mark: str, width: int, style: Style) -> list[Line]:
        text = inside[1] if len(inside) > 1 and inside[0].type == "paragraph_open" else None
        children = text.children if text else None
        if children and (task := _TASK.match(children[0].content)):
            mark = "☐ " if task[1] == " " else "☑ "
            children[0].content = children[0].content[4:]
        hang = min(len(mark), max(2, width // 2))
        body = self.blocks(inside, width - hang, style) or [Line([], 0)]
        rows: list[Line] = []
        soft = False
        for row in body:
            prefix = Segment(" " * hang) if rows else Segment(mark[:hang], self._palette.muted)
            lead = hang + row.lead if soft else row.lead
            if rows and not row.segments and row.fill is None:
                rows.append(row)
            else:
                rows.append(row._replace(segments=[prefix, *row.segments], cells=row.cells + hang, lead=lead))
            soft = row.joint != "\n"
        return rows

    def _table(self, tokens: Sequence[Token], width: int, style: Style) -> list[Line]:
        rows: list[list[Cell]] = []
        aligns: list[Alignment] = []
        for at, token in enumerate(tokens):
            if token.type == "tr_open":
                rows.append([])
            elif token.type in {"th_open", "td_open"}:
                if token.type == "th_open":
                    align = str(token.attrs.get("style", "")).removeprefix("text-align:") or "left"
                    aligns.append(cast("Alignment", align))
                cell_style = style + self._palette.strong if token.type == "th_open" else style
                rows[-1].append(Cell(self._runs(tokens[at + 1], cell_style)))
        return render_table(rows, aligns, width, self._palette)

    def _flow(self, inline: Token, width: int, style: Style) -> list[Line]:
        return [row for runs in self._runs(inline, style) for row in wrap_runs(runs, width)]

    def _runs(self, inline: Token, style: Style) -> list[list[Segment]]:
        """The styled runs of an inline token, one list a line."""
        palette = self._palette
        spans = {"strong": palette.strong, "em": palette.emphasis, "s": palette.struck, "link": palette.link}
        lines: list[list[Segment]] = [[]]
        stack = [style]
        links: list[tuple[str, int]] = []
        for token in inline.children or []:
            kind = token.type
            if kind == "text":
                _append(lines, token.content, stack[-1])
            elif kind in {"softbreak", "hardbreak"}:
                lines.append([])
            elif kind == "code_inline":
                _append(lines, token.content, stack[-1] + palette.inline_code)
            elif kind == "image":
                _append(lines, token.content or "image", stack[-1] + palette.emphasis)
                _append(lines, _target(token, "src", token.content), palette.muted)
            elif kind.endswith("_open"):
                if kind == "link_open":
                    links.append((str(token.attrs.get("href", "")), _length(lines)))
                stack.append(stack[-1] + spans.get(kind.removesuffix("_open"), Style.null()))
            elif kind.endswith("_close"):
                stack.pop()
                if kind == "link_close":
                    href, start = links.pop()
                    shown = "\n".join("".join(run.text for run in line) for line in lines)[start:]
                    _append(lines, _parenthesis(href, shown), palette.muted)
            else:
                _append(lines, token.content, stack[-1])
        return lines


def _end_of(tokens: Sequence[Token], at: int) -> int:
    """The index of the token that closes the one at `at`."""
    if tokens[at].nesting == 0:
        return at
    level = tokens[at].level
    end = at + 1
    while tokens[end].level != level:
        end += 1
    return end


def _append(lines: list[list[Segment]], text: str, style: Style) -> None:
    """Add text, which may hold line breaks, to the last line; entities may have decoded into anything."""
    first, *others = visible(text).split("\n")
    if first:
        lines[-1].append(Segment(first, style))
    lines.extend([Segment(other, style)] if other else [] for other in others)


def _length(lines: list[list[Segment]]) -> int:
    return sum(len(run.text) for line in lines for run in line) + len(lines) - 1


def _target(token: Token, attribute: str, shown: str) -> str:
    return _parenthesis(str(token.attrs.get(attribute, "")), shown)


def _parenthesis(href: str, shown: str) -> str:
    """A link's address behind its text, unless the text is the address."""
    href = visible_line(parser().normalizeLinkText(href))
    return f" ({href})" if href and href not in {shown, f"mailto:{shown}"} else ""
