"""GGUF files: their headers, read from a memory map without the weights."""

import mmap
import os
import stat
import struct
from pathlib import Path

from llmtui.errors import ModelError
from llmtui.store.files import open_without_waiting
from llmtui.store.gguf_header import FETCH, GgufArray, GgufHeader, HeaderReader, Scalar, TensorInfo, Value

__all__ = ["GgufArray", "GgufHeader", "Scalar", "TensorInfo", "Value", "folder_error", "read_header", "read_strings"]

_U64 = struct.Struct("<Q").unpack_from


def read_header(path: str | os.PathLike[str]) -> GgufHeader:
    """Read and check a header.

    Raises:
        ModelError: the file is missing, a folder, unreadable, empty, not GGUF, damaged or truncated.
    """
    file = Path(path)
    try:
        with open(file, "rb", opener=open_without_waiting) as handle:
            status = os.fstat(handle.fileno())
            _check_kind(file, status)
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return HeaderReader(str(file), data, status.st_size).header()
    except FileNotFoundError as error:
        raise ModelError(
            "The model file does not exist",
            cause=str(file),
            remedy="Check the path; `llmtui models` lists what is known",
        ) from error
    except IsADirectoryError as error:
        raise folder_error(file) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(
            "The model file cannot be read", cause=f"{file}: {reason}", remedy="Check the path and its permissions"
        ) from error


def read_strings(path: str | os.PathLike[str], array: GgufArray, indices: list[int]) -> dict[int, str]:
    """Single strings of an array that was hopped over, e.g. the tokens behind special ids.

    Raises:
        ModelError: the file changed since its header was read.
    """
    wanted = {index for index in indices if 0 <= index < array.length}
    found: dict[int, str] = {}
    try:
        with Path(path).open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            position = array.offset
            for index in range(max(wanted, default=-1) + 1):
                (length,) = _U64(data, position)
                position += 8
                if index in wanted:
                    found[index] = data[position : position + length].decode("utf-8", "replace")
                position += length
    except (OSError, ValueError, OverflowError, struct.error) as error:
        raise ModelError("The model file changed while it was read", cause=str(path), remedy="Try again") from error
    return found


def folder_error(folder: Path) -> ModelError:
    """The error for a folder where a file is needed; it names the models inside."""
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".gguf"))
    except OSError:
        names = []
    inside = f"e.g. {folder / names[0]}" if names else "it holds no .gguf file itself"
    return ModelError(
        "This is a folder, not a model file", cause=str(folder), remedy=f"Name the .gguf file inside it: {inside}"
    )


def _check_kind(file: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise folder_error(file)
    if not stat.S_ISREG(status.st_mode):
        raise ModelError("This is not a regular file", cause=str(file), remedy="Name a .gguf file")
    if status.st_size == 0:
        raise ModelError("The model file is empty", cause=f"{file}: 0 bytes", remedy=FETCH)
