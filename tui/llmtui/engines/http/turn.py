"""A turn that a server answers: its events on their way from the task that reads to whoever consumes them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

from llmtui.domain.events import Failed, Finished, TurnEvent
from llmtui.domain.text import visible_line
from llmtui.engines.base import failure_of
from llmtui.errors import EngineError


class ServedTurn:
    """A turn under way.

    Attributes:
        events: filled by the task that reads the answer.

    Args:
        rest: what was held back of the answer, asked for once, at its end.
    """

    def __init__(self, rest: Callable[[], Iterable[TurnEvent]] = tuple) -> None:
        self._rest = rest
        self.events: asyncio.Queue[TurnEvent] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def begin(self, reading: Coroutine[None, None, None]) -> None:
        """Start the task that reads the answer."""
        self._task = asyncio.create_task(reading)
        self._task.add_done_callback(self._fell_over)

    def cancelled(self) -> Finished:
        """How the turn ends when it is stopped now."""
        raise NotImplementedError

    async def until_end(self) -> AsyncGenerator[TurnEvent]:
        """Every event; the last is `Finished` or `Failed`, and the connection is closed by then."""
        while True:
            event = await self.events.get()
            if isinstance(event, Finished | Failed):
                await self.settle()
                yield event
                return
            yield event

    def end(self, event: Finished | Failed) -> None:
        """Say how the turn ended, once, and stop reading."""
        if self._ended:
            return
        self._ended = True
        for held in self._rest():
            self.events.put_nowait(held)
        self.events.put_nowait(event)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def settle(self) -> None:
        """Wait until nothing is read any more and the connection is closed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _fell_over(self, task: asyncio.Task[None]) -> None:
        """End the turn when its task ended by an exception that nobody foresaw, so that nobody waits for ever."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            problem = visible_line(f"{type(error).__name__}: {error}")
            self.end(failure_of(EngineError("The engine failed", cause=problem, remedy="Ask again.")))
