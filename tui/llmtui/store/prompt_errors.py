"""What is wrong with a prompt set, in terms of its file: place, line, and what was probably meant."""

import difflib
import re
from typing import Any

import msgspec

from llmtui.domain.prompt_set import Defaults, Entry, Generation, Haystack, Header, Needle, Turn, Values
from llmtui.domain.scorers import SCORERS, Case, Limits, Program
from llmtui.errors import ConfigError
from llmtui.store.yaml_stream import Node, Place

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_HOLDERS: dict[str, type[msgspec.Struct]] = {
    "defaults": Defaults,
    "generation": Generation,
    "messages": Turn,
    "vars": Haystack,
    "needles": Needle,
    "limits": Limits,
}


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake in a prompt set.

    Attributes:
        file: where it is.
        place: in the document, e.g. `$.samples[3].scorers[0]`.
        line: from 1; None where it is not known.
        fatal: nothing behind it could be read.
    """

    file: str
    message: str
    remedy: str
    place: str = "$"
    line: int | None = None
    fatal: bool = False

    @property
    def where(self) -> str:
        """File, line and place."""
        line = f", line {self.line}" if self.line else ""
        return f"{self.file}{line}: {self.place}" if self.place != "$" else f"{self.file}{line}"

    def as_error(self) -> ConfigError:
        """The error to raise."""
        return ConfigError("The prompt set is not valid", cause=f"{self.where}: {self.message}", remedy=self.remedy)


class InvalidError(Exception):
    """A value does not fit; `place` is below the value, `remedy` may say what was meant."""

    def __init__(self, message: str, place: Place = (), remedy: str = "Correct the value") -> None:
        super().__init__(message)
        self.place = place
        self.remedy = remedy


def dotted(root: str, place: Place) -> str:
    """`$.samples[3].input` for a root `$.samples[3]` and a place `("input",)`."""
    return root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)


def steps(text: str) -> Place:
    """The place that `dotted` would write as the text, without its root."""
    return tuple(int(index) if index.isdigit() else name or "..." for name, index in _STEP.findall(text))


def problem(file: str, root: str, node: Node | None, error: InvalidError) -> Problem:
    """The mistake with its line, found in the node it concerns."""
    line = node.line_of(error.place) if node else None
    return Problem(file=file, message=str(error), remedy=error.remedy, place=dotted(root, error.place), line=line)


def convert(value: Any, kind: Any) -> Any:
    """The value as the kind.

    Raises:
        InvalidError: it does not fit.
    """
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(value, kind, str(error)) from error


def _explained(value: Any, kind: Any, text: str) -> InvalidError:
    message, _, at = text.partition(" - at ")
    place = _exact(value, steps(at.strip("`").removeprefix("$")))
    unknown = re.fullmatch(r"Object contains unknown field `(.+)`", message)
    if unknown:
        known = _fields_at(value, kind, place)
        return InvalidError("unknown key", (*place, unknown[1]), _near(unknown[1], known))
    if place and place[-1] == "type" and message.startswith("Invalid value"):
        return InvalidError(
            f"unknown scorer {message.removeprefix('Invalid value ')}", place, _near(message.split("'")[1], SCORERS)
        )
    if message.startswith(("Expected `str`, got ", "Expected `int | str")):
        return InvalidError(message, place, 'Put it between quotes if a text is meant, as "42"')
    return InvalidError(message[:1].lower() + message[1:] if message[:6] == "Object" else message, place)


def _exact(value: Any, place: Place) -> Place:
    """The place with `...`, which msgspec writes for any key of an object, replaced by the key that is wrong."""
    if "..." not in place:
        return place
    where = place.index("...")
    holder = _at(value, place[:where])
    for key, item in holder.items() if isinstance(holder, dict) else ():
        try:
            msgspec.convert(item, Values if place[where - 1 : where] == ("vars",) else str, strict=True)
        except msgspec.ValidationError:
            return (*place[:where], key, *place[where + 1 :])
    return place[:where]


def _at(value: Any, place: Place) -> Any:
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _fields_at(value: Any, kind: Any, place: Place) -> tuple[str, ...]:
    """The keys that are known where an unknown one was found."""
    names = [step for step in place if isinstance(step, str)]
    if "tests" in names:
        return (*Case.__struct_fields__, *Program.__struct_fields__)
    if names and names[-1] == "scorers":
        found = _at(value, place)
        scorer = SCORERS.get(str(found.get("type"))) if isinstance(found, dict) else None
        return ("type", *scorer.__struct_fields__) if scorer else tuple(SCORERS)
    for name in reversed(names):
        if name in _HOLDERS:
            return _HOLDERS[name].__struct_fields__
    known: tuple[str, ...] = getattr(kind, "__struct_fields__", Entry.__struct_fields__)
    return (*known, "samples") if kind is Header else known


def _near(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}"
