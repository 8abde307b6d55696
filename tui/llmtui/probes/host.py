"""One cheap look at the machine and at the process that holds the model.

Nothing here raises for a process that is gone or a figure the system does not give: the field stays None.
"""

import sys
import threading
import time
from pathlib import Path

from llmtui.domain.metrics import HostReading, ProcessMemory
from llmtui.probes.gpu import read_gpu

_IS_LINUX = sys.platform.startswith("linux")
_STATUS_FIELDS = {b"RssAnon:": "rss_anon_bytes", b"RssFile:": "rss_file_bytes", b"VmHWM:": "rss_peak_bytes"}


class _CpuMeter:
    """Share of all processors that was busy since the last look, on whichever thread it was taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = self._total = 0.0
        self._percent: float | None = None

    def read(self) -> float | None:
        """Percent, 0 to 100; None at the first look, the last value when the system's clock has not ticked."""
        import psutil  # noqa: PLC0415 - 40 ms that only readers of the host pay

        times = psutil.cpu_times()
        fields = times._asdict()
        total = sum(fields.values()) - fields.get("guest", 0.0) - fields.get("guest_nice", 0.0)
        busy = total - times.idle - fields.get("iowait", 0.0)
        with self._lock:
            elapsed, worked = total - self._total, busy - self._busy
            if self._total and elapsed > 0:
                self._percent = min(100.0, max(0.0, 100 * worked / elapsed))
            self._busy, self._total = busy, total
            return self._percent


_CPU = _CpuMeter()


def read_host(pid: int | None) -> HostReading:
    """A reading of the host, of its GPU, and of process `pid` where one is given.

    Args:
        pid: the process that holds the model; None for a server's model or none at all.
    """
    return HostReading(
        t_ns=time.perf_counter_ns(),
        cpu_percent=_CPU.read(),
        process=read_process(pid) if pid is not None else ProcessMemory(),
        gpu=read_gpu(pid),
    )


def read_process(pid: int) -> ProcessMemory:
    """Memory of a process; all None when it is gone or the system does not tell.

    Linux splits resident memory into anonymous and file-backed. macOS does not, and a total that mixes mapped weights
    with the rest would only mislead.
    """
    return _read_status(Path(f"/proc/{pid}/status")) if _IS_LINUX else ProcessMemory()


def _read_status(path: Path) -> ProcessMemory:
    try:
        text = path.read_bytes()
    except OSError:
        return ProcessMemory()
    found: dict[str, int] = {}
    for line in text.splitlines():
        label, _, rest = line.partition(b"\t")
        field = _STATUS_FIELDS.get(label)
        if field is not None:
            found[field] = int(rest.split()[0]) * 1024
    return ProcessMemory(
        rss_anon_bytes=found.get("rss_anon_bytes"),
        rss_file_bytes=found.get("rss_file_bytes"),
        rss_peak_bytes=found.get("rss_peak_bytes"),
    )
