"""A worker process and its pipes, on the event loop: commands out, replies in, log lines kept."""

import asyncio
import contextlib
import errno
import io
import os
from collections import deque
from collections.abc import Callable, Mapping

from llmtui.domain.text import visible_line
from llmtui.engines.llama.deaths import kernel_oom_kills
from llmtui.engines.llama.wire import Command, Reply, Shutdown, encode, reply_reader
from llmtui.errors import EngineError

LOG_LINES = 200
LOG_LINE_CHARACTERS = 500
READ_BYTES = 1 << 18
EXIT_SECONDS = 1.0
SPIN_COUNT = "500"
_NOT_RUNNABLE = "Install llmtui again: its Python interpreter is missing or may not be run."
_START_REMEDIES = {
    errno.EMFILE: "Close what is open, or raise the limit of open files (`ulimit -n`), and try again.",
    errno.ENFILE: "Close other programs: the system has too many files open.",
    errno.EAGAIN: "Close other programs, or raise the limit of processes (`ulimit -u`), and try again.",
    errno.EACCES: _NOT_RUNNABLE,
    errno.EPERM: _NOT_RUNNABLE,
    errno.ENOENT: _NOT_RUNNABLE,
    errno.ENOEXEC: _NOT_RUNNABLE,
}


def worker_environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Our environment with what makes llama.cpp a good neighbour; what the user has set stands.

    Its threads wait for each other hundreds of times a token. By default GNU OpenMP spins for milliseconds, which is
    ruinous as soon as anything else wants the processor: 0.5B q4_0 with two threads on two cores beside a busy
    program decodes 2-8 tok/s, with the short spin below 30, and 70 either way on an idle machine (sleeping at once
    gives 40 on both).
    """
    environment = {**ours, "GGML_NO_BACKTRACE": "1"}
    if "OMP_WAIT_POLICY" not in ours:
        environment.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    return environment


class WorkerProcess:
    """Started by `start`; from then on `on_reply` gets every reply and `on_end` the end, once.

    Args:
        python: the interpreter.
        on_reply: called with each reply, on the event loop.
        on_end: called when the process is gone and everything it sent was delivered. Takes its exit code (None when
            it is not known) and whether the system was out of memory meanwhile; or the error that made us give it up.
    """

    def __init__(
        self,
        python: str,
        on_reply: Callable[[Reply], None],
        on_end: Callable[[int | None, bool, EngineError | None], None],
    ) -> None:
        self._python = python
        self._on_reply = on_reply
        self._on_end = on_end
        self._process: asyncio.subprocess.Process | None = None
        self._commands: asyncio.WriteTransport | None = None
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._watch: asyncio.Task[None] | None = None
        self._ooms = kernel_oom_kills()

    def log(self) -> list[str]:
        """Its last log lines, oldest first, safe to show."""
        return list(self._log)

    async def start(self) -> None:
        """Start it, in a session of its own: the terminal's signals are not for it.

        The process asks the kernel to be killed when the *thread* that started it ends, so call this on the event
        loop of the main thread.

        Raises:
            EngineError: it cannot be started.
        """
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                command_read, command_write = _pipe(theirs, ours)
                event_read, event_write = _pipe(ours, theirs)
                self._process = await asyncio.create_subprocess_exec(
                    # -P: a file named like a module in the user's folder must not be imported.
                    *(self._python, "-P", "-m", "llmtui.engines.llama.worker"),
                    *(str(command_read.fileno()), str(event_write.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=(command_read.fileno(), event_write.fileno()),
                    start_new_session=True,
                    env=worker_environment(os.environ),
                )
            except OSError as error:
                raise _not_started(error) from error
            self._commands, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, command_write)
            self._watch = loop.create_task(self._live(self._process, event_read))
            ours.pop_all()

    def send(self, command: Command) -> None:
        """Queue a command; what is sent to a dead process is dropped.

        Raises:
            EngineError: the command is too long.
        """
        frame = encode(command)
        if self._commands is not None and not self._commands.is_closing():
            self._commands.write(frame)

    async def stop(self) -> None:
        """Tell it to end and wait for that; after a second, by force."""
        if self._process is None or self._watch is None:
            return
        self.send(Shutdown())
        if self._commands is not None:
            self._commands.close()
        done, _ = await asyncio.wait([self._watch], timeout=EXIT_SECONDS)
        if not done:
            self.kill()
            await asyncio.wait([self._watch])

    def kill(self) -> None:
        """End it by force."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _live(self, process: asyncio.subprocess.Process, event_read: io.FileIO) -> None:
        log = asyncio.create_task(self._read_log(process))
        problem = await self._read_replies(event_read)
        if problem is not None:
            self.kill()
        code = await process.wait()
        await log
        if self._commands is not None:
            self._commands.close()
        ooms = kernel_oom_kills()
        self._on_end(code, ooms is not None and self._ooms is not None and ooms > self._ooms, problem)

    async def _read_replies(self, events: io.FileIO) -> EngineError | None:
        loop = asyncio.get_running_loop()
        stream = asyncio.StreamReader(limit=READ_BYTES)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), events)
        frames = reply_reader()
        try:
            while data := await stream.read(READ_BYTES):
                for reply in frames.feed(data):
                    self._on_reply(reply)
        except EngineError as error:
            return error
        finally:
            transport.close()
        return None

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        stream = process.stderr
        rest = b""
        while stream is not None and (data := await stream.read(READ_BYTES)):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-LOG_LINE_CHARACTERS:]
            for line in lines:
                self._keep(line)
        self._keep(rest)

    def _keep(self, line: bytes) -> None:
        text = visible_line(line[: 4 * LOG_LINE_CHARACTERS].decode("utf-8", "replace"))
        if text:
            self._log.append(text[:LOG_LINE_CHARACTERS])


def _not_started(error: OSError) -> EngineError:
    remedy = _START_REMEDIES.get(error.errno or 0, "Free some memory and try again.")
    return EngineError("The model process cannot be started", cause=str(error), remedy=remedy)


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    """The two ends of a pipe, each closed by its stack."""
    read_end, write_end = os.pipe()
    return (
        reader.enter_context(io.FileIO(read_end, "rb")),
        writer.enter_context(io.FileIO(write_end, "wb")),
    )
