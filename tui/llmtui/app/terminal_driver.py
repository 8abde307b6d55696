"""The terminal's input: bytes that are not UTF-8 do no harm, and Alt with a digit is a key."""

import codecs
import enum
import string
from collections.abc import Callable
from functools import partial

from textual import _ansi_sequences
from textual.drivers import linux_driver
from textual.keys import Keys


class AltDigit(enum.Enum):
    """Keys as Textual writes them."""

    ALT_0 = "alt+0"
    ALT_1 = "alt+1"
    ALT_2 = "alt+2"
    ALT_3 = "alt+3"
    ALT_4 = "alt+4"
    ALT_5 = "alt+5"
    ALT_6 = "alt+6"
    ALT_7 = "alt+7"
    ALT_8 = "alt+8"
    ALT_9 = "alt+9"


def _forgiving(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), errors="replace")


def in_one_piece() -> dict[str, tuple[enum.Enum, ...]]:
    """What Escape means with what comes in the same read: Alt with a digit; before Ctrl with a letter, nothing.

    Alt with Ctrl is bound to nothing here, and Textual writes a `^` for the Escape. As a key of its own it could come
    behind the other, whose binding may have priority, and close what that has just opened. Backspace, Tab and Enter,
    which are Ctrl with a letter too, stay as they are.
    """
    found: dict[str, tuple[enum.Enum, ...]] = {f"\x1b{key.value[-1]}": (key,) for key in AltDigit}
    for letter in set(string.ascii_lowercase) - set("hijm"):
        found[f"\x1b{chr(ord(letter) - 96)}"] = (Keys(f"ctrl+{letter}"),)
    return found


class TerminalDriver(linux_driver.LinuxDriver):
    """Textual's driver, but for three things.

    A byte that is not UTF-8 becomes U+FFFD. Textual's own decoder raises at the first such byte, which ends the program
    and loses the draft; a paste in Latin-1 or GBK, or a terminal set to them, brings plenty.

    Escape and a digit in one piece, which is how terminals and tmux send Alt with a digit, is that key. Textual takes
    it for a character that one terminal on one system means by it (`¡`, `º`). Escape pressed by a person and a digit
    somewhat later come in two pieces and stay two keys.

    Escape and Ctrl with a letter in one piece are the latter, see `in_one_piece`.
    """

    def run_input_thread(self) -> None:
        """Read the terminal until the program ends, with a decoder that forgives."""
        linux_driver.getincrementaldecoder = _forgiving  # type: ignore[assignment,attr-defined]  # what the reading loop calls
        _ansi_sequences.ANSI_SEQUENCES_KEYS.update(in_one_piece())  # type: ignore[attr-defined]  # a dict, declared read-only
        super().run_input_thread()
