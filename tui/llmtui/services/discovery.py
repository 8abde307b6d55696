"""Which files may be models, under which names: found by walking folders, before any header is read."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from llmtui.domain.models import ModelSource
from llmtui.domain.text import visible_line
from llmtui.services.model_files import model_name, sibling_parts
from llmtui.store.ollama import OllamaModel, read_store
from llmtui.store.places import Place

MAX_DEPTH = 12
"""Folders below a model folder that are searched; a link to the root must not mean the whole disk."""
OLLAMA = "ollama/"
"""What the names of Ollama's models begin with."""


class Candidate(NamedTuple):
    """Files under a name; their headers are not read yet.

    Attributes:
        parts: all files the model should have; empty when there is a `problem`.
        aliases: further names under which the same files were found.
        group: set before the name when two candidates have the same one: a folder or repository.
        manifest: of Ollama, the file that names the model.
        manifests: of Ollama, the name and the manifest of every model that these files are.
        digests: of those manifests.
        problem: why there is nothing to read.
    """

    name: str
    parts: tuple[Path, ...]
    source: ModelSource
    group: str = ""
    aliases: tuple[str, ...] = ()
    manifest: Path | None = None
    manifests: tuple[tuple[str, Path], ...] = ()
    digests: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every alias."""
        return (self.name, *self.aliases)

    @property
    def path(self) -> Path:
        """What stands for the candidate: its first file, or the manifest without one."""
        return self.parts[0] if self.parts else self.manifest or Path()


def candidates(places: Sequence[Place], *, taken: str) -> list[Candidate]:
    """Files that may be models, by name; each once, even when two folders, links or names lead to it.

    Args:
        places: searched in this order; the first that has a file names it.
        taken: a name that none may have.
    """
    seen: dict[tuple[int, int], int] = {}
    found: list[Candidate] = []
    for candidate in _all(places):
        key = _identity(candidate)
        at = seen.setdefault(key, len(found)) if key is not None else len(found)
        if at == len(found):
            found.append(candidate)
        elif candidate.source == "ollama":
            first = found[at]
            found[at] = first._replace(
                aliases=(*first.aliases, candidate.name),
                manifests=(*first.manifests, *candidate.manifests),
                digests=(*first.digests, *candidate.digests),
            )
    return sorted(_named_apart(found, taken), key=lambda candidate: (candidate.name.casefold(), candidate.name))


def _all(places: Sequence[Place]) -> Iterator[Candidate]:
    visited: set[tuple[int, int]] = set()
    names: set[str] = set()
    for place in places:
        if place.source == "ollama":
            for model in read_store(place.path):
                if model.name not in names:
                    names.add(model.name)
                    yield _of_ollama(model)
        elif place.source == "huggingface":
            yield from _of_hub(place.path, visited)
        else:
            yield from _of_folder(place.path, visited, place.source)


def _of_ollama(model: OllamaModel) -> Candidate:
    return Candidate(
        f"{OLLAMA}{model.name}",
        (model.blob,) if model.blob is not None else (),
        "ollama",
        manifest=model.manifest,
        manifests=((f"{OLLAMA}{model.name}", model.manifest),),
        digests=(model.digest,) if model.digest else (),
        problem=model.problem,
    )


def _of_hub(cache: Path, visited: set[tuple[int, int]]) -> Iterator[Candidate]:
    """Of `models--org--name/snapshots/revision/`, where links lead to the blobs."""
    for repository in _entries(cache):
        if repository.name.startswith("models--"):
            label = repository.name.removeprefix("models--").replace("--", "/")
            folder = Path(repository.path, "snapshots")
            yield from _of_folder(folder, visited, "huggingface", label)


def _of_folder(
    folder: Path, visited: set[tuple[int, int]], source: ModelSource, group: str | None = None
) -> Iterator[Candidate]:
    for path in _gguf_files(folder, visited):
        yield Candidate(model_name(path), sibling_parts(path), source, group or path.parent.name)


def _gguf_files(folder: Path, visited: set[tuple[int, int]], depth: int = 0) -> Iterator[Path]:
    """The `.gguf` files of a folder and those below; hidden folders, link loops and what cannot be read are skipped."""
    try:
        status = folder.stat()
    except OSError:
        return
    here = (status.st_dev, status.st_ino)
    if here in visited:
        return
    visited.add(here)
    for entry in _entries(folder):
        try:
            is_dir, is_file = entry.is_dir(), entry.is_file()
        except OSError:
            continue
        if is_dir and depth < MAX_DEPTH and not entry.name.startswith("."):
            yield from _gguf_files(Path(entry.path), visited, depth + 1)
        elif is_file and entry.name.lower().endswith(".gguf"):
            yield Path(entry.path)


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """What a folder holds, by name; nothing when it cannot be read."""
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []


def _identity(candidate: Candidate) -> tuple[int, int] | None:
    """Device and inode of the first file that is there: links of either kind lead to the same."""
    for part in candidate.parts:
        try:
            status = part.stat()
        except (OSError, ValueError):
            continue
        return status.st_dev, status.st_ino
    return None


def _named_apart(found: list[Candidate], taken: str) -> list[Candidate]:
    """Give each a name of its own: with its group before it when two are alike, else its whole path."""
    for whole in (False, True):
        counts = Counter([taken, *(candidate.name for candidate in found)])
        found = [
            candidate if counts[candidate.name] == 1 else _with_group(candidate, whole=whole) for candidate in found
        ]
    return found


def _with_group(candidate: Candidate, *, whole: bool) -> Candidate:
    group = candidate.path.parent if whole else candidate.group
    return candidate._replace(name=visible_line(f"{group}/{model_name(candidate.path)}"))
