"""Makes a prompt set from a file of another format, and checks what came out."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from llmtui.domain.prompt_set import Header
from llmtui.domain.text import well_formed
from llmtui.errors import StoreError, UsageError
from llmtui.services.prompt_check import SetCheck, check_file
from llmtui.store.paths import Folders, make_private_dir
from llmtui.store.prompt_import.drafts import Left, Wishes
from llmtui.store.prompt_import.formats import FORMATS, format_of
from llmtui.store.prompt_import.writing import write_set
from llmtui.store.prompt_sets import user_folder

__all__ = ["ImportReport", "Wishes", "import_set"]
_NO_WISHES = Wishes()
_KEPT = 50
"""Notes on what was left out that are kept in words; the rest is counted."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import brought.

    Attributes:
        path: of the new set.
        samples: written, of which the check counts the valid ones, matrices laid out.
        left: the first things that were left out, in words.
        left_count: how many there were.
    """

    name: str
    path: str
    format: str
    samples: int
    left: tuple[str, ...]
    left_count: int
    check: SetCheck


def import_set(
    folders: Folders,
    source: Path,
    *,
    name: str | None = None,
    output: Path | None = None,
    format_name: str | None = None,
    wishes: Wishes = _NO_WISHES,
    limit: int | None = None,
    force: bool = False,
    on_written: Callable[[int], None] = lambda _: None,
) -> ImportReport:
    """Import a file.

    Args:
        folders: of the user; the set goes into their folder of prompt sets unless `output` says otherwise.
        source: the file.
        name: of the new set; None takes the file's.
        output: the new file.
        format_name: one of `FORMATS`; None looks at the file.
        wishes: how it is read.
        limit: samples at most.
        force: replace a set that is there.
        on_written: given the number of samples so far.

    Raises:
        ConfigError: the source is not what it should be.
        UsageError: the set is there already, or there is nothing to import.
        StoreError: the set cannot be written.
    """
    known = FORMATS[format_name] if format_name else format_of(source)
    name = name or _name_of(output or source)
    target = _target(output or user_folder(folders) / f"{name}.yaml", force=force)
    left = _Leftovers()
    drafts = _limited(known.read(source, wishes), limit)
    try:
        if output is None:
            make_private_dir(target.parent)
        written = write_set(target, _header(name, source), drafts, on_left=left.note, on_written=on_written)
    except OSError as error:
        raise _unwritable(target, error) from error
    if not written:
        raise UsageError("There is nothing to import", cause=f"{source} holds no prompt", remedy="Give another file")
    return ImportReport(
        name=name,
        path=str(target),
        format=known.name,
        samples=written,
        left=tuple(item.what for item in left.first),
        left_count=left.count,
        check=check_file(target),
    )


def _header(name: str, source: Path) -> Header:
    title, file = well_formed(source.stem), well_formed(source.name)
    return Header(schema="llmtui.promptset/1", name=name, title=title, source=file)


class _Leftovers:
    """What an import left out: the first few, and how many."""

    def __init__(self) -> None:
        self.first: list[Left] = []
        self.count = 0

    def note(self, what: Left) -> None:
        self.count += 1
        if len(self.first) < _KEPT:
            self.first.append(what)


def _target(path: Path, *, force: bool) -> Path:
    if path.exists() and not force:
        remedy = "Choose another name with -n, or give --force"
        raise UsageError(f"{path.name} is there already", cause=str(path), remedy=remedy)
    return path


def _unwritable(target: Path, error: OSError) -> StoreError:
    cause = f"{target}: {error.strerror or error}"
    return StoreError("The prompt set cannot be written", cause=cause, remedy="Choose another place with -o")


def _limited(drafts: Iterator[Any], limit: int | None) -> Iterator[Any]:
    count = 0
    for draft in drafts:
        if limit is not None and count >= limit and not isinstance(draft, Left):
            return
        count += not isinstance(draft, Left)
        yield draft


def _name_of(source: Path) -> str:
    """The file's name as a set's: letters, digits, dots and dashes."""
    return re.sub(r"[^\w.-]+", "-", source.stem).strip("-._")[:80] or "imported"
