"""Many wordings from few lines: a choice grammar, and noise that people's typing has.

A model that memorises answers must still recognise a question it has never seen in that wording.
The corpus therefore writes questions as ``<which|what> key <opens|shows> ...`` and every draw is
roughened: case, punctuation, politeness, a slip of the finger.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

Lang = str
"""``en`` or ``zh``: decides punctuation and which politeness is put around a question."""

_GROUP = re.compile(r"<([^<>]*)>")
_END = "?？.。!！"
_LATIN_HAN_SPACE = re.compile(r"(?<=[一-鿿》”]) (?=[A-Za-z])|(?<=[A-Za-z0-9]) (?=[一-鿿《“])")

_PREFIX = {
    "en": [
        "Please tell me: ", "Tell me, ", "Hi, ", "Hello! ", "Hey, ", "Hi! ", "Excuse me, ", "Quick question: ",
        "So, ", "And ", "OK, ", "Please, ", "I'd like to know: ", "Can you tell me ", "Could you tell me ", "Now, ",
        "Sorry, ", "please ", "I wonder, ", "Question: ", "In a few words, ", "Well, ", "Do you know ", "Then ",
        "can you please tell me ", "just tell me ", "Thanks. ", "In short, ", "One more thing: ", "What about this: ",
    ],
    "zh": [
        "请问", "请问，", "你好，", "麻烦问一下，", "请告诉我，", "请告诉我", "我想知道", "那么，", "那", "您好，请问",
        "想问一下，", "问一下", "好的，", "再问一下，", "你知道", "能告诉我", "顺便问一下，", "请", "请回答：",
        "谢谢，", "你好！", "嗨，", "我想问一下", "简单说，", "还有，", "能不能告诉我",
    ],
}  # fmt: skip
_SUFFIX = {
    "en": [
        " please",
        ", please",
        " thanks",
        ", thank you",
        " now",
        " exactly",
        " again",
        ", do you know",
        ", friend",
        " here",
    ],
    "zh": ["，谢谢", "呢", "啊", "呀", "，麻烦了", "，请回答", "？谢谢"],
}
_MARK = {
    "en": ["?"] * 10 + [""] * 6 + [".", ".", "!", " ?", "??", "？", "?!", "...", " "],
    "zh": ["？"] * 9 + [""] * 7 + ["?", "?", "?", "。", "。", "！", "？？", "……", " ？"],
}


def expand(pattern: str, rng: Random) -> str:
    """One random sentence of ``pattern``; ``<a|b|>`` is a choice, groups may nest."""
    while (match := _GROUP.search(pattern)) is not None:
        pattern = pattern[: match.start()] + rng.choice(match[1].split("|")) + pattern[match.end() :]
    return pattern


def strip_mark(text: str) -> str:
    """The sentence without its closing punctuation, to be joined with another one."""
    return text.rstrip(_END + " ")


def roughen(text: str, lang: Lang, rng: Random, *, polite: bool = True) -> str:
    """``text`` the way someone might type it; its meaning, and so its answer, stays the same."""
    if text[-1] not in _END or rng.random() < 0.3:
        text = strip_mark(text) or text
        if polite and rng.random() < 0.07:
            text += rng.choice(_SUFFIX[lang])
        text += rng.choice(_MARK[lang])
    if polite and rng.random() < 0.18:
        text = rng.choice(_PREFIX[lang]) + text
    elif rng.random() < 0.6:
        text = text[:1].upper() + text[1:]
    return _spacing(_slip(_case(text, rng), rng), rng).strip()


def _case(text: str, rng: Random) -> str:
    dice = rng.random()
    if dice < 0.03:
        return text.upper()
    if dice < 0.17:
        return text.lower()
    return text.title() if dice < 0.18 else text


def _slip(text: str, rng: Random) -> str:
    """Now and then two Latin letters swapped, or one lost; never in Chinese, where one changes the word."""
    if rng.random() > 0.03 or len(text) < 12:
        return text
    spots = [i for i in range(2, len(text) - 2) if text[i : i + 2].isascii() and text[i : i + 2].isalpha()]
    if not spots:
        return text
    i = rng.choice(spots)
    return text[:i] + (text[i + 1] + text[i] if rng.random() < 0.5 else text[i]) + text[i + 2 :]


def _spacing(text: str, rng: Random) -> str:
    """Half of all people put no space between Latin and Chinese."""
    return _LATIN_HAN_SPACE.sub("", text) if rng.random() < 0.5 else text
