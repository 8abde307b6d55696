"""The draft in the user's own editor."""

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from llmtui.domain.text import visible_line

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp

FALLBACK = "vi"


def edited_outside(app: "LlmtuiApp", text: str) -> tuple[str, str | None]:
    """Open a text in $VISUAL or $EDITOR, with the program put aside meanwhile.

    Returns:
        The text as it was saved, and None; or the text as it was, and what went wrong.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK
    folder = Path(tempfile.mkdtemp(prefix="llmtui-"))  # only its owner may look into it
    path = folder / "draft.md"
    try:
        path.write_bytes(text.encode("utf-8", "replace"))
        with app.suspend():
            code = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        return text, f"The editor {visible_line(command)} cannot be started: {error}. Set $EDITOR to one."
    except SuspendNotSupported:
        return text, "This terminal cannot put the program aside for an editor"
    else:
        return (text, f"The editor ended with code {code}; your text is as it was") if code else _saved(path, text)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _saved(path: Path, text: str) -> tuple[str, str | None]:
    try:
        if path.is_file():  # what an editor leaves in its place may be a pipe, or have no end
            return path.read_bytes().decode("utf-8", "replace").rstrip("\n"), None
    except OSError:
        pass
    return text, "The editor left no file; your text is as it was"
