"""A turn's events as every front end gets them."""

import contextlib
from collections.abc import AsyncGenerator

from llmtui.domain.events import Failed, Finished, TurnEvent
from llmtui.engines.base import Engine, GenerateRequest, failure_of
from llmtui.errors import EngineError, LlmtuiError


async def turn_events(engine: Engine, request: GenerateRequest, *, remedy: str) -> AsyncGenerator[TurnEvent]:
    """The engine's events, ended for certain by `Finished` or `Failed`; closing them cancels the turn.

    Args:
        engine: one that raises, or stops without a last event, has failed the turn.
        request: the turn.
        remedy: what the user can do when the engine stopped so.
    """
    try:
        async with contextlib.aclosing(engine.generate(request)) as events:
            async for event in events:
                yield event
                if isinstance(event, Finished | Failed):
                    return
    except LlmtuiError as error:
        yield failure_of(error)
        return
    yield failure_of(EngineError("The engine ended in the middle of the answer", remedy=remedy))
