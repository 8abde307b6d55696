"""What goes into the sandbox, and what comes out, read as strictly as a stranger's words are."""

import json
import secrets
from typing import Any, Literal

import msgspec

from llmtui.domain.scorers import Limits, Program

MOST_BYTES = 8 << 20
"""Of all reports of one process."""
End = Literal["done", "time", "memory", "processes", "output", "report", "died"]
"""How it ended: by itself with every report sent, by a limit, or by itself without them."""


class Raised(msgspec.Struct, frozen=True):
    """An exception in the code under test. All of it is that code's to choose.

    Attributes:
        names: of its class and of the classes above that.
        line: of the code under test.
    """

    names: tuple[str, ...]
    text: str = ""
    line: int | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one case, or of a program, where `passed` is set when it came to its end.

    Attributes:
        value: what was returned.
        unfit: what was returned instead of a plain value, in words.
        raised: what was raised instead.
    """

    case: int | None = None
    value: Any = msgspec.UNSET
    unfit: str | None = None
    raised: Raised | None = None
    passed: bool = False


class _Line(Report, frozen=True, kw_only=True, forbid_unknown_fields=True):
    started: bool = False
    ready: bool | None = None
    broken: Raised | None = None
    form: int = 0
    done: bool = False


class CodeTest(msgspec.Struct, frozen=True, kw_only=True):
    """Code and what it is put to.

    Attributes:
        candidates: forms of the code; the first that is Python is run.
        entry_point: the function under test.
        calls: positional and named arguments of each case; no expected value.
        program: in place of calls.
    """

    candidates: tuple[str, ...]
    entry_point: str
    calls: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = ()
    program: Program | None = None
    limits: Limits = Limits()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a test.

    Attributes:
        reports: of the cases in their order, or of the program.
        is_defined: whether the function under test was there; None when the code did not get so far.
        broken: why the code could not be loaded.
        form: which of the candidates was run, or the first where none is Python.
        status: exit status, or the signal's negative number; None where a limit ended it.
        output: the end of what was printed; not safe to show.
    """

    end: End
    reports: tuple[Report, ...] = ()
    is_defined: bool | None = None
    broken: Raised | None = None
    form: int = 0
    status: int | None = None
    output: str = ""


class Exchange:
    """The dialogue with the harness: the code first; the tests and the token that counts once it has been loaded.

    Attributes:
        started: whether the harness runs.
        ended: whether it has sent all that it will.
        overflowing: whether it sent more than may be.
        taken: bytes so far.
    """

    def __init__(self, test: CodeTest, *, processes: int, cpu_s: int) -> None:
        self._test = test
        self._tokens = [secrets.token_hex(16), secrets.token_hex(16)]
        self._rest = b""
        self.taken = 0
        self.started = self.ended = self.overflowing = False
        self.is_defined: bool | None = None
        self.broken: Raised | None = None
        self.form = 0
        self.reports: list[Report] = []
        limits = {"memory_bytes": test.limits.memory_mb << 20, "processes": processes, "cpu_s": cpu_s}
        first = {
            "candidates": test.candidates,
            "entry_point": test.entry_point,
            "limits": limits,
            "token": self._tokens[0],
        }
        self.outgoing = bytearray(_line(first))

    def take(self, data: bytes) -> None:
        """Take in what came out of the sandbox."""
        self.taken += len(data)
        if self.taken > MOST_BYTES:
            self.overflowing = True
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            token, _, text = line.partition(b" ")
            wanted = self._tokens[0] if self.is_defined is None else self._tokens[1]
            report = _parsed(text) if token == wanted.encode() and not self.ended else None
            if report is not None:
                self._note(report)

    def _note(self, line: _Line) -> None:
        self.started = self.started or line.started
        if self.is_defined is None and 0 <= line.form < len(self._test.candidates):
            self.form = line.form
        if line.broken is not None:
            self.broken, self.ended = line.broken, True
        elif line.ready is not None and self.is_defined is None:
            self.is_defined = line.ready
            if line.ready:
                self.outgoing += _line(self._second())
            self.ended = not line.ready
        elif line.done:
            self.ended = True
        elif self.is_defined and line.case in {None, len(self.reports)}:
            self.reports.append(line)

    def _second(self) -> dict[str, Any]:
        program = self._test.program
        if program is None:
            return {"token": self._tokens[1], "cases": self._test.calls}
        return {"token": self._tokens[1], "program": program.program, "call": program.call}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _parsed(text: bytes) -> _Line | None:
    """One report; None for what is none."""
    try:
        return msgspec.convert(json.loads(text), _Line)
    except (ValueError, RecursionError, msgspec.ValidationError):
        return None
