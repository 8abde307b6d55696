"""Processor, memory and its measured speed, GPU."""

from llmtui.domain.quantities import size
from llmtui.errors import StoreError
from llmtui.probes.bandwidth import measure_read_bandwidth
from llmtui.probes.gpu import read_gpu
from llmtui.probes.machine import MachineReading, read_machine
from llmtui.services.checkup.report import Check
from llmtui.store.machine import Machine, write_machine
from llmtui.store.paths import Folders


def machine(folders: Folders) -> tuple[Check, ...]:
    """Facts of the machine; memory bandwidth is measured and kept for `bandwidth_fraction`."""
    reading = read_machine()
    return (
        Check(key="machine.system", label="system", status="info", value=f"{reading.system} {reading.architecture}"),
        Check(key="machine.cpu", label="processor", status="info", value=reading.cpu or "not told"),
        _cores(reading),
        _memory(reading),
        _bandwidth(reading, folders),
    )


def gpu(*, offload: bool) -> tuple[Check, ...]:
    """The GPU, or why there is none.

    Args:
        offload: whether the build of llama.cpp can compute on one.
    """
    reading = read_gpu(None)
    if reading.name is None:
        return (Check(key="gpu", label="nvidia", status="info", value=f"none: {reading.reason}"),)
    parts = [reading.name]
    if reading.total_bytes is not None and reading.used_bytes is not None:
        parts.append(f"{size(reading.total_bytes - reading.used_bytes)} free of {size(reading.total_bytes)}")
    if reading.power_w is not None:
        parts.append(f"{reading.power_w:.0f} W")
    hint = "It is not used: build llama-cpp-python for it, with CMAKE_ARGS=-DGGML_CUDA=on"
    return (
        Check(
            key="gpu",
            label="nvidia",
            status="ok" if offload else "warn",
            value=", ".join(parts),
            hint="" if offload else hint,
            amount=reading.total_bytes,
        ),
    )


def _cores(reading: MachineReading) -> Check:
    parts = [
        f"{amount} {name}"
        for amount, name in (
            (reading.cores_physical, "physical"),
            (reading.cores_logical, "logical"),
            (reading.cores_usable, "usable"),
        )
        if amount is not None
    ]
    if reading.cpu_quota is not None:
        parts.append(f"the container grants {reading.cpu_quota:g}")
    tight = reading.cpu_quota is not None and reading.cores_usable and reading.cpu_quota < reading.cores_usable
    return Check(
        key="machine.cores",
        label="cores",
        status="warn" if tight else "info",
        value=", ".join(parts) or "not told",
        hint="Set `threads` no higher than the container grants" if tight else "",
        amount=reading.cores_usable,
    )


def _memory(reading: MachineReading) -> Check:
    value = f"{size(reading.memory_available_bytes)} free of {size(reading.memory_total_bytes)}"
    if reading.memory_limit_bytes is not None:
        value += f", the container is limited to {size(reading.memory_limit_bytes)}"
    short = reading.memory_available_bytes < 1 << 30
    return Check(
        key="machine.memory",
        label="memory",
        status="warn" if short else "ok",
        value=value,
        hint="Less than 1 GiB is free: close other programs before you load a model" if short else "",
        amount=reading.memory_total_bytes,
    )


def _bandwidth(reading: MachineReading, folders: Folders) -> Check:
    key, label = "machine.bandwidth", "bandwidth"
    threads = min(reading.cores_physical or 1, reading.cores_usable or 1)
    available = min(reading.memory_available_bytes, reading.memory_limit_bytes or reading.memory_available_bytes)
    measured = measure_read_bandwidth(threads, available_bytes=available)
    if measured is None:
        return Check(key=key, label=label, status="info", value="not measured: too little memory is free")
    value = f"{measured / 1e9:.1f} GB/s read by {threads} threads (measured now)"
    try:
        write_machine(folders, Machine(memory_bandwidth=measured, cpu=reading.cpu))
    except StoreError as error:
        return Check(
            key=key,
            label=label,
            status="warn",
            value=f"{value}; not kept: {error.cause}",
            hint=error.remedy,
            amount=measured,
        )
    return Check(key=key, label=label, status="ok", value=value, amount=measured)
