"""GGUF headers: what a sound one says, and that a damaged one is an error that names file, numbers and remedy."""

import os
import struct
import tracemalloc
from pathlib import Path

import pytest
from gguf_bytes import gguf, kv_string, kv_strings, kv_u32, kv_u32s, model, tensor, text, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmtui.errors import ModelError
from llmtui.store import gguf_header
from llmtui.store.gguf import GgufArray, read_header, read_strings


def test_values_tensors_and_sizes_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "m.gguf", model(extra=[kv_u32s("llama.attention.head_count_kv", [2, 2, 4])]))

    header = read_header(path)

    assert header.text("general.name") == "Tiny"
    assert header.number("llama.context_length") == 2048
    assert header.values["llama.attention.head_count_kv"] == (2, 2, 4)
    assert [(t.name, t.shape, t.type_name, t.elements, t.size_bytes) for t in header.tensors] == [
        ("a.weight", (32, 2), "F32", 64, 256),
        ("b.weight", (32, 2), "Q8_0", 64, 68),
    ]
    assert header.data_offset % header.alignment == 0


def test_a_vocabulary_is_hopped_over_and_its_strings_can_still_be_had(tmp_path: Path) -> None:
    tokens = [f"token {n}" * (1 + n % 40) for n in range(3000)]
    path = write(tmp_path / "m.gguf", model(extra=[kv_strings("tokenizer.ggml.tokens", tokens), kv_u32("after", 5)]))

    header = read_header(path)
    array = header.values["tokenizer.ggml.tokens"]

    assert isinstance(array, GgufArray)
    assert str(array) == "[string × 3000]"
    assert header.number("after") == 5
    assert read_strings(path, array, [0, 2999, 17, 3000, -1]) == {n: tokens[n] for n in (0, 17, 2999)}


@pytest.mark.parametrize("longest", [0, 1, 62, 63, 64, 65, 255, 256, 300])
@pytest.mark.parametrize("count", [1025, 1280, 1281])
def test_strings_of_every_length_are_hopped_over(tmp_path: Path, longest: int, count: int) -> None:
    tokens = ["\n" * (n * 7 % (longest + 1)) for n in range(count)]
    path = write(tmp_path / "m.gguf", model(extra=[kv_strings("tokens", tokens), kv_u32("after", 5)]))

    assert read_header(path).number("after") == 5


def test_text_of_a_header_is_kept_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_header, "MAX_KEPT_TEXT", 100)
    path = write(tmp_path / "m.gguf", model(extra=[kv_string("long", "x" * 500), kv_u32("after", 5)]))

    header = read_header(path)

    assert len(header.text("long") or "") < 100
    assert header.number("after") == 5


