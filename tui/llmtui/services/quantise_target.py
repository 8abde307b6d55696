"""Where a quantised model goes."""

import os
import re
from pathlib import Path

from llmtui.domain.models import ModelInfo
from llmtui.errors import StoreError, UsageError
from llmtui.services.model_files import SPLIT, model_name

_OWN_PLACES = frozenset({"file", "folder", "webui", "lmstudio", "llama.cpp"})
"""Sources whose folders take another file; the caches of Ollama and the hub have names and links of their own."""
_UNFIT = re.compile(r"[^\w.+-]+")


def check_target(info: ModelInfo, kind: str, models_dir: Path, output: Path | None, *, replace: bool) -> Path:
    """The file to write, an absolute path.

    Args:
        info: the model.
        kind: name of the type, part of the default name.
        models_dir: taken where the model's own folder cannot be written, or belongs to another program's cache.
        output: a file, or an existing folder; None takes the default.
        replace: the file may exist.

    Raises:
        UsageError: it exists, is the model itself, or is no name for a model.
        StoreError: the folder cannot be written.
    """
    target = _default(info, kind, models_dir) if output is None else _chosen(info, kind, output)
    if any(_same(target, Path(part)) for part in info.parts):
        raise UsageError(
            "The output is the model itself",
            cause=str(target),
            remedy="Choose another name with -o: it is read meanwhile",
        )
    if target.is_dir():
        raise UsageError("The output is a folder", cause=str(target), remedy="Choose another name with -o")
    if os.path.lexists(target) and not replace:
        raise UsageError(
            "The output exists already",
            cause=str(target),
            remedy="Choose another name with -o, or overwrite with --force",
        )
    folder = target.parent
    if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError("The folder cannot be written", cause=str(folder), remedy="Choose another one with -o")
    return target


def file_name(info: ModelInfo, kind: str) -> str:
    """`<stem>-<TYPE>.gguf`."""
    stem = info.name.rpartition("/")[2] if info.source not in _OWN_PLACES else model_name(Path(info.path))
    return f"{_UNFIT.sub('-', stem).strip('-.') or 'model'}-{kind}.gguf"


def _default(info: ModelInfo, kind: str, models_dir: Path) -> Path:
    beside = Path(info.path).absolute().parent
    own = info.source in _OWN_PLACES and os.access(beside, os.W_OK | os.X_OK)
    return (beside if own else models_dir) / file_name(info, kind)


def _chosen(info: ModelInfo, kind: str, output: Path) -> Path:
    path = output.expanduser().absolute()
    if path.is_dir():
        return path / file_name(info, kind)
    if path.suffix.lower() != ".gguf":
        raise UsageError(
            "The output must end in .gguf", cause=str(output), remedy="Without it no program would find the model"
        )
    if SPLIT.fullmatch(path.name):
        raise UsageError(
            "The output is named like a part of a split model", cause=path.name, remedy="Leave out the numbers"
        )
    if not path.parent.is_dir():
        raise UsageError("There is no such folder", cause=str(path.parent), remedy="Make it first, or choose another")
    return path


def _same(left: Path, right: Path) -> bool:
    try:
        return left.samefile(right)
    except OSError:
        return False
