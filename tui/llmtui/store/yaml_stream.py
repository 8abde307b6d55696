"""YAML read as a stream of events, so that a file of any length takes the memory of one of its samples.

Values follow YAML's core schema, not version 1.1: `no`, `12:30`, `010` and `2026-01-01` are texts, as people who write
prompts mean them. Nothing but texts, numbers, booleans, null, lists and objects can come out, whatever tags say.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias

import yaml

from llmtui.store.files import open_regular

MAX_DEPTH = 48
TOO_DEEP = f"values nest deeper than {MAX_DEPTH} levels"
MAX_REPEATED = 100_000
"""Values that aliases may repeat, all together: enough for any honest file, far too few for a billion laughs."""
MAX_VALUES = 2_000_000
"""Values in one sample; a haystack is one value, however long."""
Place: TypeAlias = tuple[str | int, ...]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_PLAIN_TAGS = {None, "!", *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))}


class YamlError(Exception):
    """The file is not YAML that llmtui takes.

    Attributes:
        line: from 1; None where it is not known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Node:
    """A value and where its parts stand.

    Attributes:
        value: of builtins.
        lines: line (from 1) of each part by its path in the value; `()` is the value itself.
    """

    __slots__ = ("lines", "value")

    def __init__(self, value: Any, lines: dict[Place, int]) -> None:
        self.value = value
        self.lines = lines

    def line_of(self, path: Place) -> int | None:
        """The line of a part, or of the nearest part above it."""
        while path not in self.lines and path:
            path = path[:-1]
        return self.lines.get(path)


class YamlStream:
    """One document, read part by part. Use `open_yaml`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._events = yaml.parse(_Utf8(file), Loader=_loader())
        self._event: Any = None
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._repeated = 0
        self._values = 0
        self._advance()

    def top_level(self) -> Iterator[tuple[str, int, "YamlStream"]]:
        """The keys of the document's mapping with their lines; read each one's value from the stream before going on.

        Raises:
            YamlError: the document is empty, is no mapping, has a key twice, or is followed by another.
        """
        self._begin()
        if not isinstance(self._event, yaml.MappingStartEvent):
            raise YamlError("the file must hold keys and values, as `name: my-set`", self.line)
        self._advance()
        seen: set[str] = set()
        while not isinstance(self._event, yaml.MappingEndEvent):
            line = self.line
            key = self._key(seen)
            yield key, line, self
        self._advance()
        self._end()

    def document(self) -> Node:
        """The whole document, whatever its top is.

        Raises:
            YamlError: the file is empty, or another document follows.
        """
        self._begin()
        node = self.read()
        self._end()
        return node

    @property
    def line(self) -> int:
        """Where the next value stands."""
        return int(self._event.start_mark.line) + 1

    @property
    def at_list(self) -> bool:
        """Whether the next value is a list."""
        return isinstance(self._event, yaml.SequenceStartEvent)

    def read(self) -> Node:
        """The next value, whole."""
        self._values = 0
        lines: dict[Place, int] = {}
        return Node(self._value((), lines), lines)

    def items(self) -> Iterator[Node]:
        """The items of the list that comes next, one by one."""
        self._advance()
        while not isinstance(self._event, yaml.SequenceEndEvent):
            yield self.read()
        self._advance()

    def _begin(self) -> None:
        while isinstance(self._event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            self._advance()
        if isinstance(self._event, yaml.StreamEndEvent):
            raise YamlError("the file is empty")

    def _end(self) -> None:
        self._advance()
        if not isinstance(self._event, yaml.StreamEndEvent):
            raise YamlError("a second document begins; a file holds one", self.line)

    def _advance(self) -> None:
        try:
            self._event = next(self._events)
        except StopIteration:
            raise YamlError("the file ends too early") from None
        except yaml.MarkedYAMLError as error:
            raise _marked(error) from error
        except yaml.YAMLError as error:
            raise YamlError(str(error).splitlines()[0]) from error

    def _key(self, seen: set[str]) -> str:
        event = self._event
        if not isinstance(event, yaml.ScalarEvent):
            raise YamlError("a key must be a text", self.line)
        if event.value in seen:
            raise YamlError(f"the key `{event.value}` is there twice", self.line)
        seen.add(event.value)
        self._advance()
        return str(event.value)

    def _value(self, path: Place, lines: dict[Place, int]) -> Any:
        event, line = self._event, self.line
        self._values += 1
        if len(path) > MAX_DEPTH:
            raise YamlError(TOO_DEEP, line)
        if self._values > MAX_VALUES:
            raise YamlError(f"one value holds more than {MAX_VALUES:,} values", line)
        lines[path] = line
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag not in _PLAIN_TAGS:
            raise YamlError(f"the tag {event.tag} is not allowed", line)
        before = self._values
        self._advance()
        match event:
            case yaml.ScalarEvent():
                value = _scalar(event)
            case yaml.SequenceStartEvent():
                value = self._list(path, lines)
            case _:
                value = self._mapping(path, lines)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before + 1)
        return value

    def _list(self, path: Place, lines: dict[Place, int]) -> list[Any]:
        found: list[Any] = []
        while not isinstance(self._event, yaml.SequenceEndEvent):
            found.append(self._value((*path, len(found)), lines))
        self._advance()
        return found

    def _mapping(self, path: Place, lines: dict[Place, int]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        seen: set[str] = set()
        while not isinstance(self._event, yaml.MappingEndEvent):
            key = self._key(seen)
            found[key] = self._value((*path, key), lines)
        self._advance()
        return found

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise YamlError(f"`*{event.anchor}` repeats what is not there", self.line)
        value, size = self._anchors[event.anchor]
        self._repeated += size
        self._values += size
        if self._repeated > MAX_REPEATED:
            raise YamlError(f"aliases repeat more than {MAX_REPEATED:,} values", self.line)
        self._advance()
        return value


@contextlib.contextmanager
def open_yaml(path: Path) -> Iterator[YamlStream]:
    """A YAML file as a stream.

    Raises:
        OSError: it cannot be opened, or is no regular file.
        YamlError: it is not UTF-8, or not YAML; also while it is read.
    """
    with open_regular(path) as file:
        yield YamlStream(file)


def read_yaml(path: Path) -> Node:
    """A whole YAML or JSON file, whatever its top is.

    Raises:
        OSError, YamlError: as `open_yaml`.
    """
    with open_yaml(path) as stream:
        return stream.document()


def is_deep(value: Any) -> bool:
    """Whether lists and objects nest deeper than `MAX_DEPTH`, which would exhaust the stack of whoever walks them."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below = [list(item.values()) if isinstance(item, dict) else item for item in level]
        level = [part for item in below if isinstance(item, list) for part in item]
        if not level:
            return False
    return True


