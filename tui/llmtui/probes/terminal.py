"""What the terminal says of itself: streams, size, colours, encoding, and what stands between it and the screen."""

import locale
import os
import sys
from collections.abc import Mapping

import msgspec


class TerminalReading(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal as the environment and the streams tell it.

    Attributes:
        interactive: whether standard input and output are both a terminal.
        columns, rows: of the terminal; None without one.
        colours: `true colour`, `256`, `16` or `none`.
        encoding: of the locale.
        multiplexer: `tmux`, `screen` or None.
        remote: whether this is an SSH session.
    """

    interactive: bool
    columns: int | None
    rows: int | None
    term: str | None
    program: str | None
    colours: str
    encoding: str
    multiplexer: str | None
    remote: bool


def read_terminal(environ: Mapping[str, str] | None = None) -> TerminalReading:
    """Look once. `environ` is the process's own unless a test gives another."""
    env = os.environ if environ is None else environ
    size = _size()
    return TerminalReading(
        interactive=all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout)),
        columns=size.columns if size else None,
        rows=size.lines if size else None,
        term=env.get("TERM") or None,
        program=" ".join(filter(None, (env.get("TERM_PROGRAM"), env.get("TERM_PROGRAM_VERSION")))) or None,
        colours=_colours(env),
        encoding=locale.getencoding().lower(),
        multiplexer="tmux" if "TMUX" in env else "screen" if "STY" in env else None,
        remote="SSH_CONNECTION" in env or "SSH_TTY" in env,
    )


def _size() -> os.terminal_size | None:
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        try:
            if stream is not None:
                return os.get_terminal_size(stream.fileno())
        except (OSError, ValueError):
            continue
    return None


def _colours(env: Mapping[str, str]) -> str:
    term = env.get("TERM", "")
    if "NO_COLOR" in env or term in {"", "dumb"}:
        return "none"
    if env.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or term.endswith("-direct"):
        return "true colour"
    return "256" if "256color" in term else "16"
