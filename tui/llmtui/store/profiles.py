"""Profile files: found by name, read with errors that name file, line and place, and written without defaults."""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec

import llmtui
from llmtui.domain.kv_types import CHOICES
from llmtui.domain.profile import NAME_PATTERN, Character, Profile
from llmtui.domain.settings import Adapter, Runtime, Sampling
from llmtui.errors import StoreError, UsageError
from llmtui.store.file_problems import InvalidError, Problem, near_match, problem, steps
from llmtui.store.files import replace_whole
from llmtui.store.paths import Folders, make_private_dir

SUFFIXES = (".yaml", ".yml", ".json")
MAX_FILE = 16 << 20
"""Bytes of a file: more than the longest texts of a profile take."""
_PACKAGE = Path(llmtui.__file__).parent
SHIPPED_PLACES = (_PACKAGE / "profiles", _PACKAGE.parent.parent / "profiles")
"""Where the profiles that come along are: in an installed package, in a checkout."""
_HOLDERS: dict[str, type[msgspec.Struct]] = {
    "generation": Sampling,
    "runtime": Runtime,
    "character": Character,
    "adapters": Adapter,
}


def shipped_folder() -> Path:
    """The folder of the profiles that come along."""
    return next((place for place in SHIPPED_PLACES if place.is_dir()), SHIPPED_PLACES[0])


def user_folder(folders: Folders) -> Path:
    """The folder of the user's own profiles, whether or not it exists."""
    return folders.config_dir / "profiles"


def profile_files(folder: Path) -> dict[str, Path]:
    """The profiles of a folder by name, in alphabetical order; none when the folder is missing or cannot be read."""
    found: dict[str, Path] = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = Path(entry.path)
            if path.suffix in SUFFIXES and not entry.name.startswith(".") and os.path.isfile(path):  # noqa: PTH113 - the others raise for a link in a loop
                found.setdefault(path.stem, path)
    return found


def read_profile(path: Path) -> Profile:
    """A profile from its file; the file's name without its ending is the profile's.

    Raises:
        ConfigError: it cannot be read, or is not valid; the cause names file, line and place.
    """
    from llmtui.store.yaml_stream import YamlError, read_yaml  # noqa: PLC0415 - the parser, only where a file is read

    try:
        large = path.stat().st_size > MAX_FILE
        node = None if large else read_yaml(path)
    except YamlError as error:
        raise _problem(path, str(error), line=error.line).as_error() from error
    except OSError as error:
        told = error.strerror or str(error)
        raise _problem(path, told, remedy="Check the path and its permissions").as_error() from error
    if node is None:
        raise _problem(path, f"the file holds more than {MAX_FILE >> 20} MiB").as_error()
    try:
        return _profile(node.value, path.stem)
    except InvalidError as error:
        found = problem(str(path), "$", node, error)
        raise msgspec.structs.replace(found, kind="profile").as_error() from error


def write_profile(folder: Path, profile: Profile) -> Path:
    """Write a profile into a folder under its name, whole or not at all; what it does not say is not written.

    A file that is there is replaced; when it has comments, which are not written again, a copy of it is kept beside
    it (`NAME.yaml.bak`).

    Raises:
        UsageError: the name cannot be that of a file.
        StoreError: it cannot be written; what was there stays.
    """
    check_name(profile.name)
    path = folder / f"{profile.name}.yaml"
    try:
        make_private_dir(folder)
        if path.is_file() and re.search(rb"(?m)^\s*#|\s#\s", old := path.read_bytes()):
            replace_whole(path.with_suffix(".yaml.bak"), old)
        replace_whole(path, text_of(profile).encode())
    except OSError as error:
        raise StoreError(
            "The profile cannot be written",
            cause=f"{path}: {error.strerror or error}",
            remedy="Make room, or make the folder writable",
        ) from error
    return path


def check_name(name: str) -> None:
    """Refuse a name that a file cannot have.

    Raises:
        UsageError: it cannot be a profile's.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(
            "That cannot be a profile's name",
            cause=repr(name),
            remedy="Use up to 80 letters, digits, `.`, `_` and `-`, a letter or digit first",
        )


def text_of(profile: Profile) -> str:
    """A profile as YAML, without defaults."""
    from llmtui.store.yaml_dump import dump  # noqa: PLC0415 - the writer, only where one is written

    return dump({"name": profile.name, **msgspec.to_builtins(profile)})


def _profile(value: Any, name: str) -> Profile:
    if not isinstance(value, dict):
        raise InvalidError("the file must hold keys and values, as `system: Be brief.`")
    parts: dict[str, Any] = {}
    for key, kind in (("generation", Sampling), ("runtime", Runtime)):
        if key in value:
            if not isinstance(value[key], dict):
                raise InvalidError("expected keys and values, as `temperature: 0.7`", (key,))
            _convert(value[key], kind, (key,))
            parts[key] = value[key]
    said = value.get("name", name)
    if isinstance(said, str) and said != name:
        message = f"`name` is {said!r}, but the file is called {name!r}, and its name counts"
        raise InvalidError(message, ("name",), "Remove the line, or rename the file")
    found: Profile = _convert({**value, **parts, "name": name}, Profile, ())
    return found


def _convert(value: Any, kind: Any, root: tuple[str | int, ...]) -> Any:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at ")
        place = (*root, *steps(at.strip("`").removeprefix("$")))
        unknown = re.fullmatch(r"Object contains unknown field `(.+)`", message)
        if unknown:
            names = [step for step in place if isinstance(step, str)]
            holder = _HOLDERS.get(names[-1], Profile) if names else Profile
            remedy = near_match(unknown[1], holder.__struct_fields__)
            raise InvalidError("unknown key", (*place, unknown[1]), remedy) from error
        raise InvalidError(*_told(message, place)) from error


def _told(message: str, place: tuple[str | int, ...]) -> tuple[str, tuple[str | int, ...], str]:
    """What does not fit, where, and what to do."""
    if "matching regex" in message:
        if place == ("name",):
            return "the file's name is no profile's", (), "Use letters, digits, `.`, `_` and `-`, a letter first"
        return "the name must be one line without control characters", place, "Correct the value"
    if message.startswith(("Expected `str`, got ", "Expected `str | null`, got ")):
        return message, place, 'Put it between quotes if a text is meant, as "42"'
    choices = {"mode": "instruct, chat, chat-instruct, text, infill", "overflow": "stop, slide, compact",
               "reasoning": "on, off", "reasoning_effort": "low, medium, high",
               **{name: ", ".join(words) for name, words in CHOICES.items()}}  # fmt: skip
    if place and place[-1] in choices and message.startswith("Invalid enum value"):
        return message.replace("Invalid enum value", "unknown:"), place, f"Choose one of {choices[str(place[-1])]}"
    return message, place, "Correct the value"


def _problem(path: Path, message: str, *, line: int | None = None, remedy: str = "Correct the file") -> Problem:
    return Problem(file=str(path), message=message, remedy=remedy, line=line, fatal=True, kind="profile")
