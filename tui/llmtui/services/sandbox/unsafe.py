"""Running code without a sandbox, for those who ask for it in so many words: limits, and a folder of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from llmtui.domain.scorers import Limits
from llmtui.services.sandbox.process import HARNESS


class Loose:
    """A harness that runs as the user does. See `Child`."""

    around = -1

    def __init__(
        self, process: subprocess.Popen[bytes], reports: int, folder: "tempfile.TemporaryDirectory[str]"
    ) -> None:
        self.process = process
        self.reports = reports
        self._folder = folder

    def kill(self) -> None:
        """Kill it, its group, and whatever is still below it; what has left both is not found."""
        import psutil  # noqa: PLC0415 - 40 ms that only this needs

        below: list[psutil.Process] = []
        with contextlib.suppress(psutil.Error):
            below = psutil.Process(self.process.pid).children(recursive=True)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self._folder.cleanup()


class Unsafe:
    """Starts harnesses without a sandbox. See `Jail`."""

    contained = False

    def most_processes(self, limits: Limits) -> int:  # noqa: ARG002 - the signature of all jails
        """None: the system would count all of the user's."""
        return 0

    def start(self, limits: Limits) -> Loose:  # noqa: ARG002 - the same
        """A harness that waits for code."""
        folder = tempfile.TemporaryDirectory(prefix="llmtui-", ignore_cleanup_errors=True)
        reports, told = os.pipe()
        program = str(Path(getattr(sys, "_base_executable", "") or sys.executable))
        try:
            process = subprocess.Popen(
                [program, "-I", "-S", "-B", "-X", "utf8", "-c", HARNESS, str(told)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={"HOME": folder.name, "TMPDIR": folder.name, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
                cwd=folder.name,
                pass_fds=[told],
                start_new_session=True,
                bufsize=0,
            )
        except OSError:
            os.close(reports)
            folder.cleanup()
            raise
        finally:
            os.close(told)
        return Loose(process, reports, folder)
