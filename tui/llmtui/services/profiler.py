"""The sampler: one thread that looks at the machine twice a second and hands out immutable readings."""

import threading
import time
from collections.abc import Callable

from llmtui.domain.metrics import GpuReading, HostReading


def _read_host(pid: int | None) -> HostReading:
    from llmtui.probes.host import read_host  # noqa: PLC0415 - psutil is imported by the sampler's thread, not at start

    return read_host(pid)


class Profiler:
    """Samples the host and one watched process.

    A tick that fails gives a reading without figures; it does not end the sampling.

    Args:
        interval_s: seconds between looks.
        read: takes a reading; replaced in tests.
    """

    def __init__(self, interval_s: float = 0.5, *, read: Callable[[int | None], HostReading] = _read_host) -> None:
        self._interval_s = interval_s
        self._read = read
        self._pid: int | None = None
        self._latest = HostReading(t_ns=0, gpu=GpuReading(reason="not sampled yet"))
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopped = threading.Event()

    def watch(self, pid: int | None) -> None:
        """Sample this process's memory from now on, the first time at once; None watches none."""
        self._pid = pid
        self._wake.set()

    def reading(self) -> HostReading:
        """The latest reading; one without figures before the first tick."""
        return self._latest

    def start(self) -> None:
        """Begin to sample.

        Raises:
            RuntimeError: it is running already.
        """
        if self._thread is not None:
            raise RuntimeError("the profiler is running already")
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="profiler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it; safe to call twice."""
        self._stopped.set()
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.clear()
            self._latest = self._sample()
            self._wake.wait(self._interval_s)

    def _sample(self) -> HostReading:
        try:
            return self._read(self._pid)
        except Exception as error:  # noqa: BLE001 - whatever a driver raises, the next tick is another try
            return HostReading(t_ns=time.perf_counter_ns(), gpu=GpuReading(reason=f"the probe failed: {error}"))
