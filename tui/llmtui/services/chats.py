"""The chats of the past."""

from llmtui.domain.transcript import ChatSummary
from llmtui.store.paths import Folders
from llmtui.store.transcripts import list_chats


def past_chats(folders: Folders) -> list[ChatSummary]:
    """The user's chats, newest first. Reads from disk: call it from a thread, not from an event loop."""
    return list_chats(folders.chats_dir)
