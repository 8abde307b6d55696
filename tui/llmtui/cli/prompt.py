"""The prompt of `llmtui ask`: from the argument, from standard input, or from both."""

import contextlib
import os
import select
import stat
import sys

from llmtui.cli import output
from llmtui.errors import UsageError

LIMIT = 64 << 20
"""Bytes read from standard input: far more than any context holds, far less than memory."""
_PATIENCE_S = 2.0


def read_prompt(argument: str | None, *, raw: bool = False, usage: str = 'llmtui ask "your question"') -> str:
    """The prompt in full.

    `-` and a missing argument read standard input. An argument beside a pipe or file on standard input is followed by
    that text after a blank line; other kinds of standard input (a terminal, /dev/null) are left alone then. A `raw`
    prompt is taken to the letter: the text follows at once, and line ends stay. `usage` is how to write it.

    Raises:
        UsageError: it is empty, not UTF-8, or longer than any model reads.
    """
    if argument is not None and argument != "-":
        argument = check_text(argument, "The prompt")
        text = _read_stdin(raw=raw) if _is_piped() else ""
        between = "" if raw else "\n\n"
        prompt = f"{argument}{between}{text}" if raw or text.strip() else argument
    elif argument == "-" or not _is_terminal():
        prompt = _read_stdin(raw=raw)
    else:
        prompt = ""
    if not (prompt if raw else prompt.strip()):
        raise UsageError(
            "There is no prompt",
            cause="The argument or standard input is empty",
            remedy=f"Write `{usage}`, or pipe a text in",
        )
    return prompt


def check_text(text: str, what: str) -> str:
    """The text itself, when it is whole; the shell passes bytes that are no UTF-8 on as lone surrogates.

    Raises:
        UsageError: it is not.
    """
    for offset, char in enumerate(text):
        if 0xD800 <= ord(char) < 0xE000:
            raise UsageError(
                f"{what} is not valid UTF-8",
                cause=f"Character {offset + 1} is the byte 0x{ord(char) & 0xFF:02x}",
                remedy="Use a UTF-8 locale and terminal, or pass the text through `iconv -t UTF-8`",
            )
    return text


def _read_stdin(*, raw: bool) -> str:
    if sys.stdin is None:
        raise UsageError("Standard input is closed", remedy='Write `llmtui ask "your question"`')
    _say_when_waiting()
    data = sys.stdin.buffer.read(LIMIT + 1)
    if len(data) > LIMIT:
        raise UsageError(
            "Standard input is too long for a prompt",
            cause=f"More than {LIMIT >> 20} MiB came",
            remedy="Pass the part that matters",
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            "Standard input is not valid UTF-8",
            cause=f"Byte 0x{data[error.start]:02x} at offset {error.start} ({error.reason})",
            remedy="Convert the text first, for example with `iconv -f GB18030 -t UTF-8`",
        ) from error
    return text if raw else text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n")


def _say_when_waiting() -> None:
    """A pipe that somebody holds open without writing looks like a hang: say what is waited for."""
    with contextlib.suppress(OSError, ValueError):
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], _PATIENCE_S)
        if not ready:
            output.note("reading the prompt from standard input; Ctrl-D ends it, `< /dev/null` leaves it out")


def _is_terminal() -> bool:
    return sys.stdin is None or sys.stdin.isatty()


def _is_piped() -> bool:
    if sys.stdin is None:
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)
