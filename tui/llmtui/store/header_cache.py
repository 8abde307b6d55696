"""What model headers say, kept so that each is read once.

A cache: deleting it loses nothing. An entry counts as long as path, size and time of every file of the model are the
same. Two programs may write at once: each replaces the file whole, with what it finds there and its own entries.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from llmtui.domain.models import CacheCost
from llmtui.store.files import replace_whole
from llmtui.store.paths import make_private_dir

VERSION = 3
"""Of what is kept: another one is as good as none."""
MAX_ENTRIES = 20_000
"""Beyond this only what was used this time is kept."""

Stamp = tuple[tuple[int, int], ...]
"""Size in bytes and modification time in ns of each file."""


class HeaderFacts(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a listing needs of a model's headers.

    Attributes:
        kind: `model`, or what else a sound GGUF file can be: `adapter`, `mmproj`, `projector`, `imatrix`.
        parameters: sum of the elements of all tensors.
        weights_bytes: sum of the sizes of all tensors; None where one is of an unknown type.
    """

    kind: str
    title: str | None
    architecture: str | None
    parameters: int
    quantisation: str | None
    trained_context: int | None
    weights_bytes: int | None
    cache_cost: CacheCost | None


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    stamp: Stamp
    facts: HeaderFacts


class _Document(msgspec.Struct, frozen=True):
    version: int
    entries: dict[bytes, _Entry]


class HeaderCache:
    """Facts by the path of a model's first file. Reads its own file when first asked.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[bytes, _Entry] | None = None
        self._used: set[bytes] = set()
        self._fresh: dict[bytes, _Entry] = {}

    def get(self, path: Path, stamp: Stamp) -> HeaderFacts | None:
        """What is known of files that have not changed; None when nothing is."""
        if self._entries is None:
            self._entries = _read(self._path)
        key = os.fsencode(path)
        entry = self._entries.get(key)
        if entry is None or entry.stamp != stamp:
            return None
        self._used.add(key)
        return entry.facts

    def put(self, path: Path, stamp: Stamp, facts: HeaderFacts) -> None:
        """Keep facts; on disk from the next `save`. A file that claims more than 64 bits can count is not kept."""
        if max(facts.parameters, *_numbers(facts)) >= 1 << 63:
            return
        key, entry = os.fsencode(path), _Entry(stamp, facts)
        if self._entries is not None:
            self._entries[key] = entry
        self._fresh[key] = entry
        self._used.add(key)

    def save(self) -> None:
        """Write what is new. A disk that is full or closed is nobody's loss."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        entries = _read(self._path) | fresh
        if len(entries) > MAX_ENTRIES:
            entries = {key: entry for key, entry in entries.items() if key in self._used}
        with contextlib.suppress(OSError):
            make_private_dir(self._path.parent)
            replace_whole(self._path, msgspec.msgpack.encode(_Document(VERSION, entries)))


def stamp_of(parts: Sequence[Path]) -> Stamp:
    """Size and time of each file now.

    Raises:
        OSError: one is missing.
    """
    return tuple((status.st_size, status.st_mtime_ns) for status in (part.stat() for part in parts))


def _numbers(facts: HeaderFacts) -> tuple[float, ...]:
    """Counts that grow with what a header claims."""
    return (facts.weights_bytes or 0, *(msgspec.structs.astuple(facts.cache_cost) if facts.cache_cost else ()))


def _read(path: Path) -> dict[bytes, _Entry]:
    """The entries on disk; none when the file is missing, damaged or of another version."""
    try:
        document = msgspec.msgpack.decode(path.read_bytes(), type=_Document)
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return {}
    return document.entries if document.version == VERSION else {}
