"""A program in a pseudo-terminal of its own, for benchmarks and end-to-end tests."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LLMTUI = ROOT / ".venv" / "bin" / "llmtui"


class PtyProgram:
    """A program in a pseudo-terminal of its own; everything that it writes is counted and kept.

    Args:
        argv: the command.
        env: added to this process's environment.
        size: columns and rows.
    """

    def __init__(self, argv: Sequence[str], *, env: dict[str, str], size: tuple[int, int]) -> None:
        self.output = bytearray()
        self.started_ns = time.perf_counter_ns()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
            os.execvpe(argv[0], list(argv), os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"} | env)

    def pump(self, seconds: float) -> bool:
        """Read what comes within `seconds`; whether anything came."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.output += data
        self.received(data)
        return bool(data)

    def received(self, data: bytes) -> None:
        """Called with everything that comes; for subclasses."""

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Read until `condition()` holds.

        Raises:
            TimeoutError: it did not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                tail = bytes(self.output[-600:]).decode(errors="replace")
                raise TimeoutError(f"{what} did not come within {seconds:.0f} s; last output: {tail!r}")
            self.pump(0.02)

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size, as a window does."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def wait_quiet(self, quiet_s: float, seconds: float) -> None:
        """Read until nothing has come for `quiet_s`."""
        deadline = time.monotonic() + seconds
        while self.pump(quiet_s):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the program did not fall quiet within {seconds:.0f} s")

    def send(self, data: bytes) -> None:
        """Type."""
        os.write(self.fd, data)

    def stop(self) -> None:
        """End the program and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@contextlib.contextmanager
def user_folders(config: str = "") -> Iterator[dict[str, str]]:
    """The environment of a new user, in a temporary folder, with this `config.toml`."""
    with tempfile.TemporaryDirectory(prefix="llmtui-bench-") as folder:
        (Path(folder) / "config.toml").write_text(config, encoding="utf-8")
        own = {"LLMTUI_CONFIG_DIR": folder, "LLMTUI_DATA_DIR": folder, "HOME": folder}
        yield {**own, "OLLAMA_HOST": "127.0.0.1:1", "OLLAMA_MODELS": str(Path(folder) / ".ollama" / "models")}
