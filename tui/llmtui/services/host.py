"""The model that answers now: loading, switching, going back to a warm one, reloading after a crash."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from llmtui.domain.events import Loaded, LoadEvent, LoadProgress
from llmtui.domain.metrics import ProcessMemory
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.settings import Pool, Runtime
from llmtui.engines.base import Engine
from llmtui.errors import EngineError, OutOfMemoryError, UsageError
from llmtui.services.pool import Warm, WarmPool, stamp_of
from llmtui.services.tokens.counting import Encodings

if TYPE_CHECKING:
    from llmtui.services.companion import Companion

OpenEngine = Callable[[ModelInfo, Runtime], Engine]


class ModelHost:
    """Holds the current engine, and the warm ones. All of it runs on one event loop.

    Args:
        open_engine: makes an engine for a model without loading it.
        runtime: how models are loaded; a change counts from the next load.
        limits: how many models stay loaded.
        free_memory: bytes that can be had now; None where unknown: then only the current model stays loaded.
        process_memory: of a worker, by its process id.

    Attributes:
        encodings: of the vocabularies of models, for counts where no engine counts.
    """

    def __init__(
        self,
        open_engine: OpenEngine,
        runtime: Runtime,
        *,
        limits: Pool | None = None,
        free_memory: Callable[[], int | None] | None = None,
        process_memory: Callable[[int], ProcessMemory] | None = None,
    ) -> None:
        self.runtime = runtime
        self.encodings = Encodings()
        self._open_engine = open_engine
        self._make_pool = partial(WarmPool, limits or Pool(), free_memory=free_memory, process_memory=process_memory)
        self._pool = self._make_pool()
        self._current: Warm | None = None
        self._info: ModelInfo | None = None
        self._previous: ModelInfo | None = None
        self._loading: ModelInfo | None = None
        self._unclaimed_load_s: float | None = None

    @property
    def engine(self) -> Engine | None:
        """The engine of the last load that succeeded, dead or alive; None before, and when it had to make room."""
        return self._current.engine if self._current else None

    @property
    def info(self) -> ModelInfo | None:
        """The model of the last load that succeeded; `reload` opens it again."""
        return self._info

    @property
    def previous(self) -> ModelInfo | None:
        """The model used before the present one, loaded still or not; None when there was none."""
        return self._previous

    @property
    def warm(self) -> tuple[ModelInfo, ...]:
        """Loaded models that can answer, the most recently used first, the present one included."""
        models = self._pool.models
        return tuple(self._info if model is self._current and self._info else model.info for model in models)

    @property
    def budget_bytes(self) -> int | None:
        """Memory that all loaded models may take now; None where unknown.

        It is measured: look when something has changed, not while painting.
        """
        return self._pool.budget_bytes

    @property
    def held_bytes(self) -> int:
        """Memory that all loaded models take now; measured like `budget_bytes`."""
        return self._pool.held_bytes

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes of the loaded models: their memory can be had for another one."""
        granted = [model.engine.loaded for model in self._pool.models]
        return tuple(loaded.pid for loaded in granted if loaded is not None and loaded.pid is not None)

    @property
    def loaded(self) -> LoadedModel | None:
        """What the engine granted, by the name under which the model was chosen."""
        loaded = self._current.engine.loaded if self._current else None
        if loaded is None or self._info is None or self._current is None or self._current.info.name == self._info.name:
            return loaded
        return msgspec.structs.replace(loaded, name=self._info.name)

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent now."""
        return self._current is not None and self._current.engine.alive

    @property
    def loading(self) -> bool:
        """Whether a model is being opened."""
        return self._loading is not None

    @property
    def wanted(self) -> ModelInfo | None:
        """The model that is being opened, else the present one; for what can be known of it before it is loaded."""
        return self._loading or self._info

    def claim_load_s(self) -> float | None:
        """Seconds of the last load, once: the first turn after it counts them. None after a switch to a warm model."""
        seconds, self._unclaimed_load_s = self._unclaimed_load_s, None
        return seconds

    async def load(self, info: ModelInfo) -> AsyncGenerator[LoadEvent]:
        """Open a model, or take it from those that are loaded still; the one before stays loaded within the budget.

        When they do not fit in memory together, others are closed first, the least recently used before the present
        one; then a failure may leave none, and `reload` opens it again. A load that runs out of memory nevertheless
        is tried again once that has made room. Closing the iterator, or cancelling, ends the load and leaves the
        present model. A model whose file or settings have changed is opened anew. One that is in the middle of an
        answer is closed after it only, so the load may have to wait.

        Raises:
            ModelError, EngineError: it cannot be loaded; the present one answers as before when it is still there.
            UsageError: another load is under way.
        """
        if self._loading:
            raise UsageError("A model is being loaded already", remedy="Wait until it is ready")
        self._loading = info
        try:
            warm = await self._pool.take(info, self.runtime)
            granted = warm.engine.loaded if warm else None
            if warm is not None and granted is not None:
                await self._adopt(warm, info, None)
                yield Loaded(self.loaded or granted)
                return
            async with contextlib.aclosing(self._open_with_room(info)) as events:
                async for event in events:
                    yield event
        finally:
            self._loading = None

    async def reload(self) -> AsyncGenerator[LoadEvent]:
        """Open the present model anew, for instance after its engine died.

        Raises:
            UsageError: no model was loaded yet.
            ModelError, EngineError: as `load`.
        """
        if self._info is None:
            raise UsageError("There is no model to load again", remedy="Choose a model first")
        if not self._loading:
            await self._close_current()
        async with contextlib.aclosing(self.load(self._info)) as events:
            async for event in events:
                yield event

    async def unload(self, info: ModelInfo) -> None:
        """Close a loaded model and give back its memory; a turn that it answers fails. Nothing when it is not loaded.

        The present model can be unloaded, too; `reload` opens it again.
        """
        model = self._pool.find(info)
        if model is not None:
            await self._close(model)

    async def forget(self, info: ModelInfo) -> None:
        """A model is gone for good: it is closed, and neither `reload` nor `previous` leads to it any more."""
        await self.unload(info)
        if self._info is not None and self._info.path == info.path:
            self._info = None
        if self._previous is not None and self._previous.path == info.path:
            self._previous = None

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """While a turn runs: its model is not closed to make room for another before the turn has ended."""
        model = self._current
        if model is None:
            yield
            return
        model.answers += 1
        model.idle.clear()
        try:
            yield
        finally:
            model.answers -= 1
            if model.answers == 0:
                model.idle.set()
            if self._current is not None and self._current is not model:
                await self._pool.trim(self._current)

    async def give_up(self) -> None:
        """End what does not answer: the model in the middle of a turn, else the present one; `reload` opens that again.

        By force after a second; the turn fails.
        """
        present = [self._current] if self._current is not None else []
        for model in [model for model in self._pool.models if model.answers] or present:
            await self._close(model)

    def sibling(self) -> "ModelHost":
        """Another host for the same models, without any loaded: for what goes on beside the conversation."""
        other = ModelHost(self._open_engine, self.runtime)
        other.encodings = self.encodings
        other._make_pool = self._make_pool
        other._pool = self._make_pool()
        return other

    def companion(self, runtime: Runtime) -> "Companion":
        """A host for one more model beside this one, out of the same pool."""
        from llmtui.services.companion import Companion  # noqa: PLC0415 - it is a host itself

        other = Companion(self._open_engine, runtime, self._pool, lambda: self._current)
        other.encodings = self.encodings
        return other

    async def close(self) -> None:
        """Unload all models; safe to call twice."""
        self._current = None
        await self._pool.close_all()

    async def _open_with_room(self, info: ModelInfo) -> AsyncGenerator[LoadEvent]:
        if self._current is not None and not self._current.engine.alive:
            await self._close_current()
        while (busy := await self._pool.make_room(info, self.runtime, self._current)) is not None:
            yield LoadProgress("when the answer has ended: there is no room for both")
            await busy.idle.wait()
        while True:
            self._forget_closed()
            try:
                async with contextlib.aclosing(self._open(info)) as events:
                    async for event in events:
                        yield event
            except OutOfMemoryError:
                if not await self._pool.make_all_room(info, self._current):
                    raise
            else:
                return

    async def _open(self, info: ModelInfo) -> AsyncGenerator[LoadEvent]:
        runtime, stamp = self.runtime, await stamp_of(info)
        fresh = self._open_engine(info, runtime)
        async with _closed_unless_kept(fresh) as keep, contextlib.aclosing(_events(fresh)) as events:
            async for event in events:
                if isinstance(event, Loaded):
                    keep()
                    await self._adopt(Warm(info, runtime, fresh, stamp), info, event.model.load_s)
                yield event

    async def _adopt(self, model: Warm, info: ModelInfo, load_s: float | None) -> None:
        before = self._info
        if before is not None and not model.is_model(before):
            self._previous = before
        elif self._previous is not None and model.is_model(self._previous):
            self._previous = None  # the one between them was forgotten
        self._current, self._info = model, info
        self._unclaimed_load_s = load_s
        self._pool.put(model)
        await self._pool.trim(model)

    async def _close_current(self) -> None:
        if self._current is not None:
            await self._close(self._current)

    async def _close(self, model: Warm) -> None:
        if model is self._current:
            self._current = None
        await self._pool.close(model)

    def _forget_closed(self) -> None:
        if self._current is not None and not self._current.engine.alive:
            self._current = None


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
