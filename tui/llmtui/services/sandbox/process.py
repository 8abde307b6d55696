"""One test in a process of its own: started, listened to, watched, and ended with everything it has started."""

import contextlib
import math
import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import Protocol

from llmtui.domain.scorers import Limits
from llmtui.errors import LlmtuiError
from llmtui.services.sandbox.harness import INTERPRETER_BYTES
from llmtui.services.sandbox.protocol import CodeTest, End, Exchange, Finding

START_S = 30.0
"""How long an interpreter may take to start on a busy machine; the code's own time begins after that."""
_LOOK_S = 0.05
"""Between two looks at the tree of processes."""
_CHUNK = 1 << 16
_KEPT = 2000
"""Bytes kept of what is printed."""
HARNESS = Path(__file__).with_name("harness.py").read_text(encoding="utf-8")


class SandboxError(LlmtuiError):
    """Code cannot be run here as it should be; none was run."""

    exit_code = 2


class Child(Protocol):
    """A harness that runs, with whatever stands around it.

    Attributes:
        process: with pipes for input and output.
        reports: the reading end of its reports.
        around: processes below `process` that are none of the code's own.
    """

    process: subprocess.Popen[bytes]
    reports: int
    around: int

    def kill(self) -> None:
        """End it with everything that it has started, and wait until all are gone."""


class Jail(Protocol):
    """A way of starting harnesses.

    Attributes:
        contained: whether the code is kept from everything of the user's.
    """

    contained: bool

    def start(self, limits: Limits) -> Child:
        """A harness that waits for code.

        Raises:
            OSError: it cannot be started.
        """

    def most_processes(self, limits: Limits) -> int:
        """What the system is told as the limit; 0 where it would count others."""


def run(test: CodeTest, jail: Jail) -> Finding:
    """Run a test. Takes up to its time limit: call it from a thread.

    Raises:
        SandboxError: the harness could not be started.
    """
    exchange = Exchange(test, processes=jail.most_processes(test.limits), cpu_s=math.ceil(test.limits.wall_s) + 1)
    try:
        child = jail.start(test.limits)
    except OSError as error:
        raise _unable(error.strerror or str(error)) from error
    try:
        return _Watch(test.limits, exchange, child).run()
    finally:
        child.kill()
        for stream in (child.process.stdin, child.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        os.close(child.reports)


class _Watch:
    """Listens to a harness until there is a reason to end it."""

    def __init__(self, limits: Limits, exchange: Exchange, child: Child) -> None:
        self._limits = limits
        self._exchange = exchange
        self._child = child
        self._printed = 0
        self._output = b""
        self._ends = time.monotonic() + START_S
        self._looked = time.monotonic()
        stdin, stdout = child.process.stdin, child.process.stdout
        self._stdin = stdin.fileno() if stdin else -1
        self._stdout = stdout.fileno() if stdout else -1
        self._open = {self._stdout, child.reports}

    def run(self) -> Finding:
        for descriptor in (self._stdin, *self._open):
            os.set_blocking(descriptor, False)
        end: End | None = None
        while end is None:
            self._listen()
            end = self._reason()
        exchange = self._exchange
        if not exchange.started:
            raise _unable(self._last_words() or "the interpreter did not start")
        return Finding(
            end=end,
            reports=tuple(exchange.reports),
            is_defined=exchange.is_defined,
            broken=exchange.broken,
            form=exchange.form,
            status=_status(self._child.process.returncode),
            output=self._last_words(),
        )

    def _listen(self) -> None:
        """Take in and hand out what can be at once, or wait a little."""
        with selectors.DefaultSelector() as selector:
            for descriptor in self._open:
                selector.register(descriptor, selectors.EVENT_READ)
            if self._exchange.outgoing:
                selector.register(self._stdin, selectors.EVENT_WRITE)
            started = self._exchange.started
            for key, _ in selector.select(_LOOK_S):
                if key.fd == self._stdin:
                    self._hand_out()
                else:
                    self._take_in(key.fd)
        if self._exchange.started and not started:
            self._ends = time.monotonic() + self._limits.wall_s
        if not self._open:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.process.wait(_LOOK_S)

    def _hand_out(self) -> None:
        try:
            written = os.write(self._stdin, memoryview(self._exchange.outgoing)[:_CHUNK])
        except BrokenPipeError:
            self._exchange.outgoing.clear()
            return
        except BlockingIOError:
            return
        del self._exchange.outgoing[:written]

    def _take_in(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self._open.discard(descriptor)
        elif descriptor == self._stdout:
            self._printed += len(data)
            self._output = (self._output + data)[-_KEPT:]
        else:
            self._exchange.take(data)

    def _reason(self) -> End | None:
        """Why it is over, if it is."""
        has_left = self._child.process.poll() is not None
        if has_left:
            self._drain()
        if self._exchange.overflowing:
            return "report"
        if self._printed > self._limits.output_kb << 10:
            return "output"
        if self._exchange.ended:
            return "done"
        if has_left:
            return "died"
        if time.monotonic() >= self._ends:
            return "time"
        return self._look_at_tree() if self._exchange.started else None

    def _drain(self) -> None:
        for descriptor in tuple(self._open):
            left = -1
            while descriptor in self._open and left != (left := self._printed + self._exchange.taken):
                self._take_in(descriptor)

    def _look_at_tree(self) -> End | None:
        """Whether all processes together have more than they may; each by itself is held by the system."""
        now = time.monotonic()
        if now < self._looked + _LOOK_S:
            return None
        import psutil  # noqa: PLC0415 - 40 ms that most tests are over before

        self._looked = now
        below, memory = 0, 0
        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._child.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    below += 1
                    memory += process.memory_info().rss
        if below - self._child.around > self._limits.processes:
            return "processes"
        return "memory" if memory > (self._limits.memory_mb << 20) + INTERPRETER_BYTES else None

    def _last_words(self) -> str:
        return self._output.decode("utf-8", "replace").strip()


def _status(code: int | None) -> int | None:
    """Shells and bubblewrap tell of a signal as 128 and its number."""
    return 128 - code if code is not None and 128 < code < 128 + 65 else code


def _unable(cause: str) -> SandboxError:
    return SandboxError(
        "The sandbox could not start Python",
        cause=cause,
        remedy="`llmtui doctor` looks at the sandbox; the answers wait until it works",
    )
