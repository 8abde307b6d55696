"""The one place where an error becomes words on standard error and an exit code."""

import os
import sys
import traceback
from pathlib import Path

import click

from llmtui.cli import output
from llmtui.domain.text import visible_line
from llmtui.errors import LlmtuiError, StoreError

INTERRUPTED = 130
DEFECT = 3
"""An error nobody foresaw: 1 would read as `some samples failed`, 2 as the user's mistake."""


def exit_code_of(error: BaseException) -> int:
    """Tell the error and return the exit code.

    A reader that went away (`| head -1`) has what it wanted: that is no error, and nothing is said.
    """
    if isinstance(error, FileNotFoundError) and _folder_is_gone():
        error = StoreError("The working folder is gone", remedy="Change to a folder that exists")
    match error:
        case output.ReaderGoneError():
            return 0
        case KeyboardInterrupt() | click.Abort():
            output.note("interrupted")
            return INTERRUPTED
        case click.exceptions.Exit():
            return error.exit_code
        case LlmtuiError():
            tell(error)
            return error.exit_code
        case click.ClickException():
            _tell_usage(error)
            return error.exit_code
        case _:
            _tell_defect(error)
            return DEFECT


def _folder_is_gone() -> bool:
    """Whether the working folder was removed, so that no path can be completed by it."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def tell(error: LlmtuiError) -> None:
    """Title, cause and remedy, a line each."""
    _lines(error.title, error.cause, error.remedy)
    _traceback(error)


def _tell_usage(error: click.ClickException) -> None:
    message = error.format_message()
    ctx = getattr(error, "ctx", None)
    if ctx is None:
        _lines(message, "", "See `llmtui --help`")
        return
    usage = ctx.get_usage().removeprefix("Usage:").strip().splitlines()[0]
    path = "llmtui" if ctx.parent is None or ctx.command.hidden else ctx.command_path
    _lines(message, f"usage: {usage}", f"See `{path} --help`")


def _tell_defect(error: BaseException) -> None:
    _lines(
        f"llmtui failed in a way nobody foresaw: {type(error).__name__}",
        str(error),
        "Run it again with LLMTUI_DEBUG=1 to see the traceback, and report it",
    )
    _traceback(error)


def _lines(title: str, cause: str, remedy: str) -> None:
    shown = [visible_line(part) for part in (title, cause, remedy)]
    output.note(f"error: {shown[0]}")
    for part in filter(None, shown[1:]):
        output.note(f"  {part}")


def _traceback(error: BaseException) -> None:
    if os.environ.get("LLMTUI_DEBUG", "") not in {"", "0"} and sys.stderr is not None:
        traceback.print_exception(error, file=sys.stderr)
