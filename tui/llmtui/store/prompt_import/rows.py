"""Rows of foreign files as they stream: JSON Lines, JSON arrays, CSV, and plain lines."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llmtui.errors import ConfigError
from llmtui.store.files import open_regular
from llmtui.store.yaml_stream import TOO_DEEP, is_deep

MAX_ROW_BYTES = 64 << 20
"""Of one line or cell; what is longer is no prompt."""


class Row(msgspec.Struct, frozen=True):
    """One row and where it stands: its line (from 1), or its number in a JSON array."""

    line: int
    value: Any


def wrong(path: Path, line: int | None, message: str, remedy: str = "Correct the file") -> ConfigError:
    """The error that the file cannot be imported."""
    where = f"{path}, line {line}" if line else str(path)
    return ConfigError("The file cannot be imported", cause=f"{where}: {message}", remedy=remedy)


def json_rows(path: Path) -> Iterator[Row]:
    """Objects of a JSON Lines file, or of a file that is one JSON array.

    Raises:
        ConfigError: a row is no JSON object, or the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            start = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            file.seek(0)
            if start.startswith(b"["):
                yield from _array(path, file.read())
                return
            number = 0
            while line := file.readline(MAX_ROW_BYTES):
                number += 1
                if line.strip():
                    yield Row(
                        number, _object(path, number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                    )
    except OSError as error:
        raise wrong(path, None, error.strerror or str(error), "Check the path and its permissions") from error


def csv_rows(path: Path) -> Iterator[Row]:
    """Cells of each row of a CSV file, or of a TSV file by its ending; empty rows are left out.

    Raises:
        ConfigError: it is not UTF-8 or not CSV.
    """
    csv.field_size_limit(MAX_ROW_BYTES)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    with _text(path) as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield Row(reader.line_num, cells)
        except csv.Error as error:
            raise wrong(path, reader.line_num, str(error)) from error
        except UnicodeDecodeError as error:
            raise _not_utf8(path) from error


def text_rows(path: Path) -> Iterator[Row]:
    """Lines of a text file that are not empty, without white space at their ends.

    Raises:
        ConfigError: it is not UTF-8.
    """
    with _text(path) as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield Row(number, line.strip())
        except UnicodeDecodeError as error:
            raise _not_utf8(path) from error


def _text(path: Path) -> io.TextIOWrapper:
    try:
        with open_regular(path):
            pass
        return path.open(encoding="utf-8-sig", newline="" if path.suffix.lower() in {".csv", ".tsv"} else None)
    except OSError as error:
        raise wrong(path, None, error.strerror or str(error), "Check the path and its permissions") from error


def _array(path: Path, data: bytes) -> Iterator[Row]:
    try:
        values = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise wrong(path, None, f"not valid JSON: {error}") from error
    for number, value in enumerate(values, start=1):
        if not isinstance(value, dict):
            raise wrong(path, None, f"element {number} is no object")
        if is_deep(value):
            raise wrong(path, None, f"element {number}: {TOO_DEEP}")
        yield Row(number, value)


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(line)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise wrong(path, number, f"not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise wrong(path, number, "the row is no JSON object")
    if is_deep(value):
        raise wrong(path, number, TOO_DEEP)
    return value


def _not_utf8(path: Path) -> ConfigError:
    """Which line is not UTF-8; the decoder, which reads ahead, does not know."""
    with open_regular(path) as file:
        number = 0
        while line := file.readline(MAX_ROW_BYTES):
            number += 1
            try:
                line.decode()
            except UnicodeDecodeError:
                break
    return wrong(path, number, "not UTF-8 text", "Convert it, for example with `iconv -f GB18030 -t UTF-8`")
