"""One look at the NVIDIA GPU through NVML, with the library opened once and the handles kept.

A machine without a GPU learns so once: the reason is kept, and no later look tries again. There, the energy of the
processor packages (RAPL) stands in where it can be read, and the reason says so.
"""

import contextlib
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec

from llmtui.domain.metrics import GpuReading
from llmtui.probes import rapl

_NOT_LISTED = "the driver does not list this process: it holds nothing on the GPU, or a container hides it"


class GpuProbe:
    """Keeps NVML open. `read` may be called from any thread; it does not raise."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nvml: ModuleType | None = None
        self._devices: list[Any] = []
        self._absent: str | None = None
        self._rapl: tuple[Any, ...] = ()

    def read(self, pid: int | None) -> GpuReading:
        """The devices that hold `pid`, summed; another device's figures would not be the model's.

        Args:
            pid: the process that holds the model; None asks for the first device.
        """
        with self._lock:
            if self._nvml is None and self._absent is None:
                self._open()
            if self._nvml is None:
                return GpuReading(energy_mj=rapl.read_energy_mj(self._rapl), reason=self._absent)
            return self._read_devices(self._nvml, pid)

    def _open(self) -> None:
        try:
            import pynvml  # noqa: PLC0415 - 15 ms that machines without a GPU pay once
        except ImportError:
            self._give_up("the NVML bindings (nvidia-ml-py) are not installed")
            return
        try:
            pynvml.nvmlInit()
            self._devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError as error:
            self._give_up(_reason(pynvml, error))
            return
        if self._devices:
            self._nvml = pynvml
        else:
            self._give_up("the NVIDIA driver sees no GPU")

    def _give_up(self, reason: str) -> None:
        self._rapl = rapl.package_counters()
        self._absent = f"{reason}; energy is that of the processor packages (RAPL)" if self._rapl else reason

    def _read_devices(self, nvml: ModuleType, pid: int | None) -> GpuReading:
        held = [(device, size) for device in self._devices if (size := _process_bytes(nvml, device, pid)) is not None]
        if pid is not None and not held:
            return GpuReading(reason=_NOT_LISTED)
        devices = [device for device, _ in held] or self._devices[:1]
        readings = [_read_device(nvml, device) for device in devices]
        total = readings[0] if len(readings) == 1 else _sum(readings)
        sizes = [size for _, size in held if size >= 0]
        return msgspec.structs.replace(total, process_bytes=sum(sizes) if sizes else None)


def _reason(nvml: ModuleType, error: Exception) -> str:
    if isinstance(error, nvml.NVMLError_LibraryNotFound):
        return "no NVIDIA driver found"
    if isinstance(error, nvml.NVMLError_DriverNotLoaded):
        return "the NVIDIA driver is installed but not loaded"
    if isinstance(error, nvml.NVMLError_NoPermission):
        return "no permission to talk to the NVIDIA driver"
    return f"the NVIDIA driver answered: {error}"


def _ask(nvml: ModuleType, query: Callable[[], Any]) -> Any:
    """The answer, or None where this device or driver does not give it."""
    with contextlib.suppress(nvml.NVMLError):
        return query()
    return None


def _process_bytes(nvml: ModuleType, device: Any, pid: int | None) -> int | None:
    """Bytes of `pid` on a device; -1 where the driver lists it without a figure, None where it does not list it."""
    if pid is None:
        return None
    for process in _ask(nvml, lambda: nvml.nvmlDeviceGetComputeRunningProcesses(device)) or ():
        if process.pid == pid:
            return -1 if process.usedGpuMemory is None else int(process.usedGpuMemory)
    return None


def _read_device(nvml: ModuleType, device: Any) -> GpuReading:
    name = _ask(nvml, lambda: nvml.nvmlDeviceGetName(device))
    memory = _ask(nvml, lambda: nvml.nvmlDeviceGetMemoryInfo(device))
    util = _ask(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(device))
    power_mw = _ask(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(device))
    return GpuReading(
        name=name.decode(errors="replace") if isinstance(name, bytes) else name,
        used_bytes=None if memory is None else int(memory.used),
        total_bytes=None if memory is None else int(memory.total),
        util_percent=None if util is None else float(util.gpu),
        power_w=None if power_mw is None else power_mw / 1000,
        energy_mj=_ask(nvml, lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(device)),
    )


def _sum(readings: list[GpuReading]) -> GpuReading:
    """Several devices as one: amounts added, utilisation averaged; a figure that one of them lacks is unknown."""

    def added(field: str) -> Any:
        values = [getattr(reading, field) for reading in readings]
        return None if None in values else sum(values)

    util = added("util_percent")
    return GpuReading(
        name=f"{len(readings)} × {readings[0].name}",
        used_bytes=added("used_bytes"),
        total_bytes=added("total_bytes"),
        util_percent=None if util is None else util / len(readings),
        power_w=added("power_w"),
        energy_mj=added("energy_mj"),
    )


_PROBE = GpuProbe()


def read_gpu(pid: int | None) -> GpuReading:
    """A reading of the GPU that holds process `pid`, see `GpuProbe.read`; `reason` says why figures are missing."""
    return _PROBE.read(pid)