DAMAGED = {
    "empty": (b"", "empty", "0 bytes"),
    "not GGUF": (b"hello, this is text", "not a GGUF file", "68 65 6c 6c"),
    "web page": (b"<!DOCTYPE html><html>", "not a GGUF file", "web page"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "not a GGUF file", "Git LFS pointer"),
    "safetensors": (b"\x10\0\0\0\0\0\0\0{}", "not a GGUF file", "safetensors"),
    "magic only": (b"GGUF", "truncated", "4 bytes"),
    "version 1": (gguf(version=1), "version is not supported", "version 1"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian", "0x03000000"),
    "absurd tensors": (gguf(n_tensors=1 << 60), "absurd counts", f"{1 << 60:,} tensors"),
    "absurd keys": (gguf(n_keys=1 << 62), "absurd counts", "metadata keys"),
    "counts beyond the file": (gguf(n_tensors=50, data=64), "absurd counts", "50 tensors"),
    "string beyond the file": (
        gguf([text("k") + struct.pack("<IQ", 8, 1 << 63)]),
        "absurd counts",
        f"{1 << 63:,}",
    ),
    "array beyond the file": (
        gguf([text("k") + struct.pack("<IIQ", 9, 8, 1 << 40)], data=64),
        "absurd counts",
        "'k'",
    ),
    "strings inside an array beyond the file": (
        gguf([text("k") + struct.pack("<IIQ", 9, 8, 2000) + struct.pack("<Q", 1 << 62) + bytes(20000)]),
        "truncated",
        "beyond the end",
    ),
    "unknown value type": (gguf([text("k") + struct.pack("<II", 99, 0)]), "damaged", "unknown value type 99"),
    "nested array": (gguf([text("k") + struct.pack("<IIQ", 9, 9, 1) + bytes(32)]), "damaged", "type 9"),
    "key twice": (gguf([kv_u32("k", 1), kv_u32("k", 2)]), "damaged", "twice"),
    "tensor twice": (gguf([], [tensor("t", [1]), tensor("t", [1])], data=64), "damaged", "same name"),
    "too many dimensions": (gguf([], [tensor("t", [1] * 5)]), "damaged", "5 dimensions"),
    "absurd shape": (gguf([], [tensor("t", [1 << 40, 1 << 40])]), "absurd counts", "shape"),
    "rows not in blocks": (gguf([], [tensor("t", [33], 8)], data=640), "damaged", "blocks of 32"),
    "bad alignment": (gguf([kv_u32("general.alignment", 3)]), "damaged", "alignment is 3"),
    "weights missing": (model()[:-1], "truncated", "bytes"),
    "header torn": (model()[:90], "truncated", "beyond the end of 90"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_a_clear_error(kind: str, tmp_path: Path) -> None:
    data, title, cause = DAMAGED[kind]
    path = write(tmp_path / "bad.gguf", data)

    with pytest.raises(ModelError) as caught:
        read_header(path)

    assert title in caught.value.title
    assert cause in caught.value.cause
    assert str(path) in caught.value.cause
    assert caught.value.remedy


def test_a_truncated_file_names_both_sizes(tmp_path: Path) -> None:
    whole = model()
    path = write(tmp_path / "bad.gguf", whole[:-100])

    with pytest.raises(ModelError, match=f"has {len(whole) - 100:,} of {len(whole):,} bytes"):
        read_header(path)


def test_a_folder_names_the_file_inside(tmp_path: Path) -> None:
    write(tmp_path / "models" / "inner.gguf", model())

    with pytest.raises(ModelError) as caught:
        read_header(tmp_path / "models")

    assert "folder" in caught.value.title
    assert "inner.gguf" in caught.value.remedy


def test_a_missing_file_points_to_the_list() -> None:
    with pytest.raises(ModelError) as caught:
        read_header("/nowhere/m.gguf")

    assert "does not exist" in caught.value.title
    assert "llmtui models" in caught.value.remedy


def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")

    with pytest.raises(ModelError, match="not a regular file"):
        read_header(tmp_path / "pipe.gguf")


def test_an_unreadable_file_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.gguf", model())

    def refuse(*_args: object, **_kwargs: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("llmtui.store.gguf.os.open", refuse)
    with pytest.raises(ModelError, match="Permission denied"):
        read_header(path)


def test_names_that_are_not_utf8_do_not_break_the_reader(tmp_path: Path) -> None:
    pair = struct.pack("<Q", 2) + b"\xff\xfe" + struct.pack("<IQ", 8, 1) + b"\x80"
    header = read_header(write(tmp_path / "m.gguf", gguf([pair])))

    assert list(header.values.values()) == ["\ufffd"]


def _survives(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    error, size = None, 0
    try:
        size = read_header(path).data_offset
    except ModelError as caught:
        error = caught
    assert size <= len(data)
    assert error is None or (error.title and error.cause and error.remedy)


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(st.binary(max_size=400))
def test_any_bytes_give_a_header_or_a_model_error(tmp_path: Path, data: bytes) -> None:
    _survives(tmp_path / "f", data)
    _survives(tmp_path / "f", b"GGUF\x03\0\0\0" + data)


@FUZZ
@given(
    st.integers(0, len(model(extra=[kv_strings("s", ["a"] * 1100)])) - 1),
    st.binary(min_size=1, max_size=9),
)
def test_a_sound_file_with_some_bytes_changed_gives_a_header_or_a_model_error(
    tmp_path: Path, at: int, change: bytes
) -> None:
    whole = model(extra=[kv_strings("s", ["a"] * 1100)])
    _survives(tmp_path / "f", whole[:at] + change + whole[at + len(change) :])


@FUZZ
@given(st.integers(0, len(model()) - 1))
def test_a_file_cut_anywhere_is_a_model_error(tmp_path: Path, length: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(model()[:length])
    with pytest.raises(ModelError):
        read_header(path)


def test_a_hostile_header_takes_little_memory(tmp_path: Path) -> None:
    keys = [text(f"k{n}") + struct.pack("<IIQ", 9, 0, 1024) + bytes(1024) for n in range(2000)]
    path = write(tmp_path / "m.gguf", gguf(keys))

    tracemalloc.start()
    read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 16 << 20
