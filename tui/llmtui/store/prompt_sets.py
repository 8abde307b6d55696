"""Prompt-set files: found by name, read sample by sample, with errors that name file, line and place.

A set of any length takes the memory of one sample and of the ids, which must be unique.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

import llmtui
from llmtui.domain.prompt_fill import FillError, samples_of
from llmtui.domain.prompt_set import SCHEMA, Entry, Header, Sample
from llmtui.store.paths import Folders
from llmtui.store.prompt_errors import InvalidError, Problem, convert, problem, steps
from llmtui.store.prompt_files import Attachments
from llmtui.store.yaml_stream import Node, YamlError, YamlStream, open_yaml

SUFFIXES = (".yaml", ".yml", ".json")
_OTHERS = (".jsonl", ".csv", ".tsv", ".txt")
"""Of files that are imported; as YAML, only their second line makes no sense."""
_PACKAGE = Path(llmtui.__file__).parent
SHIPPED_PLACES = (_PACKAGE / "prompts", _PACKAGE.parent.parent / "prompts")
"""Where the sets that come along are: in an installed package, in a checkout."""


def shipped_folder() -> Path:
    """The folder of the sets that come along."""
    return next((place for place in SHIPPED_PLACES if place.is_dir()), SHIPPED_PLACES[0])


def user_folder(folders: Folders) -> Path:
    """The folder of the user's own sets, whether or not it exists."""
    return folders.data_dir / "prompts"


def set_files(folder: Path) -> dict[str, Path]:
    """The sets of a folder by name, in alphabetical order; none when the folder is missing or cannot be read."""
    found: dict[str, Path] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = Path(entry.path)
            if path.suffix in SUFFIXES and not entry.name.startswith(".") and os.path.isfile(path):  # noqa: PTH113 - the others raise for a link in a loop
                found.setdefault(path.stem, path)
    return found


class PromptSetReader:
    """An open prompt set: its header at once, its samples as they are read, once. Use `open_prompt_set`.

    Attributes:
        header: all but the samples.
    """

    def __init__(self, path: Path, stream: YamlStream) -> None:
        self._path = path
        self._file = str(path)
        self._attachments = Attachments(path.parent)
        self._stream = stream
        self._keys = stream.top_level()
        self._seen: dict[str, int] = {}
        self._count = 0
        self.header = self._read_header()

    def samples(self) -> Iterator[Sample]:
        """Every sample.

        Raises:
            ConfigError: one is not valid.
        """
        for found in self.scan():
            if isinstance(found, Problem):
                raise found.as_error()
            yield found

    def scan(self) -> Iterator[Sample | Problem]:
        """Every sample, and a problem in place of each that is not valid."""
        sound = True
        try:
            for found in self._scan():
                sound = sound and not isinstance(found, Problem)
                yield found
        except YamlError as error:
            sound = False
            yield _broken(self._file, error)
        if sound and not self._count:
            yield Problem(
                file=self._file, message="there are no samples", remedy="Add a list `samples`", place="$.samples"
            )

    def _scan(self) -> Iterator[Sample | Problem]:
        if self._stream.at_list:
            for node in self._stream.items():
                yield from self._entry(node, self._file)
        else:
            yield from self._rows(self._stream.read())
        for key, line, _ in self._keys:
            message = f"`{key}` stands behind `samples`, which must come last: a set is read as it streams"
            yield Problem(
                file=self._file, message=message, remedy="Move it up", place=f"$.{key}", line=line, fatal=True
            )
            return

    def _rows(self, node: Node) -> Iterator[Sample | Problem]:
        """Samples in a JSONL file beside the set."""
        try:
            rows = self._attachments.rows(node.value)
            for path, line, value in rows:
                yield from self._entry(Node(value, {(): line}), path)
        except InvalidError as error:
            yield problem(self._file, "$.samples", node, error)

    def _entry(self, node: Node, file: str) -> Iterator[Sample | Problem]:
        root = f"$.samples[{self._count}]"
        self._count += 1
        try:
            entry = convert(self._attachments.filled(node.value), Entry)
        except InvalidError as error:
            yield problem(file, root, node, error)
            return
        try:
            for sample in samples_of(entry, self.header.defaults):
                self._check_id(sample.id)
                yield sample
        except FillError as error:
            yield problem(file, root, node, InvalidError(str(error), steps(error.place), error.remedy))

    def _check_id(self, id_: str) -> None:
        if id_ in self._seen:
            raise FillError(f"the id `{id_}` is that of sample {self._seen[id_]} already", ".id", "Choose another id")
        self._seen[id_] = self._count - 1

    def _read_header(self) -> Header:
        values: dict[str, Any] = {}
        lines: dict[tuple[str | int, ...], int] = {}
        for key, line, stream in self._keys:
            if key == "samples":
                break
            node = stream.read()
            values[key] = node.value
            lines |= {(key, *place): at for place, at in node.lines.items()} | {(key,): line}
        else:
            message = "there is no list `samples`"
            raise Problem(file=self._file, message=message, remedy="Add one", place="$").as_error()
        node = Node(values, lines)
        try:
            _check_schema(values.get("schema"))
            values["defaults"] = self._attachments.filled(values.get("defaults", {}), ("defaults",))
            header: Header = convert({"name": self._path.stem, **values}, Header)
        except InvalidError as error:
            raise problem(self._file, "$", node, error).as_error() from error
        return header


@contextlib.contextmanager
def open_prompt_set(path: Path) -> Iterator[PromptSetReader]:
    """A prompt set, ready to be read.

    Raises:
        ConfigError: it cannot be opened, or its header is not valid. Problems of samples come while they are read.
    """
    if path.suffix.casefold() in _OTHERS and path.is_file():
        told = f"a {path.suffix} file is no prompt set; `llmtui prompts import` makes one of it"
        raise Problem(file=str(path), message=told, remedy="Import it, and give the new set's name").as_error()
    try:
        with open_yaml(path) as stream:
            yield PromptSetReader(path, stream)
    except YamlError as error:
        raise _broken(str(path), error).as_error() from error
    except OSError as error:
        cause = error.strerror or str(error)
        raise Problem(file=str(path), message=cause, remedy="Check the path and its permissions").as_error() from error


def write_header(header: Header) -> str:
    """A header as YAML, up to and including the line `samples:`."""
    import yaml  # noqa: PLC0415 - read sets do not need it

    values = msgspec.to_builtins(header)
    text: str = yaml.safe_dump({"schema": SCHEMA, **values}, allow_unicode=True, sort_keys=False, width=120)
    return f"{text}samples:\n"


def _check_schema(schema: object) -> None:
    if schema != SCHEMA:
        remedy = f"Write `schema: {SCHEMA}`; other formats are read by `llmtui prompts import`"
        told = "is missing" if schema is None else f"is {schema!r}"
        raise InvalidError(f"`schema` {told}", ("schema",), remedy)


def _broken(file: str, error: YamlError) -> Problem:
    return Problem(file=file, message=str(error), remedy="Correct the file", line=error.line, fatal=True)
