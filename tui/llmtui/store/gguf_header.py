"""The layout of a GGUF header: its values, and the walk over its bytes.

A header can hold hundreds of thousands of strings (the vocabulary) that a listing does not need. They are hopped over:
only their lengths are read. Files come from strangers, so every count and length is checked against the file before
it is used, and what is kept is bounded.
"""

import functools
import mmap
import re
import struct
from itertools import repeat
from typing import NoReturn

import msgspec

from llmtui.errors import ModelError
from llmtui.store.gguf_tables import ARRAY, SCALARS, STRING, TENSOR_TYPES

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_KEYS = 100_000
MAX_TENSORS = 200_000
MAX_ARRAY_STRINGS = 4_000_000
"""Strings in all arrays together: far above any vocabulary; hopping over this many takes a fifth of a second."""
MAX_DIMENSIONS = 4
MAX_TENSOR_NAME = 64
MAX_KEY = 65_535
MAX_KEPT_TEXT = 8 << 20
"""Bytes of string values kept a file; chat templates are the longest, some 20 KiB."""
MAX_SHORT_ARRAY = 1024
"""Arrays up to this length are kept: those a layer has, not those a vocabulary has."""
MAX_KEPT_ITEMS = 200_000
"""Items of short arrays kept a file."""
BLOCK = 256
"""Strings hopped over in one step, when all are short."""
SHORT_STRING = 63
"""Bytes; hardly a token or merge is longer."""
FETCH = "Fetch the file again"

_U32 = struct.Struct("<I").unpack_from
_U64 = struct.Struct("<Q").unpack_from
_READERS = {code: struct.Struct("<" + letter) for code, (_, letter) in SCALARS.items()}

Scalar = int | float | bool | str


class GgufArray(msgspec.Struct, frozen=True):
    """An array that was hopped over.

    Attributes:
        item: name of the items' type, e.g. `string`.
        length: number of items.
        offset: of the first item in the file.
    """

    item: str
    length: int
    offset: int

    def __str__(self) -> str:
        return f"[{self.item} × {self.length}]"


Value = Scalar | tuple[Scalar, ...] | GgufArray


