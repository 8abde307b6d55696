"""A turn while a model writes it, apart from who shows it: followed to its end, and stopped when the user wants."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import NamedTuple

from llmtui.domain.events import Failed, Finished, Notice, TurnEvent
from llmtui.errors import EngineError, LlmtuiError

CANCEL_AGAIN_S = 0.1
STOP_S = 3.0
"""An engine that does not end its turn in this time after it was asked to is ended by force."""
TELL_S = 1.0
STILL_STOPPING = "Still stopping: the model does not answer"


class TurnEnd(NamedTuple):
    """What came of a turn, besides its text.

    Attributes:
        failure: why it failed.
        remarks: what the engine had to say.
        begins: tokens of the prompt that begin a text; 0 where nothing tells.
    """

    failure: Failed | LlmtuiError | None = None
    remarks: tuple[Notice, ...] = ()
    begins: int = 0


class Writing:
    """One turn after another, each followed to its end. All of it runs on one event loop.

    Args:
        give_up: ends the engine by force.
        slow: called once when stopping takes longer than people expect.
    """

    def __init__(self, give_up: Callable[[], Awaitable[None]], slow: Callable[[], None]) -> None:
        self._give_up = give_up
        self._slow = slow
        self._hung = False
        self._over = asyncio.Event()
        self._over.set()

    @property
    def running(self) -> bool:
        """Whether a turn has begun and not ended."""
        return not self._over.is_set()

    def begin(self) -> None:
        """A turn begins; `follow` or `end` ends it."""
        self._over = asyncio.Event()
        self._hung = False

    async def follow(self, events: AsyncGenerator[TurnEvent]) -> TurnEnd:
        """Follow a turn's events to their end; its errors are part of what is returned."""
        failure: Failed | LlmtuiError | None = None
        remarks: list[Notice] = []
        begins = 0
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Failed):
                        failure = event
                    elif isinstance(event, Notice):
                        remarks.append(event)
                    elif isinstance(event, Finished):
                        begins = event.timings.bos_count or 0
        except LlmtuiError as error:
            failure = error
        finally:
            self.end()
        return TurnEnd(self.hung or failure, tuple(remarks), begins)

    def end(self) -> None:
        """The turn is over."""
        self._over.set()

    async def stop(self, cancel: Callable[[], Awaitable[None]], patience_s: float = STOP_S) -> None:
        """Stop the turn, and wait until it is over; an engine that hangs is ended by force.

        Args:
            cancel: stops it; called now and then, as a turn that has just begun does not know yet that it can be
                stopped.
            patience_s: how long the engine may take.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        told = patience_s <= TELL_S
        over = self._over
        while not over.is_set():
            took = clock() - began
            if took >= TELL_S and not told:
                told = True
                self._slow()
            if took >= patience_s:
                self._hung = True
                await self._give_up()
                await _set_within(over, STOP_S)
                return
            await cancel()
            await _set_within(over, CANCEL_AGAIN_S)

    @property
    def hung(self) -> EngineError | None:
        """What is to be told where the engine was ended by force."""
        if not self._hung:
            return None
        return EngineError("The model did not stop", cause="Its process hung and was ended", remedy="Load it again")


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
