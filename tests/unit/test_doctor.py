"""The doctor: what is amiss fails or warns with a hint, what is right does neither."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from llmtui.cli import doctor as command
from llmtui.cli import main
from llmtui.domain.metrics import GpuReading
from llmtui.engines.llama import features
from llmtui.errors import EngineError, ModelError
from llmtui.probes.machine import MachineReading
from llmtui.probes.terminal import TerminalReading
from llmtui.services import doctor
from llmtui.services.checkup import demo, files, hardware, software
from llmtui.services.checkup.report import Check, DoctorReport, Section
from llmtui.services.models import Catalogue
from llmtui.services.wiring import build
from llmtui.store.config import Config
from llmtui.store.machine import machine_file, read_machine
from llmtui.store.paths import Folders

MACHINE = MachineReading(
    system="Linux 6",
    cpu="A CPU",
    architecture="x86_64",
    cores_physical=4,
    cores_logical=8,
    cores_usable=8,
    cpu_quota=None,
    memory_total_bytes=16 << 30,
    memory_available_bytes=8 << 30,
    memory_limit_bytes=None,
)
TERMINAL = TerminalReading(
    interactive=True,
    columns=80,
    rows=24,
    term="xterm-256color",
    program=None,
    colours="256",
    encoding="utf-8",
    multiplexer=None,
    remote=False,
)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.resolve({"LLMTUI_DATA_DIR": str(tmp_path / "data"), "LLMTUI_CONFIG_DIR": str(tmp_path / "config")})


@pytest.fixture
def no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "measure_read_bandwidth", lambda threads, available_bytes: 2e10)


def by_key(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.key: check for check in checks}


def test_versions_name_every_dependency() -> None:
    checks = by_key(software.versions())
    assert checks["versions.textual"].value[0].isdigit()
    assert {"versions.python", "versions.llmtui", "versions.llama-cpp-python", "versions.nvidia-ml-py"} <= set(checks)
    assert not [check for check in checks.values() if check.status == "fail"]


def test_a_missing_dependency_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "requires", lambda name: ["no-such-package>=1", "pytest; extra == 'dev'"])
    checks = by_key(software.versions())
    assert checks["versions.no-such-package"].status == "fail"
    assert checks["versions.no-such-package"].hint
    assert "versions.pytest" not in checks


def test_the_build_tells_its_features() -> None:
    checks = by_key(software.llama_build(software.ask_build()))
    assert checks["llama.build"].status == "ok"
    assert checks["llama.features"].value
    assert "CPU" in checks["llama.devices"].value
    assert checks["llama.rpc"].value.startswith(("yes", "no; it is built in with"))


def test_feature_line_is_read_as_llama_cpp_writes_it() -> None:
    build = features.Features(
        version="1",
        system_info="CUDA : ARCHS = 900 | F16 = 0 | CPU : AVX2 = 1 | SVE = 0 | OPENMP = 1 | ",
        gpu_offload=True,
        mmap=True,
        mlock=True,
        rpc=False,
        max_slots=1,
    )
    assert build.enabled == ("ARCHS", "AVX2", "OPENMP")


def test_a_build_that_does_not_load_fails_with_its_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'noise' >&2\nprintf 'libgomp.so.1: \\033[31mmissing\\n' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(EngineError, match="libgomp") as caught:
        features.read_features(str(broken))
    assert "\x1b" not in caught.value.cause
    broken.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(EngineError, match="none"):
        features.read_features(str(broken))
    with pytest.raises(EngineError, match="could not be asked"):
        features.read_features(str(tmp_path / "nothing"))

    def fail() -> features.Features:
        raise EngineError("llama.cpp cannot be loaded", cause="libgomp", remedy="Reinstall")

    monkeypatch.setattr(software, "read_features", fail)
    assert [(check.status, check.hint) for check in software.llama_build(software.ask_build())] == [
        ("fail", "Reinstall")
    ]


@pytest.mark.usefixtures("no_measuring")
def test_measured_bandwidth_is_kept(folders: Folders) -> None:
    check = by_key(hardware.machine(folders))["machine.bandwidth"]
    assert (check.status, check.amount) == ("ok", 2e10)
    assert read_machine(folders).memory_bandwidth == 2e10


@pytest.mark.usefixtures("no_measuring")
def test_a_cache_that_cannot_be_written_is_a_warning(folders: Folders) -> None:
    folders.data_dir.parent.mkdir(exist_ok=True)
    folders.data_dir.write_text("a file in the way")
    check = by_key(hardware.machine(folders))["machine.bandwidth"]
    assert check.status == "warn"
    assert "not kept" in check.value
    assert not machine_file(folders).exists()


@pytest.mark.usefixtures("no_measuring")
def test_a_tight_container_is_a_warning(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    tight = msgspec.structs.replace(MACHINE, cpu_quota=1.5, memory_limit_bytes=2 << 30, memory_available_bytes=1 << 29)
    monkeypatch.setattr(hardware, "read_machine", lambda: tight)
    checks = by_key(hardware.machine(folders))
    assert checks["machine.cores"].status == "warn"
    assert "grants 1.5" in checks["machine.cores"].value
    assert checks["machine.memory"].status == "warn"
    assert "limited to 2.0 GiB" in checks["machine.memory"].value


@pytest.mark.parametrize(
    ("reading", "offload", "status", "words"),
    [
        (GpuReading(reason="no NVIDIA driver found"), False, "info", "none: no NVIDIA driver found"),
        (GpuReading(name="Card", total_bytes=8 << 30, used_bytes=1 << 30), True, "ok", "Card, 7.0 GiB free of 8.0 GiB"),
        (GpuReading(name="Card", power_w=30.0), False, "warn", "Card, 30 W"),
    ],
)
def test_the_gpu_or_why_there_is_none(
    monkeypatch: pytest.MonkeyPatch, reading: GpuReading, *, offload: bool, status: str, words: str
) -> None:
    monkeypatch.setattr(hardware, "read_gpu", lambda pid: reading)
    (check,) = hardware.gpu(offload=offload)
    assert (check.status, check.value) == (status, words)
    assert ("CMAKE_ARGS" in check.hint) == (status == "warn")


@pytest.mark.parametrize(
    ("change", "key", "status", "words"),
    [
        ({}, "terminal.size", "ok", "80 columns × 24 rows"),
        ({"columns": 20, "rows": 5}, "terminal.size", "warn", "20 columns"),
        ({"interactive": False}, "terminal.size", "info", "not a terminal"),
        ({}, "terminal.colours", "ok", "256"),
        ({"term": "dumb"}, "terminal.colours", "warn", "TERM is dumb"),
        ({"term": None}, "terminal.colours", "warn", "not set"),
        ({}, "terminal.encoding", "ok", "utf-8"),
        ({"encoding": "iso8859-1"}, "terminal.encoding", "warn", "iso8859-1"),
        ({"multiplexer": "tmux", "remote": True}, "terminal.clipboard", "info", "over SSH, inside tmux"),
        ({"multiplexer": "screen"}, "terminal.clipboard", "warn", "screen"),
        ({"program": "WezTerm 1"}, "terminal.program", "info", "WezTerm 1"),
    ],
)
def test_the_terminal(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, object], key: str, status: str, words: str
) -> None:
    reading = msgspec.structs.replace(TERMINAL, **change)
    monkeypatch.setattr(software, "read_terminal", lambda: reading)
    check = by_key(software.terminal())[key]
    assert check.status == status
    assert words in check.value
    assert bool(check.hint) == (status == "warn" or (check.key == "terminal.clipboard" and change != {}))


def test_a_bad_configuration_fails_and_the_defaults_go_on(folders: Folders) -> None:
    assert files.configuration(folders)[1].status == "ok"
    folders.config_dir.mkdir()
    folders.config_file.write_text("temprature = 1\n")
    config, check = files.configuration(folders)
    assert config == Config()
    assert check.status == "fail"
    assert "line 1" in check.value


def test_folders_that_are_not_there_yet_are_fine_and_stay_so(folders: Folders) -> None:
    assert [check.status for check in files.own_folders(folders)] == ["ok", "ok"]
    assert not folders.data_dir.exists()


def test_a_file_in_the_way_of_a_folder_fails(folders: Folders) -> None:
    folders.data_dir.write_text("")
    data = files.own_folders(folders)[0]
    assert data.status == "fail"
    assert "is a file" in data.value


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_fails(folders: Folders) -> None:
    folders.data_dir.mkdir(mode=0o500)
    assert files.own_folders(folders)[0].status == "fail"


def test_model_folders_are_counted(folders: Folders) -> None:
    config = Config(model_folders=("/nowhere/at/all",), discover=())
    folders.models_dir.mkdir(parents=True)
    (folders.models_dir / "half.gguf").write_bytes(b"GGUF")
    checks = files.model_folders(Catalogue(folders, config))
    assert [(check.status, check.amount) for check in checks] == [("info", 0), ("ok", 1)]


async def test_a_demo_model_that_does_not_load_fails(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    services = build(Config(), folders)

    def missing(spec: str) -> None:
        raise ModelError("The demo model is missing", cause="here", remedy="Install again")

    monkeypatch.setattr(services.catalogue, "resolve", missing)
    (check,) = await demo.demo_model(services)
    assert (check.status, check.hint) == ("fail", "Install again")
    assert check.value == "The demo model is missing: here"


SECTIONS = (
    Section("one", (Check(key="a", label="静夜思", status="ok", value="fine\x1b[2J"),)),
    Section(
        "two",
        (
            Check(key="b", label="b", status="fail", value="broken", hint="Mend it"),
            Check(key="c", label="c", status="warn", value="odd", hint="Look"),
        ),
    ),
)


@pytest.mark.parametrize(("count", "code"), [(1, 0), (2, 1)])
def test_the_command_lays_out_marks_words_and_hints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: int, code: int
) -> None:
    async def sections() -> AsyncIterator[Section]:
        for section in SECTIONS[:count]:
            yield section

    monkeypatch.setattr(doctor, "sections", sections)
    assert main.run(["doctor"]) == code
    text = capsys.readouterr().out
    assert "✓ ok  静夜思  fine␛[2J" in text
    assert ("✗ failed" in text) == (count == 2)
    assert ("      Mend it" in text) == (count == 2)
    assert text.rstrip().splitlines()[-1] == ("1 failed: b" if count == 2 else "Everything that llmtui needs works.")
    assert main.run(["doctor", "--json"]) == code
    report = msgspec.json.decode(capsys.readouterr().out, type=DoctorReport)
    assert report == DoctorReport(ok=count == 1, sections=SECTIONS[:count])


def test_every_status_has_a_mark_with_a_word() -> None:
    assert set(command.MARKS) == {"ok", "info", "warn", "fail"}
    assert all(len(mark.split()) == 2 for mark in command.MARKS.values())


def test_json_of_the_command_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def sections() -> AsyncIterator[Section]:
        yield SECTIONS[0]

    monkeypatch.setattr(doctor, "sections", sections)
    main.run(["doctor", "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["ok"] is True
