"""GGUF headers made by hand, sound or damaged."""

import struct
from collections.abc import Sequence
from pathlib import Path

U32, F32, BOOL, STR, ARR = 4, 6, 7, 8, 9


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def kv_string(key: str, value: str) -> bytes:
    return text(key) + struct.pack("<I", STR) + text(value)


def kv_u32(key: str, value: int) -> bytes:
    return text(key) + struct.pack("<II", U32, value)


def kv_strings(key: str, values: Sequence[str]) -> bytes:
    return text(key) + struct.pack("<IIQ", ARR, STR, len(values)) + b"".join(text(value) for value in values)


def kv_u32s(key: str, values: Sequence[int]) -> bytes:
    return text(key) + struct.pack("<IIQ", ARR, U32, len(values)) + struct.pack(f"<{len(values)}I", *values)


def tensor(name: str, shape: Sequence[int], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def gguf(
    pairs: Sequence[bytes] = (),
    tensors: Sequence[bytes] = (),
    *,
    data: int = 0,
    version: int = 3,
    n_tensors: int | None = None,
    n_keys: int | None = None,
) -> bytes:
    """A file: header, padding to 32, `data` bytes of weights."""
    counts = (len(tensors) if n_tensors is None else n_tensors, len(pairs) if n_keys is None else n_keys)
    head = b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join([*pairs, *tensors])
    return head + bytes(-len(head) % 32) + bytes(data)


def model(*, name: str = "Tiny", arch: str = "llama", file_type: int | None = 7, extra: Sequence[bytes] = ()) -> bytes:
    """A whole little model: 64 F32 elements and 64 Q8_0 ones."""
    pairs = [
        kv_string("general.architecture", arch),
        kv_string("general.name", name),
        kv_u32(f"{arch}.context_length", 2048),
        *extra,
    ]
    if file_type is not None:
        pairs.append(kv_u32("general.file_type", file_type))
    return gguf(pairs, [tensor("a.weight", [32, 2], 0, 0), tensor("b.weight", [32, 2], 8, 256)], data=256 + 68)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
