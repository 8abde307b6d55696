"""The runs of the past, as they are listed, and how one is removed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from llmtui.domain.text import visible_line
from llmtui.errors import LlmtuiError, StoreError
from llmtui.services.runs.book import open_book
from llmtui.store.paths import Folders
from llmtui.store.runs import StoredRun, read_head, read_run, run_files, runs_dir
from llmtui.store.transcript_writer import TranscriptWriter


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run as listed.

    Attributes:
        created_at: ISO 8601.
        sets, models: as in its plan.
        done: samples times epochs times models that have an answer.
        state: `running` in this program, `finished`, `interrupted`, or `broken off` when it has no end, also while
            another window goes on with it.
    """

    id: str
    path: str
    created_at: str
    sets: tuple[str, ...]
    models: tuple[str, ...]
    done: int
    planned: int
    state: str


def list_runs(folders: Folders) -> Iterator[RunSummary]:
    """The user's runs, the newest first; a file that is no run, or cannot be read, is left out.

    Reads whole files: call it from a thread.
    """
    for path in run_files(runs_dir(folders)):
        if read_head(path) is None:
            continue
        with contextlib.suppress(LlmtuiError):
            yield summary_of(read_run(path))


def summary_of(stored: StoredRun) -> RunSummary:
    """A run that has been read."""
    plan = stored.run.plan
    return RunSummary(
        id=stored.run.id,
        path=str(stored.path),
        created_at=stored.run.created_at,
        sets=tuple(planned.name for planned in plan.sets),
        models=plan.models,
        done=sum(result.is_final for result in stored.results.values()),
        planned=plan.turns * len(plan.models),
        state=_state(stored),
    )


def _state(stored: StoredRun) -> str:
    if open_book(stored.path) is not None:
        return "running"
    if stored.ended is None:
        return "broken off"
    return "finished" if stored.ended.reason == "finished" else "interrupted"


def remove_run(path: Path) -> None:
    """Remove a run's file, and the set that was made for it alone. Touches the disk: call it from a thread.

    Raises:
        StoreError: it is no run, it is open in another window, or it cannot be removed.
    """
    stored = read_run(path)
    writer = TranscriptWriter.reopen(path, what="run")
    try:
        path.unlink()
        for planned in stored.run.plan.sets:
            made = Path(planned.path)
            if made.parent == path.resolve().parent:
                made.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            "The run cannot be removed",
            cause=f"{visible_line(str(path))}: {error.strerror or error}",
            remedy="Check the permissions of its folder",
        ) from error
    finally:
        writer.close()
