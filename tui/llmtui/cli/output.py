"""Standard output and standard error: nothing else in the program writes to them.

What comes from models, files and names is made visible before it is written, also into a pipe, since what is piped
often ends in a terminal. JSON carries it unchanged, with every control character escaped.
"""

import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from llmtui.domain.text import UNSAFE, visible, visible_line
from llmtui.errors import StoreError


class ReaderGoneError(Exception):
    """Whoever read standard output went away (`| head -1`). An OSError would be answered by click with exit code 1."""


def prepare_streams() -> None:
    """Write UTF-8 into files and pipes, and never fail for a character that a terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace", **({} if stream.isatty() else {"encoding": "utf-8"}))


def is_terminal(stream: Any) -> bool:
    """Whether an open stream is a terminal that obeys control sequences."""
    return bool(stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb")


def is_interactive() -> bool:
    """Whether a person sits at both ends: standard input and standard output are a terminal."""
    return all(stream is not None and not stream.closed and stream.isatty() for stream in (sys.stdin, sys.stdout))


def write(text: str) -> None:
    """Write text that is safe to show to standard output, at once.

    Raises:
        ReaderGoneError: the reader went away.
        StoreError: the disk behind it is full, or it is closed.
    """
    with _stdout_errors():
        sys.stdout.write(text)
        sys.stdout.flush()


def write_json(value: Any) -> None:
    """Write one JSON object: one line into a pipe or file, indented on a terminal.

    Args:
        value: of builtins, as `msgspec.to_builtins` makes them. `nan` and `inf`, which JSON lacks, become null.
    """
    _write_json(value, indent=2 if is_terminal(sys.stdout) else None)


def write_json_line(value: Any) -> None:
    """Write one JSON object on one line, for commands that print several; as `write_json` else."""
    _write_json(value, indent=None)


def _write_json(value: Any, *, indent: int | None) -> None:
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)
    write(UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_finite(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def safe_line(text: object) -> str:
    """Anything as one line that is safe to show."""
    return visible_line(str(text))


def safe_text(text: str) -> str:
    """Text of several lines that is safe to show."""
    return visible(text)


def note(line: str) -> None:
    """Write a line that is safe to show to standard error; one that is closed or full is nobody's loss."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr)


def discard_stdout() -> None:
    """Send what is still buffered nowhere, so that the interpreter's last flush does not fail."""
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        return


class AnswerWriter:
    r"""Streams an answer to standard output, made visible piece by piece.

    A `\r` at the end of a piece waits for the next one, which may begin with its `\n`.
    """

    def __init__(self) -> None:
        self._held = ""
        self._last = ""

    def write(self, text: str) -> None:
        """Write the next piece."""
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        shown = visible(text.removesuffix("\r"))
        if shown:
            self._last = shown[-1]
            write(shown)

    def end(self) -> None:
        """End the last line, unless the answer did so or there was none."""
        if self._held:
            self._held = ""
            self._last = "\n"
            write("\n")
        elif self._last not in {"", "\n"}:
            write("\n")


class ProgressLine:
    """A line on standard error that overwrites itself; nothing at all where standard error is no terminal."""

    def __init__(self) -> None:
        self._active = is_terminal(sys.stderr)
        self._shown = False

    def show(self, text: str) -> None:
        """Replace the line by text that is safe to show."""
        if self._active:
            self._shown = True
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextmanager
def _stdout_errors() -> Iterator[None]:
    if sys.stdout is None:
        raise StoreError("Standard output is closed", remedy="Do not close it (`>&-`): the answer goes there")
    try:
        yield
    except BrokenPipeError as error:
        discard_stdout()
        raise ReaderGoneError from error
    except OSError as error:
        discard_stdout()
        raise StoreError(
            "The answer cannot be written to standard output",
            cause=error.strerror or str(error),
            remedy="Free some space, or send the output elsewhere",
        ) from error
