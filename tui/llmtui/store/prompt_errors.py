"""What is wrong with a prompt set, in terms of its file: place, line, and what was probably meant."""

import re
from typing import Any

import msgspec

from llmtui.domain.prompt_set import Defaults, Entry, Generation, Haystack, Header, Needle, Turn, Values
from llmtui.domain.scorers import SCORERS, Case, Limits, Program
from llmtui.store.file_problems import InvalidError, Place, Problem, dotted, near_match, problem, steps

__all__ = ["InvalidError", "Problem", "convert", "dotted", "problem", "steps"]
_HOLDERS: dict[str, type[msgspec.Struct]] = {
    "defaults": Defaults,
    "generation": Generation,
    "messages": Turn,
    "vars": Haystack,
    "needles": Needle,
    "limits": Limits,
}


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
        return InvalidError("unknown key", (*place, unknown[1]), near_match(unknown[1], known))
    if place and place[-1] == "type" and message.startswith("Invalid value"):
        return InvalidError(
            f"unknown scorer {message.removeprefix('Invalid value ')}",
            place,
            near_match(message.split("'")[1], SCORERS),
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
