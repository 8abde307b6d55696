"""Markdown into tokens, and where its closed blocks end."""

import re
from functools import cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType

from llmtui.app.render.lines import is_wide

MAX_NESTING: Final = 40
"""Levels of tokens that are parsed; a list takes two."""
_MATH: Final = re.compile(
    r"\$\$.{1,2000}?\$\$"
    r"|\$(?![\s$])[^$\n]{1,200}?(?<![\s\\])\$(?!\d)"
    r"|\\\(.{1,2000}?\\\)"
    r"|\\\[.{1,2000}?\\\]",
    re.DOTALL,
)


def _math(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the signature of a rule
    """Formulas stay as they were written: their underscores, stars and backslashes are not Markdown."""
    if state.src[state.pos] not in "$\\":
        return False
    match = _MATH.match(state.src, state.pos, state.posMax)
    if match is None:
        return False
    if not silent:
        state.push("text", "", 0).content = match[0]
    state.pos = match.end()
    return True


class _State(StateInline):
    """Emphasis as Chinese is written: without spaces, so that a word's edge is no condition beside a wide character."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803, FBT001 - overrides
        scanned = super().scanDelims(start, canSplitWord)
        if not canSplitWord:
            return scanned
        before = self.src[start - 1] if start else " "
        end = start + scanned.length
        after = self.src[end] if end < self.posMax else " "
        return Scanned(
            scanned.can_open or (is_wide(before) and not after.isspace()),
            scanned.can_close or (is_wide(after) and not before.isspace()),
            scanned.length,
        )


class _ParserInline(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


@cache
def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough; HTML stays text.

    Link reference definitions are off: a later one would change blocks that are on the screen already.
    """
    parser = MarkdownIt("commonmark")
    parser.inline = _ParserInline()
    parser.configure("commonmark", {"html": False, "maxNesting": MAX_NESTING}).enable(["table", "strikethrough"])
    parser.disable(["reference", "html_block", "html_inline"])
    parser.inline.ruler.before("escape", "math", _math)
    return parser


@cache
def _block_parser() -> MarkdownIt:
    return (
        MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING})
        .enable("table")
        .disable(["reference", "html_block", "inline"])
    )


def split_closed(text: str) -> int:
    """Where the closed blocks of a growing text end: what stands before it is final, whatever follows.

    Blocks and items of a list that are followed by another one are closed; so is a last block that a blank line or
    a closing fence ended. The last, unfinished line never counts.

    Args:
        text: passed through `domain.text.visible`.
    """
    complete = text.rfind("\n") + 1
    if not complete:
        return 0
    lines = text[:complete].split("\n")
    starts = [0]
    tokens = _block_parser().parse(text[:complete])
    last = None
    for token in tokens:
        if token.map is None or token.nesting < 0:
            continue
        if token.level == 0:
            last = token
            starts.append(token.map[0])
        elif token.type == "list_item_open" and token.level == 1:
            starts.append(token.map[0])
    if last is None:
        return 0
    end = len(lines) - 1 if _is_closed(last, lines) else starts[-1]
    return sum(len(line) + 1 for line in lines[:end])


def _is_closed(token: Token, lines: list[str]) -> bool:
    """Whether the last block of `lines` is final; `lines` ends with an empty string, after the last line feed."""
    first, end = token.map or [0, 0]
    if token.type in {"heading_open", "hr"}:
        return True
    if token.type == "fence":
        indented = lines[end - 1].expandtabs(4).rstrip(" ")
        closing = indented.lstrip(" ")
        return (
            end - first > 1
            and len(indented) - len(closing) < 4
            and set(closing) == {token.markup[0]}
            and len(closing) >= len(token.markup)
        )
    if token.type in {"paragraph_open", "table_open", "blockquote_open"}:
        return len(lines) > 1 and not lines[-2].strip()
    return False
