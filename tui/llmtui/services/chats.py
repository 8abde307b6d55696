"""The chats of the past: all of them, or the one that is meant."""

import os
from pathlib import Path

from llmtui.domain.transcript import ChatList, Kind
from llmtui.errors import UsageError
from llmtui.store.paths import Folders
from llmtui.store.transcripts import list_chats, read_chats, read_kind, read_transcript

_SHOWN = 80
"""Characters of the user's word that an error repeats."""


def past_chats(folders: Folders) -> ChatList:
    """The user's chats, newest first, and the files that cannot be read.

    Reads from disk: call it from a thread, not from an event loop.
    """
    return read_chats(folders.chats_dir)


def kind_of(path: Path) -> Kind:
    """Whether a file holds a chat or a notebook; it may be damaged all the same. Reads: call it from a thread.

    Raises:
        StoreError: it is missing or unreadable.
    """
    return read_kind(path)


def find_chat(folders: Folders, word: str) -> Path:
    """The transcript that a user means by its path, the name of its file, its id, or the beginning of one id.

    Raises:
        UsageError: there is none, or more than one.
        StoreError: the file is no transcript or cannot be read.
    """
    expanded = os.path.expanduser(word)  # noqa: PTH111 - an unknown ~user stays as it is
    is_file = os.path.isfile(expanded)  # noqa: PTH113 - Path.is_file raises for a name that is too long
    path = Path(expanded) if is_file else _chat_by_id(folders, word)
    read_transcript(path)
    return path


def _chat_by_id(folders: Folders, word: str) -> Path:
    chats = list_chats(folders.chats_dir)
    named = [chat for chat in chats if word in {chat.id, Path(chat.path).stem}]
    found = named or [chat for chat in chats if chat.id.startswith(word)]
    if len(found) == 1:
        return Path(found[0].path)
    if found:
        raise UsageError(
            f"Several chats begin with `{_short(word)}`",
            cause=", ".join(chat.id for chat in found[:5]),
            remedy="Write more of the id",
        )
    newest = ", ".join(chat.id for chat in chats[:5])
    raise UsageError(
        f"There is no chat `{_short(word)}`",
        cause=f"The newest are {newest}" if newest else f"No chat is kept in {folders.chats_dir}",
        remedy="Give an id or the path of a transcript, or open the history inside llmtui",
    )


def _short(word: str) -> str:
    return word if len(word) <= _SHOWN else f"{word[: _SHOWN - 1]}…"
