"""A conversation as a prompt set of one sample, kept beside the run that asks it."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmtui.domain.messages import ChatMessage
from llmtui.domain.prompt_fill import escaped
from llmtui.domain.prompt_set import SCHEMA
from llmtui.errors import StoreError
from llmtui.store.files import replace_whole
from llmtui.store.paths import make_private_dir
from llmtui.store.prompt_files import SCHEME
from llmtui.store.yaml_dump import dump

_GUARD = "plain"
"""A variable without text: put before what would be taken for the name of a file."""


def write_chat_set(folder: Path, name: str, sample: str, said: Sequence[ChatMessage]) -> Path:
    """Write a set whose only sample is a conversation. Touches the disk: call it from a thread.

    Args:
        folder: of the runs.
        name: of the set.
        sample: its id.
        said: the conversation; the last message is the user's, the first may be the system message.

    Raises:
        StoreError: it cannot be written.
    """
    entry: dict[str, Any] = {
        "id": sample,
        "messages": [{"role": one.role, "content": _plain(one.content)} for one in said],
        "vars": {_GUARD: ""},
    }
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = folder / f"{stamp}-{secrets.token_hex(3)}.set.yaml"
    try:
        make_private_dir(folder)
        replace_whole(path, dump({"schema": SCHEMA, "name": name, "samples": [entry]}).encode())
    except OSError as error:
        raise StoreError(
            "What is to be asked cannot be kept",
            cause=f"{path}: {error.strerror or error}",
            remedy="Free some space or make the folder writable",
        ) from error
    return path


def _plain(text: str) -> str:
    """A text that the reader of sets takes for itself."""
    return f"{{{{{_GUARD}}}}}{escaped(text)}" if text.startswith(SCHEME) else escaped(text)
