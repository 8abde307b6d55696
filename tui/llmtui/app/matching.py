"""Which rows of a list the typed words mean, and how well. Pure."""

import unicodedata
from collections.abc import Sequence

_WHOLE, _START, _INSIDE, _SCATTERED = 8, 6, 4, 2
"""A word of the query found as a word of its own, at the start of one, within one, or letter by letter."""
_FIRST = 1
"""More, when it is found in the first word: the name."""
_EXACT = 16
"""More, when the first word is the query."""


def fold(text: str) -> str:
    """Text as it is compared: without case, full-width letters as plain ones."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def best_first(query: str, texts: Sequence[str]) -> list[int]:
    """Numbers of the texts in which each word of the query is found, in any order; of equals the earlier one first.

    Args:
        query: words with blanks between them; without any word, every text is meant.
        texts: folded ones, the name first.
    """
    words = fold(query).split()
    if not words:
        return list(range(len(texts)))
    scores = [(_score(words, text), number) for number, text in enumerate(texts)]
    return [number for score, number in sorted(scores, key=lambda pair: (-pair[0], pair[1])) if score]


def _score(words: Sequence[str], text: str) -> int:
    """0 when one of the words is not found."""
    total = 0
    for word in words:
        found = _found(word, text)
        if not found:
            return 0
        total += found
    return total + _EXACT * (text.partition(" ")[0] == " ".join(words))


def _found(word: str, text: str) -> int:
    at = text.find(word)
    if at < 0:
        return _scattered(word, text)
    how, first = _INSIDE, text.find(" ")
    in_first = _FIRST * (at < first or first < 0)
    while at >= 0 and how != _WHOLE:
        if _begins(text, at):
            end = at + len(word)
            how = _WHOLE if end == len(text) or not text[end].isalnum() else _START
        at = text.find(word, at + 1)
    return how + in_first


def _scattered(word: str, text: str) -> int:
    """Its letters in this order within one word of the text, the first one where a part of that begins."""
    for part in text.split():
        at = part.find(word[0])
        while at >= 0:
            if _begins(part, at) and _in_order(word, part, at):
                return _SCATTERED
            at = part.find(word[0], at + 1)
    return 0


def _in_order(word: str, part: str, at: int) -> bool:
    for char in word:
        at = part.find(char, at) + 1
        if not at:
            return False
    return True


def _begins(text: str, at: int) -> bool:
    """Whether a word, or a number within one, begins there."""
    if at == 0:
        return True
    before = text[at - 1]
    return not before.isalnum() or (text[at].isdigit() and not before.isdigit())
