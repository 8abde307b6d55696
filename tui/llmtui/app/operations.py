"""Long operations (pull, quantise) that go on while the user chats."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Literal

from llmtui.domain.operations import Progress
from llmtui.domain.pace import Pace
from llmtui.errors import LlmtuiError

State = Literal["running", "done", "cancelled", "failed"]
CLOSE_S = 2.0
"""What operations may take to end when the program does."""


class Operation:
    """One operation under way, or over.

    Attributes:
        title: what is done, e.g. `Pull qwen2-7b-q4_k_m.gguf`; from names, so make it visible before it is shown.
        pace: how far it is and how fast.
        path: of the finished file; None until then.
        error: why it failed.
        watched: whether a screen shows it; when none does, its end is told elsewhere.
        show: opens what shows it; None where the common screen of operations does.
        alone: the chat's model has made room for it and comes back in the end.
    """

    def __init__(self, title: str, show: Callable[[], None] | None = None) -> None:
        self.title = title
        self.show = show
        self.alone = False
        self.pace = Pace()
        self.path: str | None = None
        self.error: LlmtuiError | None = None
        self.state: State = "running"
        self.watched = False
        self._task: asyncio.Task[None] | None = None

    @property
    def progress(self) -> Progress | None:
        """The last event."""
        return self.pace.progress

    @property
    def running(self) -> bool:
        """Whether it is under way."""
        return self.state == "running"

    def cancel(self) -> None:
        """Ask it to end; what it leaves is its own affair."""
        if self._task is not None:
            self._task.cancel()

    async def wait(self) -> None:
        """Until it is over, however it ends."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def run(self, events: AsyncGenerator[Progress]) -> None:
        """Follow `events` to their end; errors are kept, not raised."""
        try:
            async with contextlib.aclosing(events):
                async for progress in events:
                    self.pace.note(progress, time.monotonic())
                    self.path = progress.path or self.path
            self.state = "done"
        except asyncio.CancelledError:
            self.state = "cancelled"
        except LlmtuiError as error:
            self.error, self.state = error, "failed"
        except BaseException:
            self.state = "failed"
            raise

    def begin(self, events: AsyncGenerator[Progress], ended: Callable[["Operation"], None]) -> None:
        """Run in a task of its own."""
        self._task = asyncio.create_task(self.run(events), name=self.title)
        self._task.add_done_callback(lambda _: ended(self))

    @property
    def defect(self) -> BaseException | None:
        """An error that nobody foresaw."""
        task = self._task
        return task.exception() if task is not None and task.done() and not task.cancelled() else None


class Operations:
    """All operations of one program.

    Args:
        changed: called when one begins.
        ended: called when one is over, however it ended.
    """

    def __init__(self, changed: Callable[[], None], ended: Callable[[Operation], None]) -> None:
        self._changed = changed
        self._ended = ended
        self._running: list[Operation] = []

    @property
    def running(self) -> tuple[Operation, ...]:
        """Those under way, oldest first."""
        return tuple(self._running)

    def start(
        self, title: str, events: AsyncGenerator[Progress], *, show: Callable[[], None] | None = None
    ) -> Operation:
        """Begin one; it runs until its end, whatever screen is open."""
        operation = Operation(title, show)
        self._running.append(operation)
        operation.begin(events, self._over)
        self._changed()
        return operation

    async def close(self) -> None:
        """Cancel all, and wait a moment until they are put away."""
        tasks = [asyncio.ensure_future(operation.wait()) for operation in self._running]
        for operation in self._running:
            operation.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_S)
            for task in late:
                task.cancel()

    def _over(self, operation: Operation) -> None:
        self._running.remove(operation)
        self._ended(operation)
