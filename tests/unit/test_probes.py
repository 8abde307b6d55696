"""Probes: cheap, true, and silent about what they cannot know."""

import os
import subprocess
import sys
import types
from pathlib import Path

import psutil
import pytest

from llmtui.domain.metrics import GpuReading, ProcessMemory
from llmtui.probes import gpu, host, machine, rapl, terminal
from llmtui.probes.bandwidth import measure_read_bandwidth
from llmtui.store.machine import Machine, read_machine, write_machine
from llmtui.store.paths import Folders

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux_only
def test_process_memory_is_split_into_anonymous_and_file_backed() -> None:
    ballast = bytearray(os.urandom(1)) * (64 << 20)
    memory = host.read_process(os.getpid())
    del ballast
    assert memory.rss_anon_bytes is not None
    assert memory.rss_file_bytes is not None
    assert memory.rss_peak_bytes is not None
    assert memory.rss_anon_bytes > 64 << 20
    assert 0 < memory.rss_file_bytes < memory.rss_peak_bytes
    assert memory.rss_peak_bytes >= memory.rss_anon_bytes


def test_a_process_that_is_gone_has_no_figures() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert host.read_process(child.pid) == ProcessMemory()
    assert host.read_host(child.pid).process == ProcessMemory()


@linux_only
def test_a_zombie_has_no_memory() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert host.read_process(child.pid) == ProcessMemory()
    finally:
        child.wait()


def test_host_reading_agrees_with_the_system() -> None:
    reading = host.read_host(None)
    assert reading.cpu_percent is None or 0 <= reading.cpu_percent <= 100
    assert reading.process == ProcessMemory()


def test_processor_load_is_unknown_at_first_and_never_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([(10.0, 90.0, 0.0), (10.0, 90.0, 0.0), (40.0, 160.0, 0.0), (40.0, 160.0, 100.0)])
    fields = types.SimpleNamespace

    def cpu_times() -> object:
        user, idle, iowait = next(times)
        return fields(idle=idle, _asdict=lambda: {"user": user, "idle": idle, "iowait": iowait, "guest": user})

    monkeypatch.setattr(psutil, "cpu_times", cpu_times)
    meter = host._CpuMeter()
    first, unticked, busy, waiting = (meter.read() for _ in range(4))
    assert first is None
    assert unticked is None
    assert busy == 30.0  # guest time is part of user time and counts once
    assert waiting == 0.0


class FakeNvml(types.ModuleType):
    """NVML's functions over made-up devices."""

    class NVMLError(Exception):
        pass

    NVMLError_LibraryNotFound = type("NVMLError_LibraryNotFound", (NVMLError,), {})
    NVMLError_DriverNotLoaded = type("NVMLError_DriverNotLoaded", (NVMLError,), {})
    NVMLError_NoPermission = type("NVMLError_NoPermission", (NVMLError,), {})

    def __init__(self, processes: list[dict[int, int | None]], fail: Exception | None = None) -> None:
        super().__init__("pynvml")
        self.processes, self.fail, self.inits = processes, fail, 0
        self.unsupported: set[str] = set()
        self.nvmlInit = self.init
        self.nvmlDeviceGetCount = self.count
        self.nvmlDeviceGetHandleByIndex = self.handle
        self.nvmlDeviceGetName = self.name_of
        self.nvmlDeviceGetMemoryInfo = self.memory
        self.nvmlDeviceGetUtilizationRates = self.utilisation
        self.nvmlDeviceGetPowerUsage = self.power
        self.nvmlDeviceGetTotalEnergyConsumption = self.energy
        self.nvmlDeviceGetComputeRunningProcesses = self.running

    def init(self) -> None:
        self.inits += 1
        if self.fail:
            raise self.fail

    def count(self) -> int:
        return len(self.processes)

    def handle(self, index: int) -> int:
        return index

    def name_of(self, device: int) -> bytes:
        return b"Card %d" % device

    def memory(self, device: int) -> object:
        return types.SimpleNamespace(used=1000 + device, total=8000)

    def utilisation(self, device: int) -> object:
        return types.SimpleNamespace(gpu=40 + 20 * device)

    def power(self, device: int) -> int:
        if "power" in self.unsupported:
            raise self.NVMLError("not supported")
        return 150_000

    def energy(self, device: int) -> int:
        return 5_000_000 + device

    def running(self, device: int) -> list[object]:
        return [types.SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in self.processes[device].items()]


@pytest.fixture
def no_rapl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rapl, "package_counters", lambda: ())


def install(monkeypatch: pytest.MonkeyPatch, nvml: FakeNvml) -> gpu.GpuProbe:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    return gpu.GpuProbe()


def test_gpu_figures_are_those_of_the_device_that_holds_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = install(monkeypatch, FakeNvml([{1: 111}, {42: 2222, 1: 5}]))
    assert probe.read(42) == GpuReading(
        name="Card 1",
        process_bytes=2222,
        used_bytes=1001,
        total_bytes=8000,
        util_percent=60.0,
        power_w=150.0,
        energy_mj=5_000_001,
    )


def test_a_process_on_two_devices_is_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = install(monkeypatch, FakeNvml([{42: 10}, {42: 20}])).read(42)
    assert (reading.name, reading.process_bytes, reading.total_bytes) == ("2 × Card 0", 30, 16000)
    assert (reading.power_w, reading.util_percent, reading.energy_mj) == (300.0, 50.0, 10_000_001)


def test_a_process_that_no_device_holds_gets_no_other_processs_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = install(monkeypatch, FakeNvml([{1: 111}])).read(42)
    assert reading == GpuReading(reason=reading.reason)
    assert "does not list this process" in (reading.reason or "")


