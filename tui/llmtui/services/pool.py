"""The warm pool: models that stay loaded, within a budget of memory, so that going back to one takes no time."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from llmtui.domain.fit import Room, fit_of
from llmtui.domain.metrics import ProcessMemory
from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Pool, Runtime
from llmtui.engines.base import Engine

UNKNOWN_CACHE_BYTES = 512 << 20
"""Room for KV cache and buffers of a model whose header does not say what they take."""
COPIED_WEIGHTS = 0.2
"""Share of the weights that may be copied into another layout for the processor."""
FileStamp = tuple[tuple[int, int, int, int] | None, ...]


class Warm:
    """A loaded model.

    Attributes:
        stamp: what its files were when the load began.
        runtime: what it was loaded with.
        answers: turns that it is in the middle of; it is not closed to make room for another before they end.
        idle: set while there are none.
    """

    __slots__ = ("answers", "engine", "idle", "info", "runtime", "stamp")

    def __init__(self, info: ModelInfo, runtime: Runtime, engine: Engine, stamp: FileStamp) -> None:
        self.info = info
        self.runtime = runtime
        self.engine = engine
        self.stamp = stamp
        self.answers = 0
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def local(self) -> bool:
        """Whether it takes this machine's memory; a server's model costs nothing here."""
        return self.info.server is None

    def is_model(self, info: ModelInfo) -> bool:
        """Whether `info` is the same model, by whichever name."""
        return _identity(self.info) == _identity(info)


class _Held(NamedTuple):
    """Memory of a process: its own, and file pages, which processes that map the same file share."""

    own: int
    mapped: int


class WarmPool:
    """Loaded models, the most recently used first. All of it runs on one event loop.

    Args:
        limits: the budget.
        free_memory: bytes that can be had now; None where unknown. Pages of mapped files count as free in it, because
            the system gives them up under pressure.
        process_memory: of a worker, by its process id.
    """

    def __init__(
        self,
        limits: Pool,
        *,
        free_memory: Callable[[], int | None] | None = None,
        process_memory: Callable[[int], ProcessMemory] | None = None,
    ) -> None:
        self._limits = limits
        self._free_memory = free_memory or _free_memory
        self._process_memory = process_memory or _process_memory
        self._models: list[Warm] = []
        self._closing: set[asyncio.Future[list[None]]] = set()

    @property
    def models(self) -> Sequence[Warm]:
        """Those that can answer, the most recently used first."""
        return tuple(model for model in self._models if model.engine.alive)

    @property
    def held_bytes(self) -> int:
        """Memory that the loaded models take; weights that several of them map count once."""
        held = self._held()
        mapped: dict[tuple[str, ...], int] = {}
        for model, memory in held:
            files = model.info.parts or (model.info.path,)
            mapped[files] = max(mapped.get(files, 0), memory.mapped)
        return sum(memory.own for _, memory in held) + sum(mapped.values())

    @property
    def budget_bytes(self) -> int | None:
        """Memory that the loaded models may take now, see `Pool`; None where it is unknown."""
        return self._limits.budget(self._obtainable())

    def put(self, model: Warm) -> None:
        """Take a model as the most recently used one."""
        if model in self._models:
            self._models.remove(model)
        self._models.insert(0, model)

    async def take(self, info: ModelInfo, runtime: Runtime) -> Warm | None:
        """The loaded model that `info` names, if it can answer and neither its files nor the settings have changed."""
        for model in self.models:
            if model.is_model(info) and model.runtime == runtime and model.stamp == await stamp_of(info):
                return model
        return None

    async def make_room(self, info: ModelInfo, runtime: Runtime, current: Warm | None) -> Warm | None:
        """Close what does not fit beside a model that is about to be loaded, the current one last.

        Where the model would not fit into the empty memory either, nothing is closed for it. Workers on other machines
        hold one model at a time: one that is loaded there goes.

        Returns:
            A model that stands in the way and is in the middle of an answer; None when the way is free.
        """
        if info.server is None:
            for model in self._by_age(current):
                if set(model.runtime.rpc).isdisjoint(runtime.rpc):
                    continue
                if model.answers:
                    return model
                await self.close(model)
        if info.server is not None or info.size_bytes is None or self._is_hopeless(info):
            return None
        for model in self._by_age(current):
            if self._fits(_needed_bytes(info, runtime)):
                return None
            if model.answers:
                return model
            await self.close(model)
        return None

    async def make_room_beside(self, info: ModelInfo, runtime: Runtime, kept: Warm | None) -> int | None:
        """Close what does not fit beside a further model, but neither `kept` nor one that answers.

        Nothing is closed where that would not be enough.

        Returns:
            Bytes that the model needs when there is no room for it; None when the way is free.
        """
        if info.server is not None or info.size_bytes is None:
            return None
        needed, budget = _needed_bytes(info, runtime), self.budget_bytes
        going = [model for model in self._by_age(kept) if model is not kept and not model.answers]
        staying = sum(memory.own + memory.mapped for model, memory in self._held() if model not in going)
        if budget is not None and staying + needed >= budget and not self._fits(needed):
            return needed
        for model in going:
            if self._fits(needed):
                break
            await self.close(model)
        return None if self._fits(needed) else needed

    async def make_all_room(self, info: ModelInfo, current: Warm | None) -> bool:
        """After a load that ran out of memory: close all but the current model, or, where there are none, that one.

        Returns:
            Whether another try makes sense.
        """
        if info.server is not None or self._is_hopeless(info):
            return False
        others = [model for model in self._by_age(current) if model is not current]
        going = others or [model for model in self._models if model is current]
        for model in going:
            await model.idle.wait()
        await self.close(*going)
        return bool(going)

    async def trim(self, current: Warm) -> None:
        """Close what is over the limits, dead, or out of date, but never the current model or one that answers."""
        await self.close(
            *(
                model
                for model in self._models
                if model is not current and not model.answers and _is_useless(model, current)
            )
        )
        most = self._limits.models
        for model in self._by_age(current):
            local = sum(1 for one in self._models if one.local)
            budget = self.budget_bytes
            if model is current or not ((most and local > most) or budget is None or self.held_bytes > budget):
                return
            if not model.answers:
                await self.close(model)

    def find(self, info: ModelInfo) -> Warm | None:
        """The loaded model that `info` names, dead or alive."""
        return next((model for model in self._models if model.is_model(info)), None)

    async def close(self, *models: Warm) -> None:
        """Unload these, to the end even when the caller is cancelled meanwhile."""
        self._models = [model for model in self._models if model not in models]
        closing = asyncio.gather(*(model.engine.close() for model in models))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        await asyncio.shield(closing)

    async def close_all(self) -> None:
        """Unload everything, and wait for what is being unloaded already."""
        await self.close(*self._models)
        if self._closing:
            await asyncio.wait(self._closing)

    def _by_age(self, current: Warm | None) -> Iterable[Warm]:
        """Those that take memory, the least recently used first, the current one last."""
        models = [model for model in reversed(self._models) if model.local and model is not current]
        return (*models, current) if current is not None and current.local and current in self._models else models

    def _fits(self, needed_bytes: int) -> bool:
        budget = self.budget_bytes
        return budget is None or self.held_bytes + needed_bytes < budget

    def _is_hopeless(self, info: ModelInfo) -> bool:
        """Whether the weights alone are more than all memory; on a GPU the host's memory says nothing about that."""
        if any(model.engine.loaded.gpu_layers for model in self._models if model.engine.loaded):
            return False
        obtainable = self._obtainable()
        return obtainable is not None and info.size_bytes is not None and info.size_bytes > obtainable

    def _obtainable(self) -> int | None:
        """Bytes that could be had if no model were loaded; None where unknown."""
        free = self._free_memory()
        return None if free is None else free + sum(memory.own for _, memory in self._held())

    def _held(self) -> list[tuple[Warm, _Held]]:
        return [(model, self._memory_of(model)) for model in self._models if model.local and model.engine.alive]

    def _memory_of(self, model: Warm) -> _Held:
        """As the system says; where it does not, as the engine's log or the size of the files does."""
        loaded = model.engine.loaded
        if loaded is not None and loaded.pid is not None:
            memory = self._process_memory(loaded.pid)
            if memory.rss_anon_bytes is not None and memory.rss_file_bytes is not None:
                return _Held(memory.rss_anon_bytes, memory.rss_file_bytes)
        weights = (loaded.memory.weights_bytes if loaded else None) or model.info.size_bytes or 0
        total = loaded.memory.total_bytes if loaded else None
        return _Held(max(0, (total or 0) - weights), weights)


