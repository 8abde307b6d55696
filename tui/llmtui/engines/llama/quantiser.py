"""llama.cpp's quantiser in a process of its own: what it reports, and why it ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncGenerator

import msgspec

from llmtui.domain.text import visible_line
from llmtui.engines.llama.deaths import kernel_oom_kills, telling_line
from llmtui.engines.llama.process import LOG_LINE_CHARACTERS, LOG_LINES, worker_environment
from llmtui.engines.llama.quantising import Conversion, Converted, Job, Report, TensorBegun, Trial, TypeTried
from llmtui.errors import EngineError, UsageError

LONGEST_REPORT = 1 << 26
"""Bytes of a line: a dry run names every tensor, and large mixtures have tens of thousands."""
# -P: a file in the current folder must not stand in for a module of the same name.
_COMMAND = ("-P", "-m", "llmtui.engines.llama.worker.quantiser")


async def try_types(source: str, types: tuple[int, ...], *, python: str = sys.executable) -> AsyncGenerator[TypeTried]:
    """What each type would make of a model, one after the other; some milliseconds each, and nothing is written.

    Raises:
        EngineError: the process could not be started, or ended before it had tried all.
    """
    missing = set(types)
    async with contextlib.aclosing(_reports(Trial(source, types), python)) as reports:
        async for report in reports:
            if isinstance(report, TypeTried):
                missing.discard(report.type)
                yield report
                if not missing:
                    return


async def convert(job: Conversion, *, python: str = sys.executable) -> AsyncGenerator[TensorBegun]:
    """Quantise: yields each tensor as it is begun. Closing the iterator ends the process at once.

    What it has written by then is left to the caller, as after every error.

    Raises:
        EngineError: llama.cpp refused or failed, or the process was killed.
    """
    async with contextlib.aclosing(_reports(job, python)) as reports:
        async for report in reports:
            match report:
                case TensorBegun():
                    yield report
                case Converted(problem=None):
                    return
                case Converted(problem=problem):
                    raise EngineError(
                        "llama.cpp could not quantise the model",
                        cause=visible_line(problem or ""),
                        remedy="Choose another type, or get the model file again.",
                    )


async def _reports(job: Job, python: str) -> AsyncGenerator[Report]:
    process = await _start(job, python)
    ooms = kernel_oom_kills()
    log: deque[str] = deque(maxlen=LOG_LINES)
    logging = asyncio.create_task(_keep_log(process.stderr, log))
    decoder = msgspec.json.Decoder(TypeTried | TensorBegun | Converted)
    try:
        while process.stdout is not None and (line := await process.stdout.readline()):
            yield decoder.decode(line)
        code = await process.wait()
        await logging
        raise _ended(code, list(log), out_of_memory=(kernel_oom_kills() or 0) > (ooms or 0))
    except (ValueError, msgspec.DecodeError) as error:
        raise EngineError("The quantiser sent something unreadable", cause=str(error), remedy="Try again.") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
        await logging


async def _start(job: Job, python: str) -> asyncio.subprocess.Process:
    """Start it, in a session of its own: the terminal's signals are not for it."""
    try:
        line = msgspec.json.encode(job) + b"\n"
    except UnicodeEncodeError as error:
        raise UsageError(
            "The name of the file is not UTF-8", cause=visible_line(job.source), remedy="Rename the file or its folder"
        ) from error
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            *_COMMAND,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            env=worker_environment(os.environ),
            limit=LONGEST_REPORT,
        )
    except OSError as error:
        raise EngineError("The quantiser cannot be started", cause=str(error), remedy="Free some memory.") from error
    if process.stdin is not None:
        process.stdin.write(line)
    return process


async def _keep_log(stream: asyncio.StreamReader | None, log: "deque[str]") -> None:
    rest = b""
    while stream is not None and (data := await stream.read(1 << 16)):
        *lines, rest = (rest + data).split(b"\n")
        rest = rest[-LOG_LINE_CHARACTERS:]
        shown = (visible_line(line[:LOG_LINE_CHARACTERS].decode("utf-8", "replace")) for line in (*lines, rest))
        log.extend(line for line in shown if line)


def _ended(code: int, log: list[str], *, out_of_memory: bool) -> EngineError:
    if code == -signal.SIGKILL and out_of_memory:
        return EngineError(
            "The system killed the quantiser for want of memory", remedy="Close other programs and try again."
        )
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        title = f"The quantiser was killed (signal {-code}, {name})"
    else:
        title = f"The quantiser ended unexpectedly (exit code {code})"
    return EngineError(title, cause=telling_line(log), remedy="Try again; if it ends so again, get the file again.")
