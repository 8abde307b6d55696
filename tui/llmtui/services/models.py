"""The models this machine has: found, listed and resolved from what a user types."""

import difflib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

import llmtui
from llmtui.domain.models import ModelInfo
from llmtui.domain.text import visible_line
from llmtui.errors import ModelError, UsageError
from llmtui.services.model_files import ModelDetails, describe, details, inspect, model_name, sibling_parts
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
        configured = [Path(os.path.expanduser(folder)) for folder in self._config.model_folders]  # noqa: PTH111 - an unknown ~user stays as it is
        return tuple(dict.fromkeys(Path.cwd() / folder for folder in [*configured, self._folders.models_dir]))

    def list(self) -> list[ModelInfo]:
        """Every model found, `demo` first, then by name. Those that cannot be loaded carry a `problem`."""
        found: list[ModelInfo] = []
        for parts in self._files():
            info = describe(parts, name=model_name(parts[0]), source="folder")
            if info is not None:
                found.append(info)
        return [self.demo, *sorted(_named_apart(found), key=lambda info: info.name.casefold())]

    def resolve(self, spec: str | None = None) -> ModelInfo:
        """The model that is meant by `demo`, a path, a name, or the beginning of one name.

        Args:
            spec: None takes the configured default, or `demo`.

        Raises:
            UsageError: nothing, or more than one model, has that name; the near matches are listed.
            ModelError: the file is missing, damaged, or no model.
        """
        spec = spec or self._config.default_model or DEMO
        if spec == DEMO:
            return self._resolve_demo()
        path = Path(os.path.expanduser(spec))  # noqa: PTH111 - an unknown ~user stays as it is
        looks_like_path = os.sep in spec or spec.lower().endswith(".gguf")
        if path.is_file() or (looks_like_path and path.is_dir()):
            return self._resolve_path(path)
        models = self.list()
        info = _named(spec, models)
        if info is None and (looks_like_path or path.exists()):
            return self._resolve_path(path)
        if info is None:
            raise _unknown(spec, models, self.search_folders)
        parts = tuple(Path(part) for part in info.parts)
        return inspect(parts, name=info.name, source=info.source)

    def details(self, info: ModelInfo) -> ModelDetails:
        """Everything the model's headers say.

        Raises:
            ModelError: the files cannot be read.
        """
        return details(info)

    def _resolve_demo(self) -> ModelInfo:
        if not self._demo_file.exists():
            raise self._demo_missing()
        return inspect((self._demo_file,), name=DEMO, source="demo")

    def _demo_missing(self) -> ModelError:
        return ModelError(
            "The demo model is missing from this installation",
            cause=str(self._demo_file),
            remedy="Install llmtui again, make the model with scripts/train_demo.py, or name another model",
        )

    def _resolve_path(self, path: Path) -> ModelInfo:
        if path.is_dir():
            raise folder_error(path)
        path = Path.cwd() / path
        return inspect(sibling_parts(path), name=model_name(path), source="file")

    def _files(self) -> Iterator[tuple[Path, ...]]:
        """Models as tuples of their parts, each once, even when two folders or links lead to it."""
        seen: set[Path] = set()
        visited: set[tuple[int, int]] = set()
        for folder in self.search_folders:
            for path in _gguf_files(folder, visited):
                parts = sibling_parts(path)
                present = next((part for part in parts if part.exists()), path)
                key = Path(os.path.realpath(present))
                if key not in seen:
                    seen.add(key)
                    yield parts


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


def _named_apart(models: list[ModelInfo]) -> list[ModelInfo]:
    """Give every model a name of its own: with its folder's name when two are alike, else its whole path."""
    for whole in (False, True):
        counts = Counter([DEMO, *(info.name for info in models)])
        models = [info if counts[info.name] == 1 else _with_folder(info, whole=whole) for info in models]
    return models


def _with_folder(info: ModelInfo, *, whole: bool) -> ModelInfo:
    path = Path(info.path)
    folder = path.parent if whole else path.parent.name
    return msgspec.structs.replace(info, name=visible_line(f"{folder}/{model_name(path)}"))


def _named(spec: str, models: list[ModelInfo]) -> ModelInfo | None:
    """By exact name, by the same name in other case, by the beginning of one name; None when there is none.

    Raises:
        UsageError: several names begin so.
    """
    wanted = spec.casefold()
    hits_by_rank = (
        [info for info in models if info.name == spec],
        [info for info in models if info.name.casefold() == wanted],
        [info for info in models if info.name.casefold().startswith(wanted)],
    )
    for hits in hits_by_rank:
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise UsageError(
                f"More than one model's name begins with {visible_line(spec)!r}",
                cause=", ".join(info.name for info in hits[:8]),
                remedy="Type more of the name",
            )
    return None


def _unknown(spec: str, models: list[ModelInfo], folders: tuple[Path, ...]) -> UsageError:
    names = {info.name.casefold(): info.name for info in models}
    near = [name for key, name in names.items() if spec.casefold() in key]
    near += [names[key] for key in difflib.get_close_matches(spec.casefold(), names, n=5, cutoff=0.5)]
    near = list(dict.fromkeys(near))[:8]
    places = " or ".join(str(folder) for folder in folders)
    return UsageError(
        f"No model is called {visible_line(spec)!r}",
        cause=f"near matches: {', '.join(near)}" if near else f"known are {', '.join(list(names.values())[:8])}",
        remedy=f"Choose one from `llmtui models`, give a path, or put a .gguf file into {places}",
    )
