"""The vocabulary inside a GGUF file. A listing hops over it; here it is read whole."""

import mmap
import os
import struct
from pathlib import Path

from llmtui.domain.vocabulary import BPE_MODEL, BpeVocabulary
from llmtui.errors import ModelError
from llmtui.store.gguf import GgufArray, GgufHeader, read_header

MAX_TOKENS = 1_000_000
MAX_MERGES = 2_000_000
MAX_BYTES = 128 << 20
"""Of the strings of one array: several times the largest vocabulary in use, and what fits into memory anywhere."""
_PREFIX = "tokenizer.ggml."
_INTEGERS = {"int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I"}
_U64 = struct.Struct("<Q").unpack_from


def read_vocabulary(path: str | os.PathLike[str]) -> BpeVocabulary | None:
    """The byte-level BPE vocabulary of a model file; None when it has none, or one beyond all measure.

    Takes a fifth of a second for 150,000 tokens: call it from a thread.

    Raises:
        ModelError: the file cannot be read.
    """
    header = read_header(path)
    if header.text(_PREFIX + "model") != BPE_MODEL:
        return None
    try:
        with Path(path).open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            tokens = _strings(header, data, "tokens", MAX_TOKENS)
            merges = _strings(header, data, "merges", MAX_MERGES)
            types = _integers(header, data, "token_type", MAX_TOKENS)
    except (OSError, ValueError, OverflowError, struct.error) as error:
        raise ModelError("The model file changed while it was read", cause=str(path), remedy="Try again") from error
    if not tokens or merges is None:
        return None
    add_bos = header.values.get(_PREFIX + "add_bos_token")
    return BpeVocabulary(
        tokens=tokens,
        merges=merges,
        token_types=types or (),
        pre=header.text(_PREFIX + "pre") or "",
        add_bos=add_bos if isinstance(add_bos, bool) else None,
        bos_id=header.number(_PREFIX + "bos_token_id"),
        eos_id=header.number(_PREFIX + "eos_token_id"),
    )


def read_tokens(path: str | os.PathLike[str]) -> frozenset[str]:
    """Every token of a model file as it is written in it; none where its vocabulary is beyond all measure.

    Raises:
        ModelError: the file cannot be read.
    """
    header = read_header(path)
    try:
        with Path(path).open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return frozenset(_strings(header, data, "tokens", MAX_TOKENS) or ())
    except (OSError, ValueError, OverflowError, struct.error) as error:
        raise ModelError("The model file changed while it was read", cause=str(path), remedy="Try again") from error


def _strings(header: GgufHeader, data: mmap.mmap, name: str, most: int) -> tuple[str, ...] | None:
    array = header.values.get(_PREFIX + name)
    if isinstance(array, tuple):
        return tuple(str(item) for item in array)
    if not isinstance(array, GgufArray) or array.item != "string" or array.length > most:
        return None
    found: list[str] = []
    position, end = array.offset, array.offset + MAX_BYTES
    for _ in range(array.length):
        (length,) = _U64(data, position)
        position += 8 + length
        if position > end or position > len(data):
            return None
        found.append(data[position - length : position].decode("utf-8", "replace"))
    return tuple(found)


def _integers(header: GgufHeader, data: mmap.mmap, name: str, most: int) -> tuple[int, ...] | None:
    array = header.values.get(_PREFIX + name)
    if isinstance(array, tuple):
        return tuple(item for item in array if isinstance(item, int))
    if not isinstance(array, GgufArray) or array.item not in _INTEGERS or array.length > most:
        return None
    return struct.unpack_from(f"<{array.length}{_INTEGERS[array.item]}", data, array.offset)
