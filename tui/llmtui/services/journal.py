"""Writing a chat's transcript from an event loop: one thread, in order, and never in the way of a turn."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from llmtui.domain.run import RunLine
from llmtui.domain.transcript import Record
from llmtui.store.transcript_writer import TranscriptWriter

T = TypeVar("T")
PATIENCE_S = 2.0
"""How long a turn waits for the disk; after that the write goes on behind it."""


class Journal:
    """A chat's file and the thread that writes it.

    Args:
        writer: used on the thread only.
    """

    def __init__(self, writer: TranscriptWriter) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._waiting: Future[None] | None = None
        self._retry: Future[None] | None = None
        self._closed = False

    @property
    def path(self) -> Path:
        """The chat's file."""
        return self._writer.path

    @property
    def problem(self) -> str | None:
        """Why the chat is not on disk, in words; None when it is."""
        if self._waiting is not None and not self._waiting.done():
            return f"the disk does not answer ({self._writer.path})"
        return self._writer.problem

    def write(self, *records: Record | RunLine, sync: bool = False) -> "Future[None]":
        """Have records written soon; they keep their order.

        Once the journal is closed they are dropped: they come from a turn that did not end in time.
        """
        if self._closed:
            return _nothing()
        return self._thread.submit(self._writer.append, *records, sync=sync)

    def retry(self) -> None:
        """Have what could not be written tried again soon; nothing while there is no problem or a try is under way."""
        if self._closed or self._writer.problem is None:
            return
        if self._retry is None or self._retry.done():
            self._retry = self._thread.submit(self._writer.retry)

    async def save(self, *records: Record | RunLine) -> None:
        """Have records written and wait until they are on the disk, or until patience ends."""
        written = self.write(*records, sync=True)
        if not await _done(written):
            self._waiting = written

    async def call(self, function: Callable[[], T]) -> T | None:
        """Run something short on the thread, e.g. a reading; None when it takes too long."""
        if self._closed:
            return None
        called = self._thread.submit(function)
        return called.result() if await _done(called) else None

    async def close(self, *records: Record | RunLine) -> None:
        """Write the last records and let go of the file; safe to call twice."""
        if self._closed:
            return
        if records:
            self.write(*records, sync=True)
        self._closed = True
        await _done(self._thread.submit(self._writer.close))
        self._thread.shutdown(wait=False)


def _nothing() -> "Future[None]":
    done: Future[None] = Future()
    done.set_result(None)
    return done


async def _done(future: "Future[T]") -> bool:
    """Wait with patience; the work itself is not cancelled."""
    finished, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=PATIENCE_S)
    return bool(finished)
