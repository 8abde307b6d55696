"""What the machine is: processor, cores that this process may use, memory that its container allows."""

import functools
import os
import platform
import sys
from pathlib import Path

import msgspec


class MachineReading(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that do not change while the program runs; None where the system does not tell.

    Attributes:
        cores_usable: what affinity allows this process.
        cpu_quota: processors' worth of time that the container grants; None without a limit.
        memory_limit_bytes: of the container; None without a limit.
    """

    system: str
    cpu: str | None
    architecture: str
    cores_physical: int | None
    cores_logical: int | None
    cores_usable: int | None
    cpu_quota: float | None
    memory_total_bytes: int
    memory_available_bytes: int
    memory_limit_bytes: int | None


def read_machine() -> MachineReading:
    """Look once; costs a few milliseconds."""
    import psutil  # noqa: PLC0415 - 40 ms that only readers of the host pay

    memory = psutil.virtual_memory()
    return MachineReading(
        system=f"{platform.system()} {platform.release()}",
        cpu=cpu_name(),
        architecture=platform.machine(),
        cores_physical=psutil.cpu_count(logical=False),
        cores_logical=psutil.cpu_count(),
        cores_usable=usable_cores(),
        cpu_quota=_cpu_quota(),
        memory_total_bytes=memory.total,
        memory_available_bytes=memory.available,
        memory_limit_bytes=_memory_limit(memory.total),
    )


def usable_cores() -> int | None:
    """Logical processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


@functools.cache
def cpu_name() -> str | None:
    """The processor's model as the system names it; looked up once."""
    if sys.platform == "linux":
        for line in _text(Path("/proc/cpuinfo")).splitlines():
            key, _, value = line.partition(":")
            if key.strip() in {"model name", "Model", "Hardware"} and value.strip():
                return value.strip()
    return platform.processor() or None


def _cpu_quota(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    quota, _, period = _text(root / "cpu.max").strip().partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _memory_limit(total: int, root: Path = Path("/sys/fs/cgroup")) -> int | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        value = _text(root / name).strip()
        if value.isdigit() and int(value) < total:
            return int(value)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
