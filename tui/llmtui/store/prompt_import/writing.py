"""Writes a prompt set, sample by sample, so that an import of any size takes the memory of one."""

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from llmtui.domain.prompt_set import Header
from llmtui.store.prompt_import.drafts import Draft, Left
from llmtui.store.prompt_sets import write_header
from llmtui.store.yaml_dump import dump

_LONGEST_ID = 200


def write_set(
    path: Path,
    header: Header,
    drafts: Iterable[Draft | Left],
    *,
    on_left: Callable[[Left], None],
    on_written: Callable[[int], None],
) -> int:
    """Write a set; the old file stays whole until the new one is.

    Args:
        path: of the new file.
        header: all but the samples.
        drafts: of the samples; ids are made unique, and made up where missing.
        on_left: given everything that was left out.
        on_written: given the number of samples so far.

    Returns:
        How many samples were written; with none, there is no file.

    Raises:
        OSError: it cannot be written. What `drafts` raises comes out here, and nothing is left behind.
    """
    fd, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(write_header(header))
            count = _write_samples(file, drafts, on_left, on_written)
        if count:
            os.replace(fresh, path)  # noqa: PTH105 - mkstemp gives text
        return count
    finally:
        Path(fresh).unlink(missing_ok=True)


def _write_samples(
    file: IO[str],
    drafts: Iterable[Draft | Left],
    on_left: Callable[[Left], None],
    on_written: Callable[[int], None],
) -> int:
    seen: dict[str, int] = {}
    count = 0
    for draft in drafts:
        if isinstance(draft, Left):
            on_left(draft)
            continue
        count += 1
        entry = {"id": _unique(str(draft.get("id") or f"sample-{count}"), seen), **_given(draft)}
        file.write(dump([entry]))
        on_written(count)
    return count


def _given(draft: Draft) -> Draft:
    return {key: value for key, value in draft.items() if key != "id" and value not in (None, "", [], {})}


def _unique(wanted: str, seen: dict[str, int]) -> str:
    """The id, with a number behind it where it was used before; `seen` counts the uses."""
    wanted = " ".join(wanted.split())[: _LONGEST_ID - 8] or "sample"
    found = wanted
    while found in seen:
        seen[wanted] += 1
        found = f"{wanted}-{seen[wanted]}"
    seen[found] = 1
    return found
