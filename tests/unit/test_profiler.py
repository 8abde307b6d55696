"""The sampler: one reading a tick, prompt to stop, hard to kill."""

import queue
import threading

import pytest

from llmtui.domain.metrics import HostReading
from llmtui.services.profiler import Profiler

WAIT_S = 10


class Reader:
    """Takes readings that carry the watched process and a number."""

    def __init__(self) -> None:
        self.count = 0
        self.threads: set[str] = set()

    def __call__(self, pid: int | None) -> HostReading:
        self.count += 1
        self.threads.add(threading.current_thread().name)
        return HostReading(t_ns=self.count, memory_total_bytes=pid)


@pytest.fixture
def readings() -> "queue.Queue[HostReading]":
    return queue.Queue()


def test_every_tick_hands_out_a_new_reading(readings: "queue.Queue[HostReading]") -> None:
    reader = Reader()
    profiler = Profiler(0.001, read=reader)
    assert profiler.reading().gpu.reason == "not sampled yet"
    profiler.start(readings.put)
    stamps = [readings.get(timeout=WAIT_S).t_ns for _ in range(3)]
    profiler.stop()
    assert stamps == [1, 2, 3]
    assert reader.threads == {"profiler"}
    assert profiler.reading().t_ns == reader.count


def test_a_newly_watched_process_is_sampled_at_once(readings: "queue.Queue[HostReading]") -> None:
    profiler = Profiler(3600, read=Reader())
    profiler.start(readings.put)
    assert readings.get(timeout=WAIT_S).memory_total_bytes is None
    profiler.watch(42)
    assert readings.get(timeout=WAIT_S).memory_total_bytes == 42
    profiler.stop()


def test_stop_does_not_wait_for_the_next_tick(readings: "queue.Queue[HostReading]") -> None:
    profiler = Profiler(3600, read=Reader())
    profiler.start(readings.put)
    readings.get(timeout=WAIT_S)
    done = threading.Thread(target=profiler.stop)
    done.start()
    done.join(WAIT_S)
    assert not done.is_alive()
    profiler.stop()
    assert readings.empty()


def test_neither_probe_nor_listener_ends_the_sampling() -> None:
    ticks: queue.Queue[HostReading] = queue.Queue()
    reader = Reader()

    def fragile(pid: int | None) -> HostReading:
        reading = reader(pid)
        if reading.t_ns % 2:
            raise OSError("lost the device")
        return reading

    def listener(reading: HostReading) -> None:
        ticks.put(reading)
        raise RuntimeError("the screen is gone")

    profiler = Profiler(0.001, read=fragile)
    profiler.start(listener)
    first, second, third = (ticks.get(timeout=WAIT_S) for _ in range(3))
    profiler.stop()
    assert first.gpu.reason == "the probe failed: lost the device"
    assert second.t_ns == 2
    assert third.memory_total_bytes is None


def test_it_can_be_started_again_but_not_twice(readings: "queue.Queue[HostReading]") -> None:
    profiler = Profiler(3600, read=Reader())
    profiler.start(readings.put)
    with pytest.raises(RuntimeError, match="running already"):
        profiler.start(readings.put)
    profiler.stop()
    profiler.start(readings.put)
    assert readings.get(timeout=WAIT_S).t_ns == 1
    assert readings.get(timeout=WAIT_S).t_ns == 2
    profiler.stop()


def test_the_listener_itself_may_stop_it() -> None:
    stopped = threading.Event()
    profiler = Profiler(3600, read=Reader())

    def listener(reading: HostReading) -> None:
        profiler.stop()
        stopped.set()

    profiler.start(listener)
    assert stopped.wait(WAIT_S)


def test_the_real_probe_feeds_it(readings: "queue.Queue[HostReading]") -> None:
    profiler = Profiler(0.01)
    profiler.start(readings.put)
    reading = readings.get(timeout=WAIT_S)
    profiler.stop()
    assert reading.memory_total_bytes is not None
