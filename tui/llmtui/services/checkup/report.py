"""Checks and sections: what the doctor found, for front ends to lay out."""

from typing import Literal

import msgspec

Status = Literal["ok", "info", "warn", "fail"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing looked at.

    Attributes:
        key: stable, for scripts, e.g. `machine.bandwidth`.
        status: `info` is a fact, `warn` costs something, `fail` keeps llmtui from working.
        value: what was found, in words; not safe to show.
        hint: what to do, when something is amiss.
        amount: the figure behind the words: bytes, bytes a second, or a count.
    """

    key: str
    label: str
    status: Status
    value: str
    hint: str = ""
    amount: float | None = None


class Section(msgspec.Struct, frozen=True):
    """Checks that belong together."""

    title: str
    checks: tuple[Check, ...]


class DoctorReport(msgspec.Struct, frozen=True):
    """All sections; `ok` unless a check failed."""

    ok: bool
    sections: tuple[Section, ...]
