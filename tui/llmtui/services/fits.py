"""Memory that a model could have on this machine now. The judging is `domain.fit`; the reading is here."""

import os
from collections.abc import Sequence
from functools import cache

from llmtui.domain.fit import Fit, Room, fit_of
from llmtui.domain.settings import Runtime

__all__ = ["Fit", "Room", "fit_of", "read_room"]


def read_room(runtime: Runtime, pids: Sequence[int] = ()) -> Room:
    """Look at memory: the GPU's when the build has one and layers go there. Call it from a thread.

    Args:
        runtime: how models are loaded.
        pids: processes of loaded models, which make room when another is loaded. What they have mapped from files
            counts as available already.
    """
    from llmtui.engines.llama.worker.machine import available_memory  # noqa: PLC0415 - at first use

    if runtime.rpc:
        return Room(where="memory", reason="it is spread over the machines that `rpc` names")
    if runtime.gpu_layers != 0:
        on_gpu = _gpu_room(runtime, pids)
        if on_gpu is not None:
            return on_gpu
    available, total = available_memory(), _physical_bytes()
    if available is None or total is None:
        import psutil  # noqa: PLC0415 - 40 ms that only systems without /proc pay

        memory = psutil.virtual_memory()
        available, total = int(memory.available), int(memory.total)
    held = sum(_anonymous_bytes(pid) for pid in pids)
    return Room(available_bytes=available + held, total_bytes=total)


def _gpu_room(runtime: Runtime, pids: Sequence[int]) -> Room | None:
    """None when models are loaded into the machine's own memory."""
    from llmtui.probes.gpu import read_gpu  # noqa: PLC0415 - the driver is opened at first use

    reading = read_gpu(None)
    if reading.total_bytes is None or not _build_uses_gpu():
        return None
    if runtime.gpu_layers is not None:
        return Room(where="GPU memory", reason="part of it goes to the GPU, as `gpu_layers` says")
    held = sum(read_gpu(pid).process_bytes or 0 for pid in pids)
    available = None if reading.used_bytes is None else reading.total_bytes - reading.used_bytes + held
    return Room(where="GPU memory", available_bytes=available, total_bytes=reading.total_bytes)


@cache
def _build_uses_gpu() -> bool:
    from llmtui.engines.llama.features import read_features  # noqa: PLC0415 - starts a process; asked with a GPU only
    from llmtui.errors import EngineError  # noqa: PLC0415

    try:
        return read_features().gpu_offload
    except EngineError:
        return False


def _physical_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _anonymous_bytes(pid: int) -> int:
    """0 for a process that is gone."""
    from llmtui.probes.host import read_process  # noqa: PLC0415 - as in `read_room`

    return read_process(pid).rss_anon_bytes or 0
