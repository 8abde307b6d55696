"""The terminal's input, read so that bytes which are not UTF-8 do no harm."""

import codecs
from collections.abc import Callable
from functools import partial

from textual.drivers import linux_driver


def _forgiving(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(encoding), errors="replace")


class TerminalDriver(linux_driver.LinuxDriver):
    """Textual's driver, but for one thing: a byte that is not UTF-8 becomes U+FFFD.

    Textual's own decoder raises at the first such byte, which ends the program and loses the draft; a paste in
    Latin-1 or GBK, or a terminal set to them, brings plenty.
    """

    def run_input_thread(self) -> None:
        """Read the terminal until the program ends, with a decoder that forgives."""
        linux_driver.getincrementaldecoder = _forgiving  # type: ignore[assignment,attr-defined]  # what the reading loop calls
        super().run_input_thread()