class TensorInfo(msgspec.Struct, frozen=True):
    """One tensor as the header describes it.

    Attributes:
        shape: fastest dimension first, as in the file.
        type_id: ggml's number; `type_name` in words.
        offset: from the start of the data section.
        size_bytes: None for types this program does not know.
    """

    name: str
    shape: tuple[int, ...]
    type_id: int
    type_name: str
    offset: int
    elements: int
    size_bytes: int | None


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of itself.

    Attributes:
        values: metadata: scalars, short arrays, and `GgufArray` for the long ones.
        data_offset: where the weights start.
    """

    path: str
    version: int
    values: dict[str, Value]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int

    def text(self, key: str) -> str | None:
        """A string value; None when it is missing or of another type."""
        value = self.values.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        """A whole number; None when it is missing or of another type."""
        value = self.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


class HeaderReader:
    """Walks one header; `position` never passes the end of the data unseen."""

    def __init__(self, path: str, data: mmap.mmap, size: int) -> None:
        self.path = path
        self.data = data
        self.size = size
        self.position = 0
        self.kept_text = 0
        self.kept_items = 0
        self.hopped = 0

    def header(self) -> GgufHeader:
        """The whole header.

        Raises:
            ModelError: it is damaged, or the file is truncated.
        """
        try:
            return self._header()
        except (struct.error, OverflowError, IndexError):
            self._fail("The model file is truncated", f"the header goes on beyond the end of {self.size:,} bytes")

    def _header(self) -> GgufHeader:
        version = self._preamble()
        n_tensors, n_keys = self._u64(), self._u64()
        left = self.size - self.position
        if n_tensors > MAX_TENSORS or n_tensors * 24 > left or n_keys > MAX_KEYS or n_keys * 13 > left:
            self._fail(
                "The model file's header holds absurd counts",
                f"{n_tensors:,} tensors and {n_keys:,} metadata keys in {self.size:,} bytes",
            )
        values: dict[str, Value] = {}
        for _ in range(n_keys):
            key = self._short(MAX_KEY, "metadata key")
            if key in values:
                self._fail("The model file's header is damaged", f"the metadata key {key[:80]!r} comes twice")
            values[key] = self._value(key, self._u32())
        tensors = tuple(self._tensor() for _ in range(n_tensors))
        alignment = values.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > 1 << 24:
            self._fail("The model file's header is damaged", f"its alignment is {alignment!r}")
        return self._checked(version, values, tensors, alignment)

    def _preamble(self) -> int:
        if self.data[:4] != MAGIC:
            self._fail("This is not a GGUF file", *_other_kind(self.data[:64]))
        self.position = 4
        version = self._u32()
        if version & 0xFFFF == 0:
            self._fail(
                "This GGUF file is for big-endian machines",
                f"version {version:#010x}",
                "Get the ordinary (little-endian) file",
            )
        if version not in VERSIONS:
            self._fail(
                "This GGUF version is not supported",
                f"version {version}, supported are {VERSIONS[0]} and {VERSIONS[1]}",
                "Get a file converted by a current llama.cpp",
            )
        return version

    def _checked(
        self, version: int, values: dict[str, Value], tensors: tuple[TensorInfo, ...], alignment: int
    ) -> GgufHeader:
        data_offset = -(-self.position // alignment) * alignment
        ends = [tensor.offset + (tensor.size_bytes or 0) for tensor in tensors]
        expected = data_offset + max(ends) if ends else self.position
        if expected > self.size:
            self._fail("The model file is truncated", f"it has {self.size:,} of {expected:,} bytes")
        names = {tensor.name for tensor in tensors}
        if len(names) != len(tensors):
            self._fail("The model file's header is damaged", "two tensors have the same name")
        return GgufHeader(
            path=self.path,
            version=version,
            values=values,
            tensors=tensors,
            alignment=alignment,
            data_offset=data_offset,
        )

    def _value(self, key: str, code: int) -> Value:
        if code == STRING:
            return self._string(key)
        if code == ARRAY:
            return self._array(key)
        return self._scalar(key, code)

    def _scalar(self, key: str, code: int) -> Scalar:
        reader = self._reader(key, code)
        (value,) = reader.unpack_from(self.data, self.position)
        self.position += reader.size
        result: Scalar = value
        return result

    def _array(self, key: str) -> Value:
        code, length = self._u32(), self._u64()
        offset = self.position
        if code == STRING:
            if self.hopped + length > MAX_ARRAY_STRINGS or length * 8 > self.size - self.position:
                self._absurd(key, length)
            self.hopped += length
            if self._keeps(length):
                return tuple(self._string(key) for _ in repeat(None, length))
            self._hop_strings(length)
            return GgufArray("string", length, offset)
        reader = self._reader(key, code)
        if length * reader.size > self.size - self.position:
            self._absurd(key, length)
        self.position += length * reader.size
        if not self._keeps(length):
            return GgufArray(SCALARS[code][0], length, offset)
        return struct.unpack_from(f"<{length}{SCALARS[code][1]}", self.data, offset)

    def _keeps(self, length: int) -> bool:
        if length > MAX_SHORT_ARRAY or self.kept_items + length > MAX_KEPT_ITEMS:
            return False
        self.kept_items += length
        return True

    def _hop_strings(self, count: int) -> None:
        """The hot loop. A length beyond the file makes the next read fail."""
        data, position, u64, block = self.data, self.position, _U64, _short_strings().match
        for step in (*repeat(BLOCK, count // BLOCK), count % BLOCK):
            jump = block(data, position) if step == BLOCK else None
            if jump is not None:
                position = jump.end()
                continue
            for _ in repeat(None, step):
                position += u64(data, position)[0] + 8
        if position > self.size:
            raise IndexError
        self.position = position

    def _string(self, key: str) -> str:
        length = self._u64()
        if length > self.size - self.position:
            self._absurd(key, length)
        start = self.position
        self.position += length
        keep = min(length, MAX_KEPT_TEXT - self.kept_text)
        self.kept_text += keep
        return self.data[start : start + keep].decode("utf-8", "replace")

    def _short(self, limit: int, what: str) -> str:
        length = self._u64()
        if length > limit or length > self.size - self.position:
            self._fail("The model file's header is damaged", f"a {what} is {length:,} bytes long")
        start = self.position
        self.position += length
        return self.data[start : self.position].decode("utf-8", "replace")

    def _tensor(self) -> TensorInfo:
        name = self._short(MAX_TENSOR_NAME, "tensor name")
        n_dimensions = self._u32()
        if n_dimensions > MAX_DIMENSIONS:
            self._fail("The model file's header is damaged", f"tensor {name!r} has {n_dimensions:,} dimensions")
        shape = tuple(self._u64() for _ in range(n_dimensions))
        type_id, offset = self._u32(), self._u64()
        elements = 1
        for length in shape:
            elements *= length
        if elements >= 1 << 63 or offset >= 1 << 63:
            self._fail("The model file's header holds absurd counts", f"tensor {name!r} has the shape {shape}")
        kind = TENSOR_TYPES.get(type_id)
        size = None
        if kind is not None:
            row = shape[0] if shape else 1
            if row % kind.block:
                self._fail(
                    "The model file's header is damaged",
                    f"tensor {name!r}: rows of {row} do not divide into {kind.name} blocks of {kind.block}",
                )
            size = elements // kind.block * kind.block_bytes
        return TensorInfo(name, shape, type_id, kind.name if kind else f"type {type_id}", offset, elements, size)

    def _reader(self, key: str, code: int) -> struct.Struct:
        reader = _READERS.get(code)
        if reader is None:
            self._fail("The model file's header is damaged", f"{key[:80]!r} has the unknown value type {code}")
        return reader

    def _u32(self) -> int:
        (value,) = _U32(self.data, self.position)
        self.position += 4
        number: int = value
        return number

    def _u64(self) -> int:
        (value,) = _U64(self.data, self.position)
        self.position += 8
        number: int = value
        return number

    def _absurd(self, key: str, length: int) -> NoReturn:
        self._fail(
            "The model file's header holds absurd counts",
            f"{key[:80]!r} says it is {length:,} long in a file of {self.size:,} bytes",
        )

    def _fail(self, title: str, cause: str, remedy: str = FETCH) -> NoReturn:
        raise ModelError(title, cause=f"{self.path}: {cause}", remedy=remedy)


@functools.cache
def _short_strings() -> re.Pattern[bytes]:
    """`BLOCK` strings of up to `SHORT_STRING` bytes, lengths included, as one match.

    A string's length decides how far to jump, so each length is an alternative of its own; the matcher's loop takes
    half the time of one in Python. Possessive: it never steps back.
    """
    lengths = (re.escape(struct.pack("<Q", length)) + b".{%d}" % length for length in range(1, SHORT_STRING + 1))
    return re.compile(b"(?:%s){%d}+" % (b"|".join(lengths), BLOCK), re.DOTALL)


def _other_kind(head: bytes) -> tuple[str, str]:
    """What a file is that is not GGUF, and what to do."""
    convert = "Get the model as .gguf, or convert it with llama.cpp's convert_hf_to_gguf.py"
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file itself", "Run `git lfs pull` where it came from"
    if head.lstrip()[:1] == b"<":
        return "it is a web page: the download failed", FETCH
    if head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        return "it looks like PyTorch weights", convert
    if head[8:9] == b"{":
        return "it looks like safetensors", convert
    if head[:4] in {b"lmgg", b"fmgg", b"tjgg"}:
        return "it is of an older GGML format", convert
    return f"it starts with {head[:4].hex(' ')}, GGUF with {MAGIC.hex(' ')}", "Name a .gguf file"
