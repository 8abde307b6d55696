"""What a prompt set takes from other files: `file://` and a path below the set's own folder."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llmtui.store.files import open_regular
from llmtui.store.prompt_errors import InvalidError
from llmtui.store.yaml_stream import MAX_DEPTH, TOO_DEEP, Place, YamlError, is_deep, read_yaml

SCHEME = "file://"
MAX_TEXT_BYTES = 64 << 20
"""Of one file that becomes one text."""
MAX_ROW_BYTES = 64 << 20
_STRUCTURED = {"tests", "schema"}
"""Keys whose file holds values, not text."""
_CACHED = 16
"""Files kept in memory: samples in a row often share one."""


class Attachments:
    """The files beside one prompt set. Nothing outside its folder is read, through links neither."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._text = functools.lru_cache(_CACHED)(_read_text)
        self._values = functools.lru_cache(_CACHED)(_read_values)

    def filled(self, value: Any, place: Place = ()) -> Any:
        """The value with every `file://…` replaced by the file's text; below `tests` and `schema` by its values.

        Raises:
            InvalidError: a file is missing, leaves the folder, is no UTF-8, or is too long; values nest too deeply.
        """
        if len(place) > MAX_DEPTH:
            raise InvalidError(TOO_DEEP, place[:1])
        match value:
            case str() if value.startswith(SCHEME):
                path = self._inside(value, place)
                structured = place[-1:] and place[-1] in _STRUCTURED and "scorers" in place
                try:
                    return self._values(path) if structured else self._text(path)
                except InvalidError as error:
                    raise InvalidError(f"{value}: {error}", place, error.remedy) from error
            case dict():
                return {key: self.filled(item, (*place, key)) for key, item in value.items()}
            case list():
                return [self.filled(item, (*place, index)) for index, item in enumerate(value)]
            case _:
                return value

    def rows(self, value: Any) -> Iterator[tuple[str, int, Any]]:
        """File, line and value of each row of a JSONL file, which a set names in place of its list of samples.

        Raises:
            InvalidError: the value names no such file, or a row is not valid JSON.
        """
        if not isinstance(value, str) or not value.startswith(SCHEME):
            raise InvalidError("expected a list, or `file://` and a JSONL file")
        path = self._inside(value, ())
        try:
            with open_regular(path) as file:
                number = 0
                while line := file.readline(MAX_ROW_BYTES):
                    number += 1
                    if line.strip():
                        yield str(path), number, _row(line, number)
        except OSError as error:
            raise InvalidError(f"{value}: {error.strerror or error}") from error

    def _inside(self, value: str, place: Place) -> Path:
        try:
            folder = self._folder.resolve()
            path = (folder / value.removeprefix(SCHEME)).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise InvalidError(f"{value} is not a path: {error}", place) from error
        if not path.is_relative_to(folder):
            raise InvalidError(
                f"{value} leaves the folder of the set",
                place,
                f"Put the file into {folder}, or below it",
            )
        return path


def _row(line: bytes, number: int) -> Any:
    try:
        return msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidError(f"line {number} is not valid JSON: {error}") from error


def _read_text(path: Path) -> str:
    """The text without its last line end, every kind of line end as a line feed."""
    try:
        with open_regular(path) as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise InvalidError(error.strerror or str(error), (), "Check the path and its permissions") from error
    if len(data) > MAX_TEXT_BYTES:
        raise InvalidError(f"more than {MAX_TEXT_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidError(f"not UTF-8 text, line {line}", (), "Save the file as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def _read_values(path: Path) -> Any:
    try:
        value = json.loads(_read_text(path)) if path.suffix == ".json" else read_yaml(path).value
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"not valid JSON: {error}") from error
    except YamlError as error:
        where = f"line {error.line}: " if error.line else ""
        raise InvalidError(f"{where}{error}") from error
    except OSError as error:
        raise InvalidError(error.strerror or str(error)) from error
    if is_deep(value):
        raise InvalidError(TOO_DEEP)
    return value
