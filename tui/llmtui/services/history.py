"""What was done in the past, in one list: chats, notebooks and runs."""

import contextlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from llmtui.domain.transcript import ChatSummary
from llmtui.services.runs.past import RunSummary, list_runs
from llmtui.store.paths import Folders

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


def past_runs(folders: Folders) -> Iterator[Past]:
    """The user's runs, the newest first. Reads whole files: call it from a thread."""
    for run in list_runs(folders):
        yield of_run(run)


def _used_at(run: RunSummary) -> float:
    """When something was last written to it; else when it began."""
    with contextlib.suppress(OSError, ValueError):
        return Path(run.path).stat().st_mtime
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return datetime.fromisoformat(run.created_at).timestamp()
    return 0.0
