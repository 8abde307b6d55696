"""Code blocks: coloured by the theme's own styles, every character kept."""

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Final, cast

from rich.segment import Segment
from rich.style import Style

from llmtui.app.render.lines import Line, fold_runs
from llmtui.app.render.palette import Palette

if TYPE_CHECKING:
    from pygments.lexer import Lexer

LONGEST_HIGHLIGHTED: Final = 20_000
"""Characters of a block that are worth the time to colour; longer ones stay plain."""


def render_code(code: str, language: str, width: int, palette: Palette) -> list[Line]:
    """A code block's rows: its language, when it has one, then its lines, folded where they are too long.

    Args:
        code: passed through `domain.text.visible`.
        language: the info string of the fence; unknown ones leave the code plain.
        width: cells of a row.
        palette: the styles.
    """
    base = palette.code
    rows: list[Line] = []
    if language:
        rows.extend(fold_runs([Segment(language, base + palette.muted)], width)[:1])
    for runs in _coloured_lines(code.removesuffix("\n"), language, palette):
        rows.extend(fold_runs(runs, width))
    return [row._replace(fill=base) for row in rows]


def _coloured_lines(code: str, language: str, palette: Palette) -> list[list[Segment]]:
    lexer = _lexer(language.split(maxsplit=1)[0].lower()) if language.strip() else None
    if lexer is None or len(code) > LONGEST_HIGHLIGHTED:
        return [[Segment(line, palette.code)] for line in code.split("\n")]
    styles = _TokenStyles(palette)
    lines: list[list[Segment]] = [[]]
    tokens = ((styles[kind], text) for _, kind, text in lexer.get_tokens_unprocessed(code))
    for style, pieces in groupby(tokens, key=lambda token: token[0]):
        first, *others = "".join(text for _, text in pieces).split("\n")
        if first:
            lines[-1].append(Segment(first, style))
        lines.extend([Segment(text, style)] if text else [] for text in others)
    return lines


@lru_cache(maxsize=32)
def _lexer(name: str) -> "Lexer | None":
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415 - only answers with code pay for it
    from pygments.util import ClassNotFound  # noqa: PLC0415

    try:
        return get_lexer_by_name(name)
    except ClassNotFound:
        return None


class _TokenStyles(dict[object, Style]):
    """The palette's style of a token type, found once each."""

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        from pygments.token import Token  # noqa: PLC0415

        names = (
            (Token.Comment, palette.comment),
            (Token.Keyword, palette.keyword),
            (Token.Operator.Word, palette.keyword),
            (Token.Literal.String, palette.string),
            (Token.Literal.Number, palette.number),
            (Token.Name.Function, palette.name),
            (Token.Name.Class, palette.name),
            (Token.Name.Decorator, palette.name),
            (Token.Name.Tag, palette.name),
        )
        self._base = palette.code
        self._families = tuple((family, palette.code + style) for family, style in names)

    def __missing__(self, kind: object) -> Style:
        style = next(
            (style for family, style in self._families if kind in cast("tuple[object, ...]", family)), self._base
        )
        self[kind] = style
        return style
