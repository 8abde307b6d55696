"""The real program in a real pseudo-terminal, its screen kept by a terminal emulator."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyte
from pty_program import LLMTUI, PtyProgram
from wcwidth import wcwidth

ANSWER_S = 60.0
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1bP[^\x1b]*\x1b\\")

KEYS = {
    "enter": b"\r",
    "escape": b"\x1b",
    "ctrl+j": b"\n",
    "ctrl+c": b"\x03",
    "ctrl+g": b"\x07",
    "ctrl+l": b"\x0c",
    "ctrl+n": b"\x0e",
    "ctrl+o": b"\x0f",
    "ctrl+p": b"\x10",
    "ctrl+q": b"\x11",
    "ctrl+y": b"\x19",
    "up": b"\x1b[A",
    "down": b"\x1b[B",
    "f1": b"\x1bOP",
    "f2": b"\x1bOQ",
    "f5": b"\x1b[15~",
    "f7": b"\x1b[18~",
    "f8": b"\x1b[19~",
    "f9": b"\x1b[20~",
    "ctrl+z": b"\x1a",
}


class Terminal(PtyProgram):
    """llmtui in a terminal of `size` columns and rows."""

    def __init__(self, *args: str, env: dict[str, str], size: tuple[int, int] = (140, 40)) -> None:
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        super().__init__([str(LLMTUI), *args], env=env, size=size)

    def received(self, data: bytes) -> None:
        self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", data))

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)
        super().resize(columns, rows)

    @property
    def text(self) -> str:
        """The screen as lines of text.

        pyte's own `display` fails where one half of a wide character was written over; a terminal shows a blank there.
        """
        return "\n".join(self._line(y).rstrip() for y in range(self._screen.lines))

    def _line(self, y: int) -> str:
        row, text, x = self._screen.buffer[y], "", 0
        while x < self._screen.columns:
            char = row[x].data or " "
            text += char
            x += max(1, wcwidth(char[0]))
        return text

    def press(self, *keys: str) -> None:
        for key in keys:
            self.send(KEYS[key])

    def paste(self, text: str) -> None:
        self.send(b"\x1b[200~" + text.encode() + b"\x1b[201~")

    def ask(self, text: str) -> None:
        """Type a question, see it on the screen, send it."""
        self.send(text.encode())
        self.see(text[-10:])
        self.press("enter")

    def see(self, text: str, seconds: float = ANSWER_S) -> None:
        """Wait until `text` stands on the screen."""
        self.wait_for(lambda: text in self.text, seconds, f"{text!r} on the screen\n{self.text}\n")

    def cursor_follows(self, words: str) -> bool:
        """Whether the cursor stands behind these words, at the beginning of what follows them."""
        cursor = self._screen.cursor
        return words in self._line(cursor.y)[: cursor.x][-len(words) - 1 :]

    def workers(self) -> list[psutil.Process]:
        """The model processes of this program, without their own helpers."""
        return psutil.Process(self.pid).children()

    def family(self) -> list[psutil.Process]:
        """Every process this program has started, directly or not."""
        return psutil.Process(self.pid).children(recursive=True)

    def is_running(self) -> bool:
        try:
            return os.waitpid(self.pid, os.WNOHANG) == (0, 0)
        except ChildProcessError:
            return False


@contextmanager
def terminal(*args: str, env: dict[str, str], size: tuple[int, int] = (140, 40)) -> Iterator[Terminal]:
    program = Terminal(*args, env=env, size=size)
    try:
        yield program
    finally:
        program.stop()


def records(env: dict[str, str], kind: str | None = None) -> list[dict[str, object]]:
    """All records in the transcripts of this user, oldest file first."""
    found = []
    for path in sorted(Path(env["LLMTUI_DATA_DIR"]).glob("chats/*.jsonl")):
        found += [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.endswith("}")]
    return [record for record in found if kind is None or record["record"] == kind]
