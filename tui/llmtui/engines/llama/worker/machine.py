"""What this process may use of the machine: cores and memory."""

import math
import os
from pathlib import Path

CPU_FOLDER = Path("/sys/devices/system/cpu")
CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Physical cores this process may run on, at least 1, bounded by a container's quota.

    Two hyperthreads of one core share its arithmetic units: a thread for each slows llama.cpp down.
    """
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = {_siblings(cpu) for cpu in cpus}
    return max(1, min(len(cores), _quota_cores() or len(cores)))


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping or being killed; None where the system does not tell."""
    available = _meminfo("MemAvailable")
    limit = _read_number(CGROUP / "memory.max")
    used = _read_number(CGROUP / "memory.current")
    if limit is not None and used is not None:
        # The page cache counts as used but is given up under pressure.
        left = limit - used + (_stat_value(CGROUP / "memory.stat", "file") or 0)
        available = left if available is None else min(available, left)
    return available


def _siblings(cpu: int) -> str:
    try:
        return (CPU_FOLDER / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _quota_cores() -> int | None:
    try:
        quota, period = (CGROUP / "cpu.max").read_text().split()
        return max(1, math.floor(int(quota) / int(period)))
    except (OSError, ValueError):
        return None


def _meminfo(key: str) -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return None


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _stat_value(path: Path, key: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(" ")
        if name == key and value.isdigit():
            return int(value)
    return None
