"""The header cache: what it saves, and that it is never believed wrongly."""

import os
import threading
from pathlib import Path

import pytest
from gguf_bytes import gguf, kv_string, model, tensor, write

from llmtui.domain.models import CacheCost
from llmtui.services import model_files
from llmtui.services.models import Catalogue
from llmtui.store import header_cache
from llmtui.store.config import Config
from llmtui.store.gguf import GgufHeader, read_header
from llmtui.store.header_cache import HeaderCache, HeaderFacts
from llmtui.store.paths import Folders


class Shelf:
    """Models, and how often a header was read."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.folders = Folders(config_dir=folder / "c", data_dir=folder / "data", cache_dir=folder / "cache")
        self.file = self.folders.cache_dir / "headers.msgpack"
        self.read: list[str] = []
        self.demo = write(folder / "demo.gguf", model())

    def titles(self) -> list[str | None]:
        """List with a catalogue of its own, as a next start does."""
        self.read.clear()
        config = Config(model_folders=(str(self.models),), discover=())
        return [info.title for info in Catalogue(self.folders, config, demo_file=self.demo).list()[1:]]


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    shelf = Shelf(tmp_path)

    def note(path: Path) -> GgufHeader:
        shelf.read.append(Path(path).name)
        return read_header(path)

    monkeypatch.setattr(model_files, "read_header", note)
    return shelf


def test_the_next_start_reads_no_header(shelf: Shelf) -> None:
    write(shelf.models / "a.gguf", model(name="A"))
    write(shelf.models / "mmproj.gguf", model(arch="clip"))

    first = shelf.titles()
    assert sorted(shelf.read) == ["a.gguf", "demo.gguf", "mmproj.gguf"]
    assert shelf.titles() == first == ["A"]
    assert shelf.read == []


def test_a_file_of_another_size_or_time_is_read_again(shelf: Shelf) -> None:
    path = write(shelf.models / "a.gguf", model(name="A"))
    shelf.titles()

    write(path, model(name="Longer"))
    assert shelf.titles() == ["Longer"]
    before = path.stat()
    write(path, model(name="Altered"[:6]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    assert shelf.titles() == ["Altere"]
    assert shelf.read == ["a.gguf"]


def test_a_part_that_changes_makes_the_model_read_again(shelf: Shelf) -> None:
    first, second = (write(shelf.models / f"b-0000{n}-of-00002.gguf", model(name=f"n{n}")) for n in (1, 2))
    shelf.titles()

    os.utime(second, ns=(0, 5))

    assert shelf.titles() == ["n1"]
    assert shelf.read == [first.name, second.name]


def test_damaged_files_are_read_every_time(shelf: Shelf) -> None:
    write(shelf.models / "cut.gguf", model()[:-1])
    shelf.titles()
    shelf.titles()

    assert shelf.read == ["cut.gguf"]


def test_absurd_counts_do_not_keep_the_others_from_being_kept(shelf: Shelf) -> None:
    write(shelf.models / "a.gguf", model(name="A"))
    head = [kv_string("general.architecture", "llama"), kv_string("general.name", "B")]
    write(shelf.models / "b.gguf", gguf(head, [tensor(f"t{n}", [1 << 62], 99) for n in range(5)], data=32))

    assert shelf.titles() == ["A", "B"]
    assert shelf.titles() == ["A", "B"]
    assert shelf.read == ["b.gguf"]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x82", b"\x91" * 5000, None])
def test_a_damaged_cache_is_ignored_and_replaced(shelf: Shelf, content: bytes | None) -> None:
    write(shelf.models / "a.gguf", model(name="A"))
    shelf.titles()
    shelf.file.write_bytes(shelf.file.read_bytes()[:-3] if content is None else content)

    assert shelf.titles() == ["A"]
    assert "a.gguf" in shelf.read
    shelf.titles()
    assert shelf.read == []


def test_a_cache_of_another_version_is_ignored(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    write(shelf.models / "a.gguf", model(name="A"))
    shelf.titles()
    monkeypatch.setattr(header_cache, "VERSION", header_cache.VERSION + 1)

    assert shelf.titles() == ["A"]
    assert "a.gguf" in shelf.read


def test_a_cache_that_cannot_be_written_is_no_error(shelf: Shelf) -> None:
    write(shelf.models / "a.gguf", model(name="A"))
    write(shelf.folders.cache_dir, b"a file where the folder should be")

    assert shelf.titles() == ["A"]


def test_a_name_that_is_no_utf8_is_kept_too(shelf: Shelf) -> None:
    write(Path(os.fsdecode(os.fsencode(shelf.models) + b"/caf\xe9.gguf")), model(name="C"))

    assert shelf.titles() == ["C"]
    assert shelf.titles() == ["C"]
    assert shelf.read == []


def facts(title: str) -> HeaderFacts:
    return HeaderFacts(
        kind="model",
        title=title,
        architecture="llama",
        parameters=1,
        quantisation=None,
        trained_context=None,
        weights_bytes=1,
        cache_cost=CacheCost(full_elements=1),
    )


def test_two_that_write_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "headers.msgpack"
    one, two = HeaderCache(path), HeaderCache(path)
    for cache, name in ((one, "a"), (two, "b")):
        assert cache.get(Path(name), ((1, 1),)) is None
        cache.put(Path(name), ((1, 1),), facts(name))
    one.save()
    two.save()

    fresh = HeaderCache(path)
    assert [fresh.get(Path(name), ((1, 1),)) for name in "ab"] == [facts("a"), facts("b")]
    assert fresh.get(Path("a"), ((2, 1),)) is None


def test_many_that_write_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "headers.msgpack"

    def write_often(number: int) -> None:
        for turn in range(20):
            cache = HeaderCache(path)
            cache.put(Path(f"{number}-{turn}"), ((1, 1),), facts("x" * 2000))
            cache.save()

    threads = [threading.Thread(target=write_often, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert list(tmp_path.iterdir()) == [path]
    fresh = HeaderCache(path)
    assert any(fresh.get(Path(f"{number}-19"), ((1, 1),)) for number in range(4))


def test_the_cache_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_cache, "MAX_ENTRIES", 3)
    path = tmp_path / "headers.msgpack"
    old = HeaderCache(path)
    for name in "abc":
        old.put(Path(name), ((1, 1),), facts(name))
    old.save()

    new = HeaderCache(path)
    assert new.get(Path("a"), ((1, 1),))
    new.put(Path("d"), ((1, 1),), facts("d"))
    new.save()

    fresh = HeaderCache(path)
    assert [name for name in "abcd" if fresh.get(Path(name), ((1, 1),))] == ["a", "d"]