def test_without_a_process_the_first_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = install(monkeypatch, FakeNvml([{}, {}])).read(None)
    assert (reading.name, reading.total_bytes, reading.process_bytes, reading.reason) == ("Card 0", 8000, None, None)


def test_bytes_that_the_driver_withholds_are_unknown_not_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = install(monkeypatch, FakeNvml([{42: None}])).read(42)
    assert reading.process_bytes is None
    assert reading.name == "Card 0"


def test_a_figure_that_a_device_lacks_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = FakeNvml([{42: 1}, {42: 1}])
    nvml.unsupported.add("power")
    reading = install(monkeypatch, nvml).read(42)
    assert reading.power_w is None
    assert reading.util_percent == 50.0


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (FakeNvml.NVMLError_LibraryNotFound(), "no NVIDIA driver found"),
        (FakeNvml.NVMLError_DriverNotLoaded(), "not loaded"),
        (FakeNvml.NVMLError_NoPermission(), "no permission"),
        (FakeNvml.NVMLError("odd"), "answered: odd"),
    ],
)
def test_without_a_gpu_the_reason_is_kept_and_nothing_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, no_rapl: None, failure: Exception, words: str
) -> None:
    nvml = FakeNvml([], failure)
    probe = install(monkeypatch, nvml)
    readings = [probe.read(1) for _ in range(3)]
    assert nvml.inits == 1
    assert words in (readings[0].reason or "")
    assert readings == [readings[0]] * 3
    assert readings[0].energy_mj is None


def test_a_driver_without_devices_says_so(monkeypatch: pytest.MonkeyPatch, no_rapl: None) -> None:
    assert install(monkeypatch, FakeNvml([])).read(None) == GpuReading(reason="the NVIDIA driver sees no GPU")


def package(root: Path, name: str, energy: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "energy_uj").write_text(energy)
    return folder / "energy_uj"


def test_rapl_counts_packages_once(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "2000000\n")
    package(tmp_path, "intel-rapl:1", "3000999\n")
    package(tmp_path, "intel-rapl:0:0", "1500000\n")
    package(tmp_path, "intel-rapl-mmio:0", "9000000\n")
    counters = rapl.package_counters(tmp_path)
    assert [path.parent.name for path in counters] == ["intel-rapl:0", "intel-rapl:1"]
    assert rapl.read_energy_mj(counters) == 5000


def test_rapl_energy_is_unknown_once_a_counter_cannot_be_read(tmp_path: Path) -> None:
    first, second = package(tmp_path, "intel-rapl:0", "1000"), package(tmp_path, "intel-rapl:1", "1000")
    second.write_text("gone")
    assert rapl.read_energy_mj((first, second)) is None
    assert rapl.read_energy_mj(()) is None
    assert rapl.package_counters(tmp_path) == (first,)


def test_rapl_stands_in_for_a_missing_gpu_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counter = package(tmp_path, "intel-rapl:0", "7000000")
    monkeypatch.setattr(rapl, "package_counters", lambda: (counter,))
    reading = install(monkeypatch, FakeNvml([], FakeNvml.NVMLError_LibraryNotFound())).read(None)
    assert reading.energy_mj == 7000
    assert reading.reason == "no NVIDIA driver found; energy is that of the processor packages (RAPL)"


def test_bandwidth_measured_on_another_processor_is_none_of_this_one(tmp_path: Path) -> None:
    folders = Folders.resolve({"LLMTUI_CONFIG_DIR": str(tmp_path), "LLMTUI_DATA_DIR": str(tmp_path)})
    kept = Machine(memory_bandwidth=1e9, cpu="old")
    write_machine(folders, kept)
    assert read_machine(folders, machine.cpu_name()) == Machine()
    assert read_machine(folders, "old") == kept
    assert read_machine(folders, None) == kept


def test_machine_facts() -> None:
    reading = machine.read_machine()
    assert reading.cores_usable == machine.usable_cores()
    assert reading.cores_usable is not None
    assert 0 < reading.cores_usable <= (reading.cores_logical or 0)
    assert reading.memory_total_bytes == psutil.virtual_memory().total


@pytest.mark.parametrize(("text", "quota"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None)])
def test_container_processor_quota(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert machine._cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(("text", "limit"), [("4096\n", 4096), ("max\n", None), ("99999\n", None)])
def test_container_memory_limit(tmp_path: Path, text: str, limit: int | None) -> None:
    (tmp_path / "memory.max").write_text(text)
    assert machine._memory_limit(10_000, tmp_path) == limit
    assert machine._memory_limit(10_000, tmp_path / "none") is None


def test_bandwidth_is_plausible_and_refused_without_memory() -> None:
    measured = measure_read_bandwidth(1, available_bytes=1 << 30, seconds=0.03)
    assert measured is not None
    assert 1e8 < measured < 1e13
    assert measure_read_bandwidth(2, available_bytes=64 << 20) is None


@pytest.mark.parametrize(
    ("environ", "colours", "multiplexer", "remote"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "true colour", None, False),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/x", "SSH_TTY": "/dev/pts/1"}, "256", "tmux", True),
        ({"TERM": "xterm", "STY": "1.a"}, "16", "screen", False),
        ({"TERM": "dumb"}, "none", None, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "none", None, False),
    ],
)
def test_terminal_tells_colours_and_what_lies_between(
    environ: dict[str, str], colours: str, multiplexer: str | None, remote: bool
) -> None:
    reading = terminal.read_terminal(environ)
    assert (reading.colours, reading.multiplexer, reading.remote) == (colours, multiplexer, remote)
