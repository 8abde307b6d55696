"""What is done to a text before it is compared, so that only differences that matter are left."""

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from llmtui.domain.scorers import Fold, Script

_TAG = re.compile("<(/?)(?:think|thinking|thought|reasoning)>", re.IGNORECASE)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_URL = re.compile(r"(?:https?://|www\.)[\x21-\x7e]+")
_SCRIPT_NAMES: dict[str, Script] = {
    "CJK": "Han",
    "IDEOGRAPHIC": "Han",
    "LATIN": "Latin",
    "HIRAGANA": "Hiragana",
    "KATAKANA": "Katakana",
    "KATAKANA-HIRAGANA": "Katakana",
    "HANGUL": "Hangul",
    "CYRILLIC": "Cyrillic",
    "ARABIC": "Arabic",
    "GREEK": "Greek",
}


def without_reasoning(answer: str) -> str:
    """The answer without what the model thought aloud, and without white space around it."""
    return outside_reasoning(answer).strip()


def outside_reasoning(answer: str) -> str:
    """The answer without what the model thought aloud, and else as it is: the indentation of code counts.

    A block that never ends, since the tokens ran out, goes to the end; one whose beginning the template had written
    goes from the start.
    """
    kept: list[str] = []
    start = depth = 0
    for tag in _TAG.finditer(answer):
        if not tag[1]:
            if not depth:
                kept.append(answer[start : tag.start()])
            depth += 1
            continue
        if not depth:
            kept.clear()
        depth = max(0, depth - 1)
        start = tag.end()
    if not depth:
        kept.append(answer[start:])
    return "".join(kept)


def normal(text: str) -> str:
    """Full-width letters, digits and punctuation as their usual forms (NFKC)."""
    return unicodedata.normalize("NFKC", text)


def folded(text: str, folds: Iterable[Fold]) -> str:
    """A text in its normal form, with the differences taken away that do not count."""
    folds = set(folds)
    text = normal(text)
    if "t2s" in folds:
        text = simplified(text)
    if "case" in folds:
        text = text.casefold()
    if "punct" in folds:
        text = "".join(char for char in text if not unicodedata.category(char).startswith("P"))
    if "space" in folds:
        text = "".join(text.split())
    return text.strip()


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, by OpenCC's phrases, so that 皇后 stays and 後來 becomes 后来."""
    return str(_converter().convert(text))


def letters_of(text: str, script: Script | None) -> str:
    """The letters of a script, or all letters and digits where it is None."""
    if script is None:
        return "".join(char for char in text if char.isalnum())
    return "".join(char for char in text if script_of(char) == script)


def prose(text: str) -> str:
    """A text without code and web addresses, which are Latin in every language."""
    return _URL.sub(" ", _CODE.sub(" ", text))


@functools.lru_cache(65_536)
def script_of(char: str) -> Script | None:
    """The script of a letter; None for what is no letter, and for letters of scripts that nobody scores."""
    if not unicodedata.category(char).startswith("L"):
        return None
    first = unicodedata.name(char, "").partition(" ")[0]
    return _SCRIPT_NAMES.get(first)


@functools.cache
def _converter() -> Any:
    import opencc  # noqa: PLC0415 - its dictionaries are read at first use only

    return opencc.OpenCC("t2s")
