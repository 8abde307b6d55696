"""Removing models from the disk: what exactly would go, and what stays because something else needs it."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.errors import ModelError, UsageError
from llmtui.probes.open_files import holders
from llmtui.services.models import Catalogue
from llmtui.store.places import Place

_SNAPSHOTS, _BLOBS = "snapshots", "blobs"


class Doomed(msgspec.Struct, frozen=True, kw_only=True):
    """One name that goes.

    Attributes:
        size_bytes: that are free afterwards; 0 for a link, and where the same bytes have another name.
        note: what stays, in words.
        mark: device, inode and time of change when it was looked at: what is there later must be the same.
    """

    path: str
    size_bytes: int
    note: str = ""
    mark: tuple[int, int, int]


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """What removing a model means.

    Attributes:
        notes: what the user should know before: who else uses it, what stays.
    """

    info: ModelInfo
    files: tuple[Doomed, ...]
    notes: tuple[str, ...] = ()

    @property
    def freed_bytes(self) -> int:
        """That are free afterwards."""
        return sum(file.size_bytes for file in self.files)


def find(catalogue: Catalogue, spec: str) -> ModelInfo:
    """The model or adapter meant, also when it is damaged: that is what people remove.

    Raises:
        UsageError: nothing, or more than one, has that name; or no name is given, as by a variable that is not set:
            the default model, which that means elsewhere, is not removed by mistake.
        ModelError: it cannot be read.
    """
    if not spec.strip():
        raise UsageError("No model is named", remedy="Name one from `llmtui models`")
    try:
        return catalogue.resolve(spec)
    except ModelError:
        path = str(Path(spec).expanduser().absolute())
        for info in catalogue.scan():
            if info.name == spec or info.path == path:
                return info
        raise


def plan_removal(info: ModelInfo, places: Sequence[Place], own_pids: Sequence[int] = ()) -> Removal:
    """Look at what would go; nothing is touched.

    Args:
        info: as listed.
        places: where models are looked for; nothing outside them is removed.
        own_pids: processes of models that this program has loaded, which unloads them itself.

    Raises:
        UsageError: it is not llmtui's to remove.
        ModelError: it is gone, or cannot be looked at.
    """
    _refuse_others(info, places)
    parts = [Path(part) for part in info.parts or (info.path,)]
    present = [part for part in parts if os.path.lexists(part)]
    if not present:
        raise ModelError("The model is gone already", cause=info.path, remedy="List the models again")
    files: list[Doomed] = []
    notes: list[str] = []
    try:
        for part in present:
            files += _of_hub(part) if _hub_repository(part) is not None else [_plain(part)]
    except OSError as error:
        raise ModelError(
            "The model cannot be looked at", cause=f"{error.filename}: {error.strerror}", remedy="Make it readable"
        ) from error
    users = sorted({pid for part in present for pid in holders(Path(os.path.realpath(part)))} - set(own_pids))
    if users:
        shown = ", ".join(map(str, users[:5]))
        notes.append(f"in use by process {shown}: it goes on with it, and the room is free when that ends")
    return Removal(info=info, files=tuple(files), notes=tuple(notes))


def remove(removal: Removal, keep_folders: Sequence[Path] = ()) -> None:
    """Remove what was planned, and folders of llmtui's own that are empty then.

    Args:
        removal: from `plan_removal`.
        keep_folders: the roots below which empty folders go; they stay themselves.

    Raises:
        ModelError: a file is another one than it was, or the folder cannot be written; what went so far is named.
    """
    for file in removal.files:
        if _mark(Path(file.path)) != file.mark:
            raise ModelError(
                "A file changed since it was shown", cause=file.path, remedy="Nothing was removed. Look again"
            )
    gone: list[str] = []
    for file in removal.files:
        try:
            Path(file.path).unlink()
        except OSError as error:
            raise ModelError(
                "A file cannot be removed",
                cause=f"{file.path}: {error.strerror or error}. Removed before: {len(gone)} of {len(removal.files)}",
                remedy="Make its folder writable, and try again",
            ) from error
        gone.append(file.path)
    for file in removal.files:
        _drop_empty(Path(file.path).parent, keep_folders)


def _refuse_others(info: ModelInfo, places: Sequence[Place]) -> None:
    """Refuse what comes with the program, what others keep books about, and what lies where nobody looks.

    Raises:
        UsageError: with what to do instead.
    """
    if info.source == "demo":
        raise UsageError(
            "The demo model comes with llmtui and stays", cause=info.path, remedy="It takes a few MiB; name another"
        )
    if info.server is not None:
        raise UsageError(
            "A server's model is not on this disk", cause=info.path, remedy="Remove it with the server's own means"
        )
    stores = [place.path for place in places if place.source == "ollama"]
    if info.source == "ollama" or any(_within(Path(info.path), store) for store in stores):
        name = info.name.removeprefix("ollama/")
        raise UsageError(
            "Ollama keeps this model, and other names may share its file",
            cause=info.path,
            remedy=f"Let Ollama do it: ollama rm {name}",
        )
    folders = [place.path for place in places if place.source != "ollama"]
    if not any(_within(Path(info.path), folder) for folder in folders):
        raise UsageError(
            "The file lies in none of the folders that llmtui looks into",
            cause=info.path,
            remedy="Delete it yourself, or add its folder to model_folders",
        )
    if not all(part.lower().endswith(".gguf") for part in info.parts or (info.path,)):
        raise UsageError("That is no .gguf file", cause=info.path, remedy="Name a model from `llmtui models`")


def _within(path: Path, folder: Path) -> bool:
    """Whether the name lies below the folder: links followed, or as written where no `..` leads out of it again."""
    parent = Path(os.path.realpath(path.parent))
    written = ".." not in path.parts and path.is_relative_to(folder)
    return written or parent.is_relative_to(os.path.realpath(folder))


def _plain(path: Path) -> Doomed:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        note = f"a link; what it leads to stays: {os.path.realpath(path)}"
        return Doomed(path=str(path), size_bytes=0, note=note, mark=_mark(path))
    if status.st_nlink > 1:
        return Doomed(
            path=str(path), size_bytes=0, note="the same bytes have another name, which stays", mark=_mark(path)
        )
    return Doomed(path=str(path), size_bytes=status.st_size, mark=_mark(path))


def _hub_repository(path: Path) -> Path | None:
    """The folder `models--ORG--REPO` of a hub's cache that a snapshot's file is in."""
    for folder in path.parents:
        if folder.name.startswith("models--"):
            return folder if path.relative_to(folder).parts[0] == _SNAPSHOTS else None
    return None


def _of_hub(path: Path) -> list[Doomed]:
    """A snapshot's link, and the blob behind it when no other snapshot needs it."""
    repository = _hub_repository(path)
    if repository is None or not path.is_symlink():
        return [_plain(path)]
    blob = Path(os.path.normpath(path.parent / path.readlink()))
    if blob.parent != repository / _BLOBS or not os.path.lexists(blob):
        return [_plain(path)]
    others = [
        link
        for link in _links(repository / _SNAPSHOTS)
        if link != path and os.path.realpath(link) == os.path.realpath(blob)
    ]
    if others:
        note = f"a link; its blob stays, because {len(others)} other of this repository leads to it"
        return [Doomed(path=str(path), size_bytes=0, note=note, mark=_mark(path))]
    return [Doomed(path=str(path), size_bytes=0, note="a link to the blob", mark=_mark(path)), _plain(blob)]


def _links(folder: Path) -> list[Path]:
    return [Path(root, name) for root, _, names in os.walk(folder) for name in names if Path(root, name).is_symlink()]


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        status = path.lstat()
    except OSError:
        return (0, 0, 0)
    return status.st_dev, status.st_ino, status.st_mtime_ns


def _drop_empty(folder: Path, roots: Sequence[Path]) -> None:
    while any(folder != root and folder.is_relative_to(root) for root in roots):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
