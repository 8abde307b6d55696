"""The draft in the user's own editor."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    kept = False
    try:
        path.write_bytes(text.encode("utf-8", "replace"))
        with app.suspend():
            problem = _run(command, path)
        if problem is not None:
            return text, problem
        saved = _saved(path)
        if saved is None:
            return text, "The editor left no file; your text is as it was"
        try:
            return saved.decode("utf-8").rstrip("\n"), None
        except UnicodeDecodeError:
            kept = True  # what was written in another encoding is the only copy there is
            return text, f"Not UTF-8; what you saved is kept: {path}"
    except OSError as error:
        return text, f"The text cannot be handed to an editor: {error}"
    except SuspendNotSupported:
        return text, "This terminal cannot put the program aside for an editor"
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _run(command: str, path: Path) -> str | None:
    """Run the editor and say what went wrong; raises nothing, or the program would stay put aside."""
    try:
        with _interrupts_are_the_editors():
            code = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        return f"Set $EDITOR: {visible_line(command)} cannot be started ({getattr(error, 'strerror', None) or error})"
    return f"The editor ended with code {code}; your text is as it was" if code else None


@contextmanager
def _interrupts_are_the_editors() -> Iterator[None]:
    """Ctrl+C reaches all of the terminal's foreground: it must end no more than the editor."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)  # an ignored one would be inherited
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _saved(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None  # in its place may be a pipe, which has no end
    except OSError:
        return None
