"""The models this machine has: found, listed and resolved from what a user types."""

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import llmtui
from llmtui.domain.models import ModelInfo
from llmtui.domain.text import visible_line
from llmtui.errors import ModelError, UsageError
from llmtui.services.model_files import describe, inspect, model_name, sibling_parts
from llmtui.store.config import Config
from llmtui.store.gguf import folder_error
from llmtui.store.paths import Folders

DEMO = "demo"
DEMO_FILE = Path(llmtui.__file__).parent / "data" / "demo.gguf"
MAX_DEPTH = 12
"""Folders below a model folder that are searched; a link to the root must not mean the whole disk."""


class Catalogue:
    """Finds models. It reads headers from disk: call it from a thread, not from an event loop.

    Args:
        folders: of the user; its `models` folder is searched.
        config: names further folders and the default model.
        demo_file: the model that comes with the program.
    """

    def __init__(self, folders: Folders, config: Config, *, demo_file: Path = DEMO_FILE) -> None:
        self._folders = folders
        self._config = config
        self._demo_file = demo_file

    @property
    def demo(self) -> ModelInfo:
        """The model that comes with the program; with a `problem` when this installation lacks it."""
        found = describe((self._demo_file,), name=DEMO, source="demo")
        if found is None:
            raise self._demo_missing()
        return found

    @property
    def search_folders(self) -> tuple[Path, ...]:
        """Where `list` looks, whether or not the folders exist."""
        configured = [_expanded(folder) for folder in self._config.model_folders]
        absolute = [_absolute(folder) for folder in [*configured, self._folders.models_dir]]
        return tuple(dict.fromkeys(folder for folder in absolute if folder is not None))

    @property
    def default(self) -> str:
        """What is opened when nothing is named: the configured model, else `demo`."""
        return self._config.default_model or DEMO

    def list(self) -> list[ModelInfo]:
        """Every model found, `demo` first, then by name. Those that cannot be loaded carry a `problem`."""
        found = (_described(candidate) for candidate in _candidates(self.search_folders))
        return [self.demo, *(info for info in found if info is not None)]

    def resolve(self, spec: str | None = None) -> ModelInfo:
        """The model that is meant by `demo`, a path, a name, or the beginning of one name.

        Args:
            spec: None takes the configured default, or `demo`.

        Raises:
            UsageError: nothing, or more than one model, has that name; the near matches are listed.
            ModelError: the file is missing, damaged, or no model.
        """
        spec = spec or self.default
        if spec == DEMO:
            return self._resolve_demo()
        path = _expanded(spec)
        looks_like_path = os.sep in spec or spec.lower().endswith(".gguf")
        if _is_file(path) or (looks_like_path and _is_dir(path)):
            return _resolve_path(path)
        candidates = _candidates(self.search_folders)
        chosen = _named(spec, candidates)
        if chosen is not None:
            return inspect(chosen.parts, name=chosen.name, source="folder")
        if looks_like_path or _is_dir(path):
            return _resolve_path(path)
        raise _unknown(spec, [DEMO, *(candidate.name for candidate in candidates)], self.search_folders)

    def _resolve_demo(self) -> ModelInfo:
        if not _is_file(self._demo_file):
            raise self._demo_missing()
        return inspect((self._demo_file,), name=DEMO, source="demo")

    def _demo_missing(self) -> ModelError:
        return ModelError(
            "The demo model is missing from this installation",
            cause=str(self._demo_file),
            remedy="Install llmtui again, make the model with scripts/train_demo.py, or name another model",
        )


class _Candidate(NamedTuple):
    """Files under a name; their headers are not read yet."""

    name: str
    parts: tuple[Path, ...]


def _candidates(folders: tuple[Path, ...]) -> list[_Candidate]:
    """Files that may be models, by name; each once, even when two folders or links lead to it."""
    seen: set[str] = set()
    visited: set[tuple[int, int]] = set()
    found: list[_Candidate] = []
    for folder in folders:
        for path in _gguf_files(folder, visited):
            parts = sibling_parts(path)
            present = next((part for part in parts if _is_file(part)), path)
            key = os.path.realpath(present)
            if key not in seen:
                seen.add(key)
                found.append(_Candidate(model_name(path), parts))
    return sorted(_named_apart(found), key=lambda candidate: (candidate.name.casefold(), candidate.name))


