"""The first thing a command does: find the folders, read the configuration, put the parts together."""

from pathlib import Path

import msgspec

from llmtui.errors import UsageError
from llmtui.services.wiring import Services, build
from llmtui.store.config import load_config
from llmtui.store.paths import Folders
from llmtui.store.transcripts import list_chats, read_transcript


def prepare(*, context: int | None = None, threads: int | None = None) -> Services:
    """The services for this environment; nothing is created and no model is loaded.

    Args:
        context: tokens per slot, over what the configuration says.
        threads: of decode, over what the configuration says.

    Raises:
        ConfigError: the configuration is not valid.
    """
    folders = Folders.resolve()
    config = load_config(folders)
    given = {name: value for name, value in (("context", context), ("threads", threads)) if value is not None}
    runtime = msgspec.structs.replace(config.runtime, **given)
    return build(msgspec.structs.replace(config, runtime=runtime), folders)


def find_chat(folders: Folders, word: str) -> Path:
    """The transcript that a user means by its path, its id, or the beginning of one id.

    Raises:
        UsageError: there is none, or more than one.
        StoreError: the file is no transcript or cannot be read.
    """
    path = Path(word).expanduser()
    if not path.is_file():
        path = _chat_by_id(folders, word)
    read_transcript(path)
    return path


def _chat_by_id(folders: Folders, word: str) -> Path:
    chats = list_chats(folders.chats_dir)
    found = [chat for chat in chats if chat.id == word] or [chat for chat in chats if chat.id.startswith(word)]
    if len(found) == 1:
        return Path(found[0].path)
    if found:
        raise UsageError(
            f"Several chats begin with `{word}`",
            cause=", ".join(chat.id for chat in found[:5]),
            remedy="Write more of the id",
        )
    newest = ", ".join(chat.id for chat in chats[:5])
    raise UsageError(
        f"There is no chat `{word}`",
        cause=f"The newest are {newest}" if newest else f"No chat is kept in {folders.chats_dir}",
        remedy="Give an id or the path of a transcript, or open the history inside llmtui",
    )
