"""Asking a hub: the fetching process started, followed, and ended at once when nobody wants it any more."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncGenerator
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from llmtui.domain.hub import Listing
from llmtui.domain.text import visible_line
from llmtui.engines.http.access import is_loopback
from llmtui.engines.hub.wire import Fetched, FetchJob, Got, Job, Listed, ListJob, Refused, Reply
from llmtui.errors import EngineError, UsageError

LINE_LIMIT = 64 << 20
"""Bytes of one reply: repositories can have many thousand files."""
LOG_BYTES = 4096
Last = TypeVar("Last", Listed, Fetched)


async def list_files(job: ListJob) -> Listing:
    """A repository's files.

    Raises:
        UsageError: the hub has no such repository or revision.
        EngineError: the hub cannot be reached, refuses, or answers nonsense.
    """
    async with contextlib.aclosing(_replies(job)) as replies:
        async for reply in replies:
            if isinstance(reply, Listed):
                return reply.listing
    raise EngineError("The hub's answer did not come", remedy="Try again")


async def fetch(job: FetchJob) -> AsyncGenerator[Got | Fetched]:
    """Fetch a file; ends with `Fetched`. Closing the generator ends the download within a moment.

    Raises:
        UsageError: the repository has no such file any more.
        EngineError: the network, the hub or the disk.
    """
    async with contextlib.aclosing(_replies(job)) as replies:
        async for reply in replies:
            if isinstance(reply, Got | Fetched):
                yield reply
            if isinstance(reply, Fetched):
                return


async def _start(job: Job) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            # -P: a file named like a module in the user's folder must not be imported.
            *(sys.executable, "-P", "-m", "llmtui.engines.hub.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=LINE_LIMIT,
            env=_environment(job.endpoint),
        )
    except OSError as error:
        raise EngineError(
            "The downloading process cannot be started",
            cause=f"{sys.executable}: {error.strerror or error}",
            remedy="Free some memory, or see whether that file can be run",
        ) from error


async def _replies(job: Job) -> AsyncGenerator[Reply]:
    process = await _start(job)
    assert process.stdin is not None  # noqa: S101 - asked for above
    assert process.stdout is not None  # noqa: S101 - as above
    assert process.stderr is not None  # noqa: S101 - as above
    log = asyncio.create_task(_tail(process.stderr))
    try:
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            await process.stdin.drain()
        async for line in process.stdout:
            reply = msgspec.json.decode(line, type=Reply)
            if isinstance(reply, Refused):
                kind = UsageError if reply.usage else EngineError
                raise kind(reply.title, cause=reply.cause, remedy=reply.remedy)
            yield reply
            if isinstance(reply, Listed | Fetched):
                return
        raise EngineError(
            "The download's process ended unexpectedly",
            cause=visible_line((await log).decode("utf-8", "replace"))[-300:],
            remedy="Pull again; it goes on where it stopped",
        )
    finally:
        await _end(process, log)


def _environment(endpoint: str) -> dict[str, str]:
    """Proxies are honoured, except for this machine itself, where none leads."""
    environ = {**os.environ, "HF_ENDPOINT": endpoint}
    if is_loopback(endpoint):
        environ["NO_PROXY"] = environ["no_proxy"] = urlsplit(endpoint).hostname or "localhost"
    return environ


async def _end(process: asyncio.subprocess.Process, log: "asyncio.Task[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    log.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await log
    if process.stdin is not None:
        process.stdin.close()
    await asyncio.shield(process.wait())


async def _tail(stream: asyncio.StreamReader) -> bytes:
    """The end of what the process wrote; reading it keeps the pipe from filling."""
    kept = b""
    while block := await stream.read(LOG_BYTES):
        kept = (kept + block)[-LOG_BYTES:]
    return kept