def is_text(word: str) -> bool:
    """Whether a word without quotes would be read as a text, not as a number, a boolean or null."""
    return isinstance(_resolved(word), str)


class _Utf8:
    """Text for the parser: UTF-8 with or without a byte order mark, every kind of line end as a line feed."""

    def __init__(self, file: IO[bytes]) -> None:
        import codecs  # noqa: PLC0415 - with the parser

        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._lines = 0
        self._held = ""

    def read(self, size: int = -1, /) -> str:
        """The next piece; empty at the end."""
        while True:
            data = self._file.read(max(size, 65_536))
            try:
                text = self._held + self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                line = self._lines + error.object[: error.start].count(b"\n") + 1
                byte = error.object[error.start]
                raise YamlError(f"not UTF-8 text: byte 0x{byte:02x}; convert the file first", line) from error
            self._held = "\r" if text.endswith("\r") and data else ""
            text = text.removesuffix("\r") + ("" if self._held or not text.endswith("\r") else "\n")
            self._check(text)
            self._lines += data.count(b"\n")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            if text or not data:
                return text

    def _check(self, text: str) -> None:
        control = _CONTROL.search(text)
        if control:
            line = self._lines + text.count("\n", 0, control.start()) + 1
            raise YamlError(f"the control character U+{ord(control[0]):04X} is not allowed in YAML", line)


def _loader() -> Any:
    """Libyaml's parser where PyYAML was built with it: eight times as fast."""
    try:
        from yaml.cyaml import CParser  # type: ignore[attr-defined]  # noqa: PLC0415 - not every build of PyYAML has it
    except ImportError:
        return yaml.SafeLoader

    class Parser(CParser):
        """The bare parser; `yaml.parse` disposes of it."""

        def dispose(self) -> None:
            """Nothing is held."""

    return Parser


def _scalar(event: Any) -> Any:
    return event.value if not event.implicit[0] or event.tag is not None else _resolved(event.value)


def _resolved(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not _leading_zero(text):
        return float(text)
    return text


def _leading_zero(text: str) -> bool:
    digits = text.lstrip("+-")
    return digits.isdigit() or (len(digits) > 1 and digits[0] == "0" and digits[1].isdigit())


def _marked(error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "not valid"
    if "cannot start any token" in problem or "tab character" in problem:
        problem = "a character that cannot begin a value; lines are indented with spaces, never with tabs"
    return YamlError(f"not valid YAML: {problem}", mark.line + 1 if mark else None)
