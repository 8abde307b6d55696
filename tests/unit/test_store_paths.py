"""Folders and the cache of measured figures."""

from pathlib import Path

import pytest

from llmtui.errors import ConfigError, StoreError
from llmtui.store.machine import Machine, machine_file, read_machine, write_machine
from llmtui.store.paths import Folders


def test_variables_override_the_platform_and_nothing_is_created(tmp_path: Path) -> None:
    folders = Folders.resolve({"LLMTUI_CONFIG_DIR": str(tmp_path / "c"), "LLMTUI_DATA_DIR": str(tmp_path / "d")})

    assert folders.config_file == tmp_path / "c" / "config.toml"
    assert folders.chats_dir == tmp_path / "d" / "chats"
    assert folders.models_dir == tmp_path / "d" / "models"
    assert folders.cache_dir == tmp_path / "d" / "cache"
    assert list(tmp_path.iterdir()) == []


def test_relative_and_home_folders_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    folders = Folders.resolve({"LLMTUI_CONFIG_DIR": "c", "LLMTUI_DATA_DIR": "~/d"})

    assert folders.config_dir == tmp_path / "c"
    assert folders.data_dir == tmp_path / "home" / "d"


def test_without_variables_the_platform_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)

    folders = Folders.resolve({})

    assert {folder.name for folder in (folders.config_dir, folders.data_dir, folders.cache_dir)} == {"llmtui"}
    assert len({folders.config_dir, folders.data_dir, folders.cache_dir}) > 1
    assert folders.data_dir.is_relative_to(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_user_without_a_home_is_told_which_variables_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ConfigError, match=r"LLMTUI_DATA_DIR and LLMTUI_CONFIG_DIR"):
        Folders.resolve({})


def test_measured_figures_are_kept_privately(tmp_path: Path) -> None:
    folders = Folders.resolve({"LLMTUI_CONFIG_DIR": str(tmp_path), "LLMTUI_DATA_DIR": str(tmp_path)})
    assert read_machine(folders) == Machine()

    write_machine(folders, Machine(memory_bandwidth=2.5e10, cpu="x"))

    assert read_machine(folders) == Machine(memory_bandwidth=2.5e10, cpu="x")
    assert machine_file(folders).stat().st_mode & 0o077 == 0


def test_damaged_figures_are_unknown_ones(tmp_path: Path) -> None:
    folders = Folders.resolve({"LLMTUI_CONFIG_DIR": str(tmp_path), "LLMTUI_DATA_DIR": str(tmp_path)})
    machine_file(folders).parent.mkdir(parents=True)
    machine_file(folders).write_bytes(b"{")

    assert read_machine(folders) == Machine()


def test_a_cache_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folders = Folders.resolve({"LLMTUI_CONFIG_DIR": str(tmp_path), "LLMTUI_DATA_DIR": str(tmp_path / "file")})

    with pytest.raises(StoreError, match="cannot be kept"):
        write_machine(folders, Machine())
