"""One more model beside the one that answers: for a turn that is put to another model, too."""

import contextlib
from collections.abc import AsyncGenerator, Callable

from llmtui.domain.events import LoadEvent
from llmtui.domain.models import ModelInfo
from llmtui.domain.quantities import size
from llmtui.domain.settings import Runtime
from llmtui.errors import OutOfMemoryError
from llmtui.services.host import ModelHost, OpenEngine
from llmtui.services.pool import Warm, WarmPool


class Companion(ModelHost):
    """A host that takes its model from another one's pool, or loads it there, and never closes that one's model.

    `close` gives the model to the pool: it stays loaded within the budget, and going on with it takes no time.

    Args:
        open_engine: makes an engine for a model without loading it.
        runtime: how models are loaded.
        pool: of the other host.
        present: the other host's model.
    """

    def __init__(
        self, open_engine: OpenEngine, runtime: Runtime, pool: WarmPool, present: Callable[[], Warm | None]
    ) -> None:
        super().__init__(open_engine, runtime)
        self._pool = pool
        self._present = present

    async def give_up(self) -> None:
        """End the model that does not answer, by force after a second; the turn fails."""
        await self._close_current()

    async def close(self) -> None:
        """Let go of the model; safe to call twice."""
        model, self._current = self._current, None
        present = self._present()
        if model is not None and present is not None:
            await self._pool.trim(present)

    async def _open_with_room(self, info: ModelInfo) -> AsyncGenerator[LoadEvent]:
        present = self._present()
        needed = await self._pool.make_room_beside(info, self.runtime, present)
        if needed is not None:
            budget = self.budget_bytes
            held = f"; loaded models may take {size(budget)} together" if budget is not None else ""
            beside = present.info.name if present is not None else "the models that are loaded"
            raise OutOfMemoryError(
                f"There is no room for {info.name} beside {beside}",
                cause=f"it needs about {size(needed)}{held}",
                remedy="Choose a smaller model, or load this one as the chat's model and answer the question again",
            )
        async with contextlib.aclosing(self._open(info)) as events:
            async for event in events:
                yield event

    async def _adopt(self, model: Warm, info: ModelInfo, load_s: float | None) -> None:
        self._current, self._info = model, info
        self._unclaimed_load_s = load_s
        present = self._present()
        self._pool.put(model)
        if present is not None and present in self._pool.models:
            self._pool.put(present)
