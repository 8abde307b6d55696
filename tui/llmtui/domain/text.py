"""Text from strangers, made safe to show, and counted as people count it."""

import functools
import math
import re
import unicodedata

_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)}
_CONTROL_PICTURES[0x7F] = "␡"
UNSAFE_RANGES = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and line feed, DEL, C1
    r"\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c"  # bidirectional controls
    r"\ud800-\udfff\u2028\u2029"  # lone surrogates, line and paragraph separators
)
"""What must not reach a terminal as it is, to be put between the brackets of a regular expression."""
UNSAFE = re.compile(f"[{UNSAFE_RANGES}]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_DIGITS = re.compile("[0-9]")


def visible(text: str) -> str:
    r"""Text with every control character made visible, so that none reaches the terminal.

    C0 controls become their control pictures (`\x1b` becomes `␛`), C1 controls and bidirectional overrides become
    `<U+009B>`, a lone `\r` or `\r\n` becomes a line break; line feeds and tabs stay. Lone surrogates become U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return UNSAFE.sub(lambda match: _shown(match[0]), text)


def visible_line(text: str) -> str:
    """Like `visible`, on one line: line breaks and tabs become spaces. For names, titles and log lines."""
    return " ".join(visible(text).split())


def visible_characters(text: str) -> int:
    """Characters a reader sees: all but white space, control and combining characters."""
    return sum(1 for char in text if not char.isspace() and unicodedata.category(char) not in {"Cc", "Cf", "Mn", "Me"})


def well_formed(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, which a pasted or mistyped byte can bring, become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATES.sub("\ufffd", text)
    return text


def estimate_tokens(text: str) -> int:
    """Roughly how many tokens a text is where nobody can count.

    Characters a token: 1.3 of Chinese, Japanese and Korean, 2.5 of other letters beyond ASCII, 1.2 digits, 0.7 of
    emoji, 4 of all else. Measured with the vocabularies of qwen2 and llama-bpe the error is within 30 % for English,
    code, Russian and mixed text, and within 45 % for Chinese, Japanese and digits; the oldest vocabularies, such as
    gpt-2's, take up to three times as many tokens for what is not English.
    """
    if text.isascii():
        digits = len(_DIGITS.findall(text))
        return math.ceil(digits / 1.2 + (len(text) - digits) / 4)
    kinds = [len(kind.findall(text)) for kind in _kinds()]
    wide, foreign, digits, pictures = kinds
    return math.ceil(wide / 1.3 + foreign / 2.5 + digits / 1.2 + pictures / 0.7 + (len(text) - sum(kinds)) / 4)


@functools.cache
def _kinds() -> tuple[re.Pattern[str], ...]:
    """Wide, foreign, digits, pictures; compiling such long ranges takes milliseconds that no start should pay."""
    return (
        re.compile("[\u2e80-\ud7af\uf900-\ufdff\ufe10-\uffff\U00020000-\U0003ffff]"),
        re.compile("[\u0080-\u200c\u200e-\u218f\u2c00-\u2e7f]"),
        _DIGITS,
        re.compile("[\u200d\u2190-\u2bff\ufe0f\U0001f000-\U0001ffff]"),
    )


def _shown(char: str) -> str:
    code = ord(char)
    if code in _CONTROL_PICTURES:
        return _CONTROL_PICTURES[code]
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    if code in {0x2028, 0x2029}:
        return "\n"
    return f"<U+{code:04X}>"
