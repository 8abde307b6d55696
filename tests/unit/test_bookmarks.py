"""Pins and what else is remembered: kept on disk, shared between windows, never a reason not to start."""

import json
import stat
from pathlib import Path

import msgspec
import pytest

from llmtui.domain.models import ModelInfo
from llmtui.errors import StoreError
from llmtui.services.bookmarks import Bookmarks
from llmtui.store.paths import Folders
from llmtui.store.user_state import MOST_REMEMBERED, UserState, read_state, write_state


def info(name: str) -> ModelInfo:
    return ModelInfo(name=name, path=f"/none/{name}.gguf", parts=(), source="folder", size_bytes=1, modified_ns=0)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(config_dir=tmp_path / "c", data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def test_pins_take_the_next_free_number_and_outlive_the_window(folders: Folders) -> None:
    bookmarks = Bookmarks(folders)
    assert [bookmarks.toggle_pin(info(name)) for name in "abc"] == [1, 2, 3]
    assert bookmarks.toggle_pin(info("b")) is None
    assert bookmarks.toggle_pin(info("d")) == 2
    assert stat.S_IMODE((folders.data_dir / "state.json").stat().st_mode) == 0o600

    later = Bookmarks(folders)
    later.refresh()
    assert {number: pin.name for number, pin in later.pins.items()} == {1: "a", 2: "d", 3: "c"}
    assert later.pin_of(info("d")) == 2
    assert later.pin_of(info("b")) is None


def test_there_are_nine_pins(folders: Folders) -> None:
    bookmarks = Bookmarks(folders)
    assert [bookmarks.toggle_pin(info(name)) for name in "abcdefghij"] == [*range(1, 10), None]


def test_the_number_of_a_file_that_is_gone_is_free_once_all_are_taken(folders: Folders, tmp_path: Path) -> None:
    bookmarks = Bookmarks(folders)
    models = [msgspec.structs.replace(info(name), path=str(tmp_path / f"{name}.gguf")) for name in "abcdefghij"]
    for model in models:
        Path(model.path).touch()
    assert [bookmarks.toggle_pin(model) for model in models] == [*range(1, 10), None]
    Path(models[4].path).unlink()
    assert bookmarks.toggle_pin(models[9]) == 5
    assert bookmarks.pin_of(models[4]) is None


def test_windows_do_not_forget_what_others_chose(folders: Folders) -> None:
    one, two = Bookmarks(folders, now=lambda: 5.0), Bookmarks(folders)
    one.toggle_pin(info("a"))
    two.toggle_pin(info("b"))
    one.note_used(info("a"))
    two.remember(sort="size")
    one.remember(details=False)

    later = Bookmarks(folders)
    later.refresh()
    assert sorted(pin.name for pin in later.pins.values()) == ["a", "b"]
    assert (later.used_at(info("a")), later.used_at(info("b"))) == (5.0, 0.0)
    assert (later.sort, later.details) == ("size", False)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"pins": {"10": {"name": "a", "path": "/a"}}}',
        b'{"used": {"/a": 1e300}}',
        b"[" * 5000,
    ],
)
def test_a_damaged_file_is_put_aside_and_replaced(folders: Folders, text: bytes) -> None:
    file = folders.data_dir / "state.json"
    file.parent.mkdir()
    file.write_bytes(text)
    bookmarks = Bookmarks(folders)
    bookmarks.refresh()
    assert not bookmarks.pins

    assert bookmarks.toggle_pin(info("a")) == 1
    assert json.loads(file.read_bytes())["pins"]["1"]["name"] == "a"
    assert file.with_name("state.json.damaged").read_bytes() == text


def test_what_cannot_be_written_holds_for_this_window(folders: Folders) -> None:
    folders.data_dir.write_text("a file where the folder should be")
    bookmarks = Bookmarks(folders)
    with pytest.raises(StoreError, match="cannot be remembered"):
        bookmarks.toggle_pin(info("a"))
    assert bookmarks.pin_of(info("a")) == 1

    with pytest.raises(StoreError):
        bookmarks.remember(sort="size")
    bookmarks.refresh()
    assert (bookmarks.pin_of(info("a")), bookmarks.sort) == (1, "size")

    folders.data_dir.unlink()
    bookmarks.note_used(info("a"))
    later = Bookmarks(folders)
    later.refresh()
    assert (later.pin_of(info("a")), later.sort) == (1, "size")


def test_the_oldest_uses_are_forgotten(folders: Folders) -> None:
    write_state(folders, UserState(used={f"/{number}": float(number) for number in range(MOST_REMEMBERED + 5)}))
    kept = read_state(folders).used
    assert len(kept) == MOST_REMEMBERED
    assert "/4" not in kept
    assert "/5" in kept
