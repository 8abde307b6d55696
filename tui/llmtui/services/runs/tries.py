"""How often a sample is tried: again on a fresh worker when its process died, and with patience on servers."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from llmtui.domain.events import Failed

SERVER_TRIES = 4
LOCAL_TRIES = 2
LONGEST_WAIT_S = 30.0
TIME_IS_OVER = "the time limit is over"
TOO_MUCH = "the server writes on and on"
_LASTING = {TIME_IS_OVER, TOO_MUCH}
"""Causes of errors that come again, too, and cost the whole limit each time."""
_REFUSED = re.compile(r"HTTP 4(?!08|25|29)\d\d\b")
"""An error of ours, as the engines' boundary words it, that comes again however often one asks."""


class Tried(Protocol):
    """What one try brings."""

    @property
    def error(self) -> Failed | None:
        """Why there is no answer."""


T = TypeVar("T", bound=Tried)
Ask = Callable[[int], Awaitable[T]]


def is_refused(error: Failed) -> bool:
    """Whether the request is refused for what it is."""
    return error.kind == "usage" or (error.kind == "engine" and _REFUSED.match(error.cause) is not None)


def is_passing(tried: Tried) -> bool:
    """Whether a server's failure may be over soon; an answer without end will have none again."""
    error = tried.error
    return error is not None and error.kind == "engine" and error.cause not in _LASTING and not is_refused(error)


async def on_server(
    ask: Ask[T], stop: asyncio.Event, *, first_wait_s: float = 1.0, elsewhere: Callable[[], bool] = lambda: False
) -> T:
    """Ask until there is an answer or a failure that stays, waiting longer each time.

    Args:
        ask: one try, given its number from 1.
        stop: ends the waiting; the last failure is what comes of it.
        first_wait_s: before the second try, at most doubled each time and blurred, so that many do not come at once.
        elsewhere: whether another server is there to be asked, for which nothing needs to be waited.
    """
    import tenacity  # noqa: PLC0415 - for servers only

    async def sleep(seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)

    longer = tenacity.wait_exponential(multiplier=first_wait_s, max=LONGEST_WAIT_S)
    patient = longer + tenacity.wait_random(0, first_wait_s)
    tries = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_result(lambda record: is_passing(record) and not stop.is_set()),
        stop=tenacity.stop_after_attempt(SERVER_TRIES),
        wait=lambda state: 0.0 if elsewhere() else patient(state),
        sleep=sleep,
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    number = 0

    async def once() -> T:
        nonlocal number
        number += 1
        return await ask(number)

    record: T = await tries(once)
    return record


async def on_worker(ask: Ask[T], died: Callable[[], Awaitable[bool]], stop: asyncio.Event) -> T:
    """Ask, and once more on a fresh worker when the process died in the middle.

    Args:
        ask: one try, given its number from 1.
        died: brings the worker back; whether it had died.
        stop: when set, nothing is tried again.
    """
    record = await ask(1)
    for number in range(2, LOCAL_TRIES + 1):
        if record.error is None or stop.is_set() or not await died():
            break
        record = await ask(number)
    return record