def _is_useless(model: Warm, current: Warm) -> bool:
    return not model.engine.alive or model.is_model(current.info)


def _needed_bytes(info: ModelInfo, runtime: Runtime) -> int:
    weights = info.weights_bytes or info.size_bytes or 0
    total = fit_of(info, runtime, Room()).total_bytes or weights + UNKNOWN_CACHE_BYTES
    return total + int(COPIED_WEIGHTS * weights)


async def stamp_of(info: ModelInfo) -> FileStamp:
    """What tells whether the model's files were changed: identity, size and time of each; None for one that is gone."""
    return () if info.server is not None else await asyncio.to_thread(_read_stamp, info.parts or (info.path,))


def _read_stamp(paths: Iterable[str]) -> FileStamp:
    return tuple(_stat(path) for path in paths)


def _stat(path: str) -> tuple[int, int, int, int] | None:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identity(info: ModelInfo) -> tuple[str | None, ...]:
    """Ollama's names may share a file and differ in template and parameters; elsewhere the file is the model."""
    return info.server, info.path, info.served_id, info.name if info.source == "ollama" else None


def _free_memory() -> int | None:
    from llmtui.engines.llama.worker.machine import available_memory  # noqa: PLC0415 - read when a model is loaded

    available = available_memory()
    if available is None:
        import psutil  # noqa: PLC0415 - only where the system has no /proc/meminfo

        available = int(psutil.virtual_memory().available)
    return available


def _process_memory(pid: int) -> ProcessMemory:
    from llmtui.probes.host import read_process  # noqa: PLC0415 - read when a model is loaded

    return read_process(pid)
