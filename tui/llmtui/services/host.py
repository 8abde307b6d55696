"""The one model that answers now: loading, switching, reloading after a crash."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from llmtui.domain.events import Loaded, LoadEvent
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.settings import Runtime
from llmtui.engines.base import Engine
from llmtui.errors import EngineError, UsageError

OpenEngine = Callable[[ModelInfo, Runtime], Engine]
MARGIN_BYTES = 512 << 20
"""Room for KV cache and compute buffers beside the weights, when two models are held at once for a moment."""


class ModelHost:
    """Holds the current engine. All of it runs on one event loop.

    Args:
        open_engine: makes an engine for a model without loading it.
        runtime: how models are loaded; a change counts from the next load.
        free_memory: bytes that can be had now; None where unknown.
    """

    def __init__(
        self, open_engine: OpenEngine, runtime: Runtime, *, free_memory: Callable[[], int | None] | None = None
    ) -> None:
        self.runtime = runtime
        self._open_engine = open_engine
        self._free_memory = free_memory or _free_memory
        self._engine: Engine | None = None
        self._info: ModelInfo | None = None
        self._loading = False
        self._unclaimed_load_s: float | None = None

    @property
    def engine(self) -> Engine | None:
        """The engine of the last load that succeeded, dead or alive; None before, and when it had to make room."""
        return self._engine

    @property
    def info(self) -> ModelInfo | None:
        """The model of the last load that succeeded; `reload` opens it again."""
        return self._info

    @property
    def loaded(self) -> LoadedModel | None:
        """What the engine granted."""
        return self._engine.loaded if self._engine else None

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent now."""
        return self._engine is not None and self._engine.alive

    @property
    def loading(self) -> bool:
        """Whether a model is being opened."""
        return self._loading

    def claim_load_s(self) -> float | None:
        """Seconds of the last load, once: the first turn after it counts them."""
        seconds, self._unclaimed_load_s = self._unclaimed_load_s, None
        return seconds

    async def load(self, info: ModelInfo) -> AsyncGenerator[LoadEvent]:
        """Open a model and, once it is ready, close the one before.

        When both do not fit in free memory the old one is closed first; then a failure leaves none, and `reload`
        opens the old one again. Closing the iterator, or cancelling, ends the load and leaves the old model.

        Raises:
            ModelError, EngineError: it cannot be loaded; the old one answers as before when it is still there.
            UsageError: another load is under way.
        """
        if self._loading:
            raise UsageError("A model is being loaded already", remedy="Wait until it is ready")
        self._loading = True
        try:
            if self._engine is not None and not (self._engine.alive and self._fits_beside(info)):
                await self._close_engine()
            fresh = self._open_engine(info, self.runtime)
            async with _closed_unless_kept(fresh) as keep, contextlib.aclosing(_events(fresh)) as events:
                async for event in events:
                    if isinstance(event, Loaded):
                        keep()
                        await self._adopt(fresh, info, event.model)
                    yield event
        finally:
            self._loading = False

    async def reload(self) -> AsyncGenerator[LoadEvent]:
        """Open the present model again, for instance after its engine died.

        Raises:
            UsageError: no model was loaded yet.
            ModelError, EngineError: as `load`.
        """
        if self._info is None:
            raise UsageError("There is no model to load again", remedy="Choose a model first")
        if not self._loading:
            await self._close_engine()
        async with contextlib.aclosing(self.load(self._info)) as events:
            async for event in events:
                yield event

    async def give_up(self) -> None:
        """End an engine that does not answer, by force after a second; its turn fails, and `reload` opens it again."""
        await self._close_engine()

    async def close(self) -> None:
        """Unload the model; safe to call twice."""
        await self._close_engine()

    async def _adopt(self, engine: Engine, info: ModelInfo, loaded: LoadedModel) -> None:
        old, self._engine, self._info = self._engine, engine, info
        self._unclaimed_load_s = loaded.load_s
        if old is not None:
            await old.close()

    async def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    def _fits_beside(self, info: ModelInfo) -> bool:
        if info.size_bytes is None or info.server is not None:
            return True
        free = self._free_memory()
        return free is None or info.size_bytes * 1.2 + MARGIN_BYTES < free


async def _events(engine: Engine) -> AsyncGenerator[LoadEvent]:
    """The engine's load events, with an error when they end without `Loaded`."""
    async with contextlib.aclosing(engine.load()) as events:
        async for event in events:
            yield event
            if isinstance(event, Loaded):
                return
    raise EngineError("The model did not come up", remedy="Try again; `llmtui doctor` shows what the engine says")


@contextlib.asynccontextmanager
async def _closed_unless_kept(engine: Engine) -> AsyncIterator[Callable[[], None]]:
    kept = False

    def keep() -> None:
        nonlocal kept
        kept = True

    try:
        yield keep
    finally:
        if not kept:
            await engine.close()


def _free_memory() -> int | None:
    import psutil  # noqa: PLC0415 - read at a switch only, never at start-up

    available: int = psutil.virtual_memory().available
    return available