def _described(candidate: _Candidate) -> ModelInfo | None:
    return describe(candidate.parts, name=candidate.name, source="folder")


def _resolve_path(path: Path) -> ModelInfo:
    if _is_dir(path):
        raise folder_error(path)
    return inspect(sibling_parts(_absolute(path) or path), name=model_name(path), source="file")


def _expanded(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - an unknown ~user stays as it is


def _absolute(path: Path) -> Path | None:
    """None for a relative path when the current folder is gone."""
    try:
        return path if path.is_absolute() else Path.cwd() / path
    except OSError:
        return None


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for names that are too long or out of bounds


def _is_dir(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - as in `_is_file`


def _gguf_files(folder: Path, visited: set[tuple[int, int]], depth: int = 0) -> Iterator[Path]:
    """The `.gguf` files of a folder and those below; hidden folders, link loops and what cannot be read are skipped."""
    try:
        status = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    here = (status.st_dev, status.st_ino)
    if here in visited:
        return
    visited.add(here)
    for entry in entries:
        try:
            is_dir, is_file = entry.is_dir(), entry.is_file()
        except OSError:
            continue
        if is_dir and depth < MAX_DEPTH and not entry.name.startswith("."):
            yield from _gguf_files(Path(entry.path), visited, depth + 1)
        elif is_file and entry.name.lower().endswith(".gguf"):
            yield Path(entry.path)


def _named_apart(candidates: list[_Candidate]) -> list[_Candidate]:
    """Give each a name of its own: with its folder's name when two are alike, else its whole path."""
    for whole in (False, True):
        counts = Counter([DEMO, *(candidate.name for candidate in candidates)])
        candidates = [
            candidate if counts[candidate.name] == 1 else _with_folder(candidate, whole=whole)
            for candidate in candidates
        ]
    return candidates


def _with_folder(candidate: _Candidate, *, whole: bool) -> _Candidate:
    path = candidate.parts[0]
    folder = path.parent if whole else path.parent.name
    return candidate._replace(name=visible_line(f"{folder}/{model_name(path)}"))


def _named(spec: str, candidates: list[_Candidate]) -> _Candidate | None:
    """By exact name, by the same name in other case, by the beginning of one name; None when there is none.

    Raises:
        UsageError: several models' names begin so.
    """
    wanted = spec.casefold()
    hits_by_rank = (
        [candidate for candidate in candidates if candidate.name == spec],
        [candidate for candidate in candidates if candidate.name.casefold() == wanted],
        [candidate for candidate in candidates if candidate.name.casefold().startswith(wanted)],
    )
    hits = next((hits for hits in hits_by_rank if hits), [])
    if len(hits) > 1:
        hits = [candidate for candidate in hits if _described(candidate) is not None] or hits
    if len(hits) > 1:
        raise UsageError(
            f"More than one model's name begins with {visible_line(spec)!r}",
            cause=", ".join(candidate.name for candidate in hits[:8]),
            remedy="Type more of the name",
        )
    return hits[0] if hits else None


def _unknown(spec: str, known: list[str], folders: tuple[Path, ...]) -> UsageError:
    names = {name.casefold(): name for name in known}
    near = [name for key, name in names.items() if spec.casefold() in key]
    near += [names[key] for key in difflib.get_close_matches(spec.casefold(), names, n=5, cutoff=0.5)]
    near = list(dict.fromkeys(near))[:8]
    places = " or ".join(str(folder) for folder in folders)
    return UsageError(
        f"No model is called {visible_line(spec)!r}",
        cause=f"near matches: {', '.join(near)}" if near else f"known are {', '.join(known[:8])}",
        remedy=f"Choose one from `llmtui models`, give a path, or put a .gguf file into {places}",
    )
