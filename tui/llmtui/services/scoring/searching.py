"""Searching answers with the expressions of sets, which may take for ever on what models write.

`re` holds the interpreter while it searches: an expression that backtracks without end would stop the program, Ctrl-C
included. `regex` reads the same expressions, lets others run meanwhile, and ends when its time is over.
"""

from llmtui.domain.text import visible_line

LONGEST_S = 5.0
_SHOWN = 80


class SearchError(Exception):
    """A search that came to no end in its time."""


def search(pattern: str, text: str, *, ignore_case: bool = False, any_char: bool = True) -> str | None:
    """What an expression matches first in a text; None where it matches nowhere.

    Args:
        pattern: as Python's `re` has it.
        text: of any length.
        ignore_case: whether letters match both their forms.
        any_char: whether `.` also matches line breaks.

    Raises:
        SearchError: it took longer than `LONGEST_S`.
    """
    import regex  # noqa: PLC0415 - needed by few sets

    flags = (regex.DOTALL if any_char else 0) | (regex.IGNORECASE if ignore_case else 0)
    try:
        match = regex.compile(pattern, flags).search(text, timeout=LONGEST_S, concurrent=True)
    except TimeoutError as error:
        shown = visible_line(pattern)[:_SHOWN]
        told = f"the expression {shown} came to no end within {LONGEST_S:g} s on an answer of {len(text):,} characters"
        raise SearchError(told) from error
    return None if match is None else str(match[0])
