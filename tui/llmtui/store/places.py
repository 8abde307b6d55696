"""Where model files are: the user's own folders, and those that other programs keep."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from llmtui.domain.models import ModelSource
from llmtui.store.config import Config
from llmtui.store.paths import Folders

SYSTEM_OLLAMA = Path("/usr/share/ollama/.ollama/models")
"""Where Ollama's Linux service keeps its models."""


class Place(NamedTuple):
    """A folder to search, whether or not it exists."""

    source: ModelSource
    path: Path


def places(folders: Folders, config: Config, environ: Mapping[str, str]) -> tuple[Place, ...]:
    """Every place to search, in the order in which a file found twice is named.

    Args:
        folders: of the user; their `models` folder is one of the places.
        config: names folders, and which other programs' are searched.
        environ: variables with which those programs are told to keep their files elsewhere.
    """
    own = [*(_expanded(folder) for folder in config.model_folders), folders.models_dir]
    found = [Place("folder", folder) for folder in own]
    if config.webui_folder is not None:
        found += [Place("webui", folder) for folder in _webui(_expanded(config.webui_folder))]
    for source, find in (("lmstudio", _lmstudio), ("huggingface", _hub), ("llama.cpp", _llama), ("ollama", _ollama)):
        if source in config.discover:
            found += [Place(source, folder) for folder in find(environ)]
    absolute = [Place(place.source, path) for place in found if (path := _absolute(place.path)) is not None]
    return tuple({place.path: place for place in reversed(absolute)}.values())[::-1]


def _webui(root: Path) -> list[Path]:
    """Of text-generation-webui's folder: its models, now and in older versions; or the models folder itself."""
    inside = [root / "user_data" / "models", root / "models"]
    return [folder for folder in inside if os.path.isdir(folder)] or [root]  # noqa: PTH112 - never raises


def _lmstudio(environ: Mapping[str, str]) -> list[Path]:
    del environ
    return [_expanded("~/.lmstudio/models"), _expanded("~/.cache/lm-studio/models")]


def _hub(environ: Mapping[str, str]) -> list[Path]:
    """As `huggingface_hub` looks for its cache."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environ.get(variable):
            return [_expanded(environ[variable])]
    home = environ.get("HF_HOME")
    return [(_expanded(home) if home else _cache(environ) / "huggingface") / "hub"]


def _llama(environ: Mapping[str, str]) -> list[Path]:
    if environ.get("LLAMA_CACHE"):
        return [_expanded(environ["LLAMA_CACHE"])]
    return [_cache(environ) / "llama.cpp", _expanded("~/Library/Caches/llama.cpp")]


def _ollama(environ: Mapping[str, str]) -> list[Path]:
    if environ.get("OLLAMA_MODELS"):
        return [_expanded(environ["OLLAMA_MODELS"])]
    return [_expanded("~/.ollama/models"), SYSTEM_OLLAMA]


def _cache(environ: Mapping[str, str]) -> Path:
    return _expanded(environ.get("XDG_CACHE_HOME") or "~/.cache")


def _expanded(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - an unknown ~user stays as it is


def _absolute(path: Path) -> Path | None:
    """None for a relative path when the current folder is gone."""
    try:
        return path if path.is_absolute() else Path.cwd() / path
    except OSError:
        return None
