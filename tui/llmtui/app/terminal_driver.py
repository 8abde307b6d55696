"""The terminal's input: bytes that are not UTF-8 do no harm, and Alt with a digit is a key."""

import codecs
import enum
from collections.abc import Callable
from functools import partial

from textual import _ansi_sequences
from textual.drivers import linux_driver


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


class TerminalDriver(linux_driver.LinuxDriver):
    """Textual's driver, but for two things.

    A byte that is not UTF-8 becomes U+FFFD. Textual's own decoder raises at the first such byte, which ends the program
    and loses the draft; a paste in Latin-1 or GBK, or a terminal set to them, brings plenty.

    Escape and a digit in one piece, which is how terminals and tmux send Alt with a digit, is that key. Textual takes
    it for a character that one terminal on one system means by it (`¡`, `º`). Escape pressed by a person and a digit
    somewhat later come in two pieces and stay two keys.
    """

    def run_input_thread(self) -> None:
        """Read the terminal until the program ends, with a decoder that forgives."""
        linux_driver.getincrementaldecoder = _forgiving  # type: ignore[assignment,attr-defined]  # what the reading loop calls
        sequences = {f"\x1b{key.value[-1]}": (key,) for key in AltDigit}
        _ansi_sequences.ANSI_SEQUENCES_KEYS.update(sequences)  # type: ignore[attr-defined]  # a dict, declared read-only
        super().run_input_thread()
