"""Loading models from the chat screen: progress, giving up, and what waits for the model."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from llmtui.app import format as fmt
from llmtui.domain.events import LoadEvent, LoadProgress
from llmtui.domain.models import ModelInfo
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


class Loading(msgspec.Struct, frozen=True):
    """A model that is being opened; `fraction` is None where the engine does not say."""

    name: str
    stage: str = "opening"
    fraction: float | None = None


class Loader:
    """Opens models through the host, one at a time; a new load gives up the one under way.

    Attributes:
        state: the load under way; it begins with one, because the program loads a model when it starts.

    Args:
        services: the parts of the program.
        changed: called when `state` differs.
        failed: called with what went wrong.
    """

    def __init__(
        self, services: "Services", *, changed: Callable[[], None], failed: Callable[[LlmtuiError], None]
    ) -> None:
        self.state: Loading | None = Loading("model")
        self._services = services
        self._changed = changed
        self._failed = failed
        self._task: asyncio.Task[object] | None = None
        self._chosen = False

    @property
    def dead(self) -> bool:
        """Whether a model was loaded and its engine is gone."""
        host = self._services.host
        return self.state is None and host.info is not None and not host.alive

    async def load_first(self, specs: Sequence[str]) -> bool | None:
        """Load the first of these that can be found; each that cannot is reported. True when one is ready.

        When another load was asked for or given up before this began, that stands: None while it runs.
        """
        if self._chosen:
            return None if self.state is not None else self._services.host.alive
        self._task = asyncio.current_task()
        info = await self._first_of(specs)
        return info is not None and await self._follow(self._services.host.load(info), fmt.name(info.name))

    async def _first_of(self, specs: Sequence[str]) -> ModelInfo | None:
        info: ModelInfo | None = None
        try:
            for spec in specs:
                self._show(Loading(fmt.name(spec)))
                try:
                    info = await asyncio.to_thread(self._services.catalogue.resolve, spec)
                except LlmtuiError as error:
                    self._failed(error)
                else:
                    break
        finally:
            if info is None:
                self._show(None)
        return info

    async def load(self, info: ModelInfo) -> bool:
        """Load a model; True when it is ready."""
        await self.stop()
        return await self._follow(self._services.host.load(info), fmt.name(info.name))

    async def load_found(self, name: str, find: Callable[[], ModelInfo]) -> bool:
        """Load the model that `find`, run in a thread, comes back with; True when it is ready.

        Args:
            name: shown meanwhile.
            find: raises what stands in the way.
        """
        await self.stop()
        self._task = asyncio.current_task()
        self._show(Loading(fmt.name(name)))
        info: ModelInfo | None = None
        try:
            info = await asyncio.to_thread(find)
        except LlmtuiError as error:
            self._failed(error)
        finally:
            if info is None:
                self._show(None)
        return info is not None and await self._follow(self._services.host.load(info), fmt.name(info.name))

    async def reload(self) -> bool:
        """Load the present model again; True when it is ready."""
        from llmtui.services.adapters import reload  # noqa: PLC0415 - not needed for the first paint

        info = self._services.host.info
        if info is None:
            return False
        return await self._follow(reload(self._services.host), fmt.name(info.name))

    async def stop(self) -> None:
        """Give up a load under way, if any; the model before answers again when it is still there."""
        self._chosen = True
        task, self._task = self._task, None
        if task is None and self.state is not None:
            self._show(None)
        if task is not None and task is not asyncio.current_task() and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _follow(self, events: AsyncGenerator[LoadEvent], name: str) -> bool:
        self._task = asyncio.current_task()
        self._show(Loading(name))
        failure: LlmtuiError | None = None
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, LoadProgress):
                        self._show(Loading(name, fmt.name(event.stage), event.fraction))
        except LlmtuiError as error:
            failure = error
        finally:
            self._show(None)
        if failure is not None:
            self._failed(failure)
        return failure is None

    def _show(self, state: Loading | None) -> None:
        self.state = state
        self._changed()
