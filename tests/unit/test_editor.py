"""A text in the user's own editor: whatever the editor does, the program comes back with the text."""

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmtui.app.editor import edited_outside

DRAFT = "窗前明月光"


class Terminal:
    """Puts the program aside as Textual does: what is raised meanwhile keeps it aside."""

    def __init__(self) -> None:
        self.aside = False

    @contextmanager
    def suspend(self) -> Iterator[None]:
        self.aside = True
        yield
        self.aside = False


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Edits DRAFT with a shell script for an editor, which gets the file as ``$1``."""

    def run(script: str | None) -> tuple[str, str | None]:
        editor = tmp_path / "editor"
        if script is not None:
            editor.write_text(f"#!/bin/sh\n{script}\n")
            editor.chmod(stat.S_IRWXU)
        monkeypatch.setenv("VISUAL", str(editor))
        terminal = Terminal()
        found = edited_outside(terminal, DRAFT)  # type: ignore[arg-type]
        assert not terminal.aside, "the screen is given back"
        return found

    return run


def test_what_is_saved_is_taken(edit) -> None:
    assert edit("printf '疑是地上霜\\n' >> \"$1\"") == (f"{DRAFT}疑是地上霜", None)


def test_an_editor_that_is_not_there_gives_the_screen_back(edit) -> None:
    text, problem = edit(None)
    assert text == DRAFT
    assert problem is not None
    assert "cannot be started" in problem


@pytest.mark.parametrize("script", ["exit 3", 'rm "$1"', 'rm "$1"; mkdir "$1"', 'rm "$1"; mkfifo "$1"'])
def test_a_failed_edit_leaves_the_text(edit, script: str) -> None:
    text, problem = edit(script)
    assert text == DRAFT
    assert problem is not None
    assert "your text is as it was" in problem


def test_another_encoding_is_refused_and_kept(edit) -> None:
    text, problem = edit("printf '\\304\\343\\272\\303' > \"$1\"")
    assert text == DRAFT
    assert problem is not None
    kept = Path(problem.rsplit(" ", 1)[1])
    try:
        assert kept.read_bytes().decode("gbk") == "你好"
    finally:
        kept.unlink()
        kept.parent.rmdir()


def test_an_interrupt_ends_no_more_than_the_editor(edit) -> None:
    before = signal.getsignal(signal.SIGINT)
    assert threading.current_thread() is threading.main_thread()
    text, problem = edit(f"kill -INT {os.getpid()}; exit 130")
    assert (text, problem) == (DRAFT, "The editor ended with code 130; your text is as it was")
    assert signal.getsignal(signal.SIGINT) is before
