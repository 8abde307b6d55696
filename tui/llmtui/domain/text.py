"""Text from strangers, made safe to show, and counted as people count it."""

import unicodedata

_KEEP = {"\n", "\t"}
_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)}
_CONTROL_PICTURES[0x7F] = "␡"
_BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}


def visible(text: str) -> str:
    r"""Text with every control character made visible, so that none reaches the terminal.

    C0 controls become their control pictures (`\x1b` becomes `␛`), C1 controls and bidirectional overrides become
    `<U+009B>`, a lone `\r` or `\r\n` becomes a line break; line feeds and tabs stay. Lone surrogates become U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not any(_is_unsafe(char) for char in text):
        return text
    return "".join(_shown(char) if _is_unsafe(char) else char for char in text)


def visible_line(text: str) -> str:
    """Like `visible`, on one line: line breaks and tabs become spaces. For names, titles and log lines."""
    return " ".join(visible(text).split())


def visible_characters(text: str) -> int:
    """Characters a reader sees: all but white space, control and combining characters."""
    return sum(1 for char in text if not char.isspace() and unicodedata.category(char) not in {"Cc", "Cf", "Mn", "Me"})


def _is_unsafe(char: str) -> bool:
    code = ord(char)
    if code < 0x20:
        return char not in _KEEP
    return 0x7F <= code < 0xA0 or code in _BIDI or 0xD800 <= code < 0xE000 or code in {0x2028, 0x2029}


def _shown(char: str) -> str:
    code = ord(char)
    if code in _CONTROL_PICTURES:
        return _CONTROL_PICTURES[code]
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    if code in {0x2028, 0x2029}:
        return "\n"
    return f"<U+{code:04X}>"
