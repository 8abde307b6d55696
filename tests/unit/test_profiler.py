"""The sampler: one reading a tick, prompt to stop, hard to kill."""

import os
import queue
import threading
import time

import pytest

from llmtui.domain.metrics import HostReading
from llmtui.services.profiler import Profiler

WAIT_S = 10


class Reader:
    """Takes readings that carry the watched process and a number, and hands them to the test as well."""

    def __init__(self) -> None:
        self.taken: queue.Queue[HostReading] = queue.Queue()
        self.count = 0
        self.threads: set[str] = set()

    def __call__(self, pid: int | None) -> HostReading:
        self.count += 1
        self.threads.add(threading.current_thread().name)
        reading = HostReading(t_ns=self.count, cpu_percent=pid)
        self.taken.put(reading)
        return reading

    def next(self) -> HostReading:
        return self.taken.get(timeout=WAIT_S)


def test_every_tick_takes_a_new_reading() -> None:
    reader = Reader()
    profiler = Profiler(0.001, read=reader)
    assert profiler.reading().gpu.reason == "not sampled yet"
    profiler.start()
    stamps = [reader.next().t_ns for _ in range(3)]
    profiler.stop()
    assert stamps == [1, 2, 3]
    assert reader.threads == {"profiler"}
    assert profiler.reading().t_ns == reader.count


def test_a_newly_watched_process_is_sampled_at_once() -> None:
    reader = Reader()
    profiler = Profiler(3600, read=reader)
    profiler.start()
    assert reader.next().cpu_percent is None
    profiler.watch(42)
    assert reader.next().cpu_percent == 42
    profiler.stop()


def test_stop_does_not_wait_for_the_next_tick() -> None:
    reader = Reader()
    profiler = Profiler(3600, read=reader)
    profiler.start()
    reader.next()
    done = threading.Thread(target=profiler.stop)
    done.start()
    done.join(WAIT_S)
    assert not done.is_alive()
    profiler.stop()
    assert reader.taken.empty()


def test_a_probe_that_fails_does_not_end_the_sampling() -> None:
    reader = Reader()
    before: list[str | None] = []

    def fragile(pid: int | None) -> HostReading:
        before.append(profiler.reading().gpu.reason)
        reading = reader(pid)
        if reading.t_ns == 1:
            raise OSError("lost the device")
        return reading

    profiler = Profiler(0.001, read=fragile)
    profiler.start()
    for _ in range(3):
        reader.next()
    profiler.stop()
    assert before[:3] == ["not sampled yet", "the probe failed: lost the device", None]


def test_it_can_be_started_again_but_not_twice() -> None:
    reader = Reader()
    profiler = Profiler(3600, read=reader)
    profiler.start()
    with pytest.raises(RuntimeError, match="running already"):
        profiler.start()
    assert reader.next().t_ns == 1
    profiler.stop()
    profiler.start()
    assert reader.next().t_ns == 2
    profiler.stop()


def test_the_real_probe_feeds_it() -> None:
    profiler = Profiler(0.01)
    profiler.start()
    deadline = time.monotonic() + WAIT_S
    while profiler.reading().cpu_percent is None and time.monotonic() < deadline:
        os.sched_yield()
    profiler.stop()
    assert profiler.reading().cpu_percent is not None
