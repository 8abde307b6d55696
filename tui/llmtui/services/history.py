"""What was done in the past, in one list: chats, notebooks and runs."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from llmtui.domain.transcript import ChatSummary
from llmtui.errors import LlmtuiError
from llmtui.services.runs.past import RunSummary, summary_of
from llmtui.store.paths import Folders
from llmtui.store.runs import read_run, run_files, runs_dir

PastKind = Literal["chat", "notebook", "run"]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the history. Texts are as files have them: not safe to show.

    Attributes:
        title: the first words of a chat or notebook, the sets of a run.
        used_at: seconds since 1970.
        done: turns, or answers of a run.
        planned: answers of a run; None for what has no end.
        models: that answered, or are asked.
        state: of a run; see `RunSummary`.
        id: of a run; empty for others.
    """

    kind: PastKind
    path: str
    title: str
    used_at: float
    done: int
    planned: int | None = None
    models: tuple[str, ...] = ()
    state: str = ""
    id: str = ""


def of_chat(chat: ChatSummary) -> Past:
    """A chat or a notebook."""
    return Past(
        kind="notebook" if chat.kind == "notebook" else "chat",
        path=chat.path,
        title=chat.title,
        used_at=chat.modified_ns / 1e9,
        done=chat.turns,
        models=(chat.model,) if chat.model else (),
    )


def of_run(run: RunSummary) -> Past:
    """A run. Looks at its file."""
    return Past(
        kind="run",
        path=run.path,
        title=", ".join(run.sets),
        used_at=_used_at(run),
        done=run.done,
        planned=run.planned,
        models=run.models,
        state=run.state,
        id=run.id,
    )


class RunRows:
    """The user's runs as rows. What was read once is read again only when its file has changed."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._known: dict[Path, tuple[tuple[int, int], Past]] = {}

    def __call__(self) -> Iterator[Past]:
        """The newest first; a file that is no run, or cannot be read, is left out.

        Reads whole files: call it from a thread, one at a time.
        """
        for path in run_files(runs_dir(self._folders)):
            with contextlib.suppress(LlmtuiError, OSError):
                yield self._read(path)

    def _read(self, path: Path) -> Past:
        status = path.stat()
        stamp = status.st_mtime_ns, status.st_size
        known = self._known.get(path)
        if known is None or known[0] != stamp or known[1].state == "running":
            known = stamp, of_run(summary_of(read_run(path)))
            self._known[path] = known
        return known[1]


def _used_at(run: RunSummary) -> float:
    """When something was last written to it; else when it began."""
    with contextlib.suppress(OSError, ValueError):
        return Path(run.path).stat().st_mtime
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(run.created_at).timestamp()
    return 0.0
