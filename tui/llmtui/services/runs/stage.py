"""The model that answers in a run: loaded once, brought back after its process died, given up when it always fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from llmtui.domain.events import Failed, LoadProgress
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.run import Identity
from llmtui.domain.text import visible_line
from llmtui.engines.base import SharesWork, failure_of
from llmtui.errors import EngineError, LlmtuiError
from llmtui.services.host import ModelHost
from llmtui.services.runs.asking import Bench

PATIENCE = 5
"""Samples in a row without an answer, because the engine failed, after which a model is given up."""


class GivenUpError(EngineError):
    """A model fails again and again."""


class Stage:
    """One model of a run. All of it runs on one event loop.

    Args:
        host: loads the model.
        info: which one.
        memory_bandwidth: of this machine, bytes a second.
        parallel: samples in flight.
        on_load: given stage and fraction of a load.
        on_back: told when the model is there again after its process had died.
    """

    def __init__(
        self,
        host: ModelHost,
        info: ModelInfo,
        *,
        memory_bandwidth: float | None,
        parallel: int,
        on_load: Callable[[str, float | None], None],
        on_back: Callable[[], None],
    ) -> None:
        self.info = info
        self._host = host
        self._memory_bandwidth = memory_bandwidth
        self._parallel = parallel
        self._on_load = on_load
        self._on_back = on_back
        self._mending = asyncio.Lock()
        self._failures = 0
        self._in_flight = 0
        self._entry = asyncio.Condition()

    @property
    def is_local(self) -> bool:
        """Whether a process of our own answers, with a slot for each sample in flight."""
        return self.info.server is None

    async def open(self) -> LoadedModel:
        """Load the model.

        Raises:
            ModelError, EngineError: it cannot be loaded.
        """
        async with contextlib.aclosing(self._host.load(self.info)) as events:
            async for event in events:
                if isinstance(event, LoadProgress):
                    self._on_load(event.stage, event.fraction)
        return self.bench().loaded

    async def close(self) -> None:
        """Unload the model."""
        await self._host.unload(self.info)

    async def bring_back(self) -> bool:
        """Load the model again if its process has died; whether it had.

        Raises:
            ModelError, EngineError: it cannot be loaded any more.
        """
        async with self._mending:
            if self._host.alive:
                return False
            async with contextlib.aclosing(self._host.reload()) as events:
                async for event in events:
                    if isinstance(event, LoadProgress):
                        self._on_load(event.stage, event.fraction)
            self._on_back()
            return True

    def bench(self) -> Bench:
        """What the next sample is asked with.

        Raises:
            EngineError: the model is not there.
        """
        engine, loaded = self._host.engine, self._host.loaded
        if engine is None or loaded is None:
            raise EngineError("The model did not come up", cause=self.info.path, remedy="Run `llmtui doctor`")
        return Bench(engine, loaded, self._host.runtime, self._memory_bandwidth, self.places)

    @property
    def places(self) -> int:
        """Samples that the engine can take at once, of those that may be in flight."""
        loaded = self._host.loaded
        slots = loaded.slots if loaded is not None else None
        return min(self._parallel, slots or self._parallel)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait until the engine has a place for one more sample.

        A server that says how many answers it writes at once is sent no more: they would wait there, their time to
        first token would tell of that, and the last of them might run out of patience.
        """
        async with self._entry:
            await self._entry.wait_for(lambda: self._in_flight < self.places)
            self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            async with self._entry:
                self._entry.notify_all()

    def others_answer(self) -> bool:
        """Whether a sample that failed on one of several servers can go to another at once."""
        engine = self._host.engine
        return engine is not None and isinstance(engine, SharesWork) and engine.answering > 0

    def claim_load_s(self) -> float | None:
        """Seconds of the last load, once."""
        return self._host.claim_load_s()

    def note(self, error: Failed | None) -> None:
        """Take what became of a sample.

        Raises:
            GivenUpError: it was one failure of the engine too many.
        """
        if error is None or error.kind not in {"engine", "model", "memory"}:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= PATIENCE:
            raise GivenUpError(
                f"{visible_line(self.info.name)} has failed {PATIENCE} samples in a row",
                cause=": ".join(part for part in (error.title, error.cause) if part),
                remedy="See to the engine, then take the run up again with --resume",
            )


def identity_of(name: str, loaded: LoadedModel) -> Identity:
    """Of a model as it was loaded, by the name that the user gave it."""
    return Identity(
        name=name,
        fingerprint=loaded.fingerprint,
        engine=loaded.engine,
        engine_build=loaded.engine_build,
        template_sha256=loaded.template_sha256,
    )


def failed(error: LlmtuiError) -> Failed:
    """An error as a record keeps it."""
    return failure_of(error)
