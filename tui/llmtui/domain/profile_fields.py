"""A profile as a form: each field as a text that is checked while it is typed, and a profile from them again."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import msgspec

from llmtui.domain.kv_types import CHOICES as RUNTIME_CHOICES
from llmtui.domain.profile import Character, Mode, Overflow, Profile
from llmtui.domain.reasoning import Effort, Switch
from llmtui.domain.settings import Runtime, Sampling

Kind = Literal["line", "prose", "number", "choice", "yes", "texts", "json", "adapters"]


NOTHING = '""'
"""Written where a text is set to nothing, as for a system message that is not to be sent."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the form.

    Attributes:
        path: where it stands in the file, as `generation.top_k`.
        kind: how it is written.
        choices: the words it takes, where it takes only some.
        group: heading under which it stands.
    """

    path: str
    kind: Kind
    group: str
    choices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name within the group."""
        return self.path.rpartition(".")[2]


_KINDS: dict[str, Kind] = {
    "stop": "texts",
    "grammar": "prose",
    "json_schema": "json",
    "ignore_eos": "yes",
    "mmap": "yes",
    "adapters": "adapters",
}
_CHOICES = {**RUNTIME_CHOICES, "reasoning": get_args(Switch), "reasoning_effort": get_args(Effort)}


def _fields() -> tuple[Field, ...]:
    about = [
        Field(path="name", kind="line", group="profile"),
        Field(path="description", kind="line", group="profile"),
        Field(path="language", kind="line", group="profile"),
        Field(path="mode", kind="choice", group="profile", choices=get_args(Mode)),
        Field(path="template", kind="line", group="profile"),
        Field(path="overflow", kind="choice", group="profile", choices=get_args(Overflow)),
        Field(path="system", kind="prose", group="profile"),
        Field(path="command", kind="prose", group="profile"),
    ]
    prose = {"context", "greeting", "example_dialogue"}
    persona = [
        Field(path=f"character.{name}", kind="prose" if name in prose else "line", group="character")
        for name in Character.__struct_fields__
    ]
    settings = [
        Field(
            path=f"{group}.{name}",
            kind="choice" if name in _CHOICES else _KINDS.get(name, "number"),
            group=group,
            choices=_CHOICES.get(name, ()),
        )
        for group, holder in (("generation", Sampling), ("runtime", Runtime))
        for name in holder.__struct_fields__
    ]
    return (*about, *persona, *settings)


FIELDS = _fields()
"""Every field of a profile, in the order of the form."""


def texts_of(profile: Profile) -> dict[str, str]:
    """What the form shows of a profile: a text for each field, empty where the profile does not say it."""
    said: dict[str, Any] = {"name": profile.name, **msgspec.to_builtins(profile)}
    return {field.path: _text(field, _at(said, field.path)) for field in FIELDS}


def value_of(field: Field, text: str) -> Any:
    """What is written in a field; None where nothing is.

    Raises:
        ValueError: it is not what the field takes; the text says why.
    """
    if text.strip() == NOTHING and field.kind in {"prose", "line"}:
        return ""
    if field.kind == "prose":
        return text if text.strip() else None
    text = text.strip()
    if not text:
        return None
    if field.kind == "choice" and text not in field.choices:
        raise ValueError(f"choose one of {', '.join(field.choices)}")
    read = _READERS.get(field.kind)
    return text if read is None else read(text)


def check(field: Field, text: str) -> str | None:
    """What is wrong with a text in a field, in words; None when nothing is."""
    try:
        value = value_of(field, text)
        if value is not None:
            profile_of({field.path: text})
    except ValueError as error:
        return _plain(str(error))
    return None


def profile_of(texts: Mapping[str, str]) -> Profile:
    """The profile that the texts of the form make.

    Raises:
        ValueError: one is not what its field takes, or two exclude each other; the text says which.
    """
    said: dict[str, Any] = {}
    for field in FIELDS:
        value = value_of(field, texts.get(field.path, ""))
        if value is not None:
            group, _, name = field.path.rpartition(".")
            (said.setdefault(group, {}) if group else said)[name] = value
    try:
        return msgspec.convert(said, Profile)
    except msgspec.ValidationError as error:
        raise ValueError(_plain(str(error))) from error


def _at(said: Mapping[str, Any], path: str) -> Any:
    group, _, name = path.rpartition(".")
    return (said.get(group) or {}).get(name) if group else said.get(name)


def _text(field: Field, value: Any) -> str:
    if value is None or value == "":
        return "" if value is None else NOTHING
    if field.kind == "texts":
        return ", ".join(json.dumps(one, ensure_ascii=False) for one in value)
    if field.kind == "json":
        return json.dumps(value, ensure_ascii=False)
    if field.kind == "yes":
        return "yes" if value else "no"
    if field.kind == "adapters":
        return ", ".join(f"{one['path']}:{one.get('scale', 1.0):g}" for one in value)
    short = f"{value:g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def _number(text: str) -> int | float:
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        raise ValueError("write a number") from None
    if number - number != 0:
        raise ValueError("write a finite number")
    return number


def _yes(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError("write yes or no")
    return text == "yes"


def _texts(text: str) -> list[str]:
    if not text.startswith('"'):
        return [text]
    try:
        return [str(one) for one in json.loads(f"[{text}]")]
    except ValueError:
        raise ValueError('write texts between quotes, as "###", "\\n"') from None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('write JSON, as {"type": "object"}') from None
    if not isinstance(found, dict):
        raise ValueError("write a JSON object between braces")  # noqa: TRY004 - the text is wrong, not its type
    return found


def _adapters(text: str) -> list[dict[str, Any]]:
    return [_adapter(part.strip()) for part in text.split(",") if part.strip()]


def _adapter(text: str) -> dict[str, Any]:
    path, colon, scale = text.rpartition(":")
    try:
        return {"path": path, "scale": float(scale)} if colon and path else {"path": text}
    except ValueError:
        return {"path": text}


_READERS: dict[Kind, Callable[[str], Any]] = {
    "number": _number,
    "yes": _yes,
    "texts": _texts,
    "json": _object,
    "adapters": _adapters,
}


def _plain(message: str) -> str:
    """A message without the path that the form shows anyway."""
    message = re.sub(r" - at `\$[^`]*`$", "", message)
    message = re.sub(r"^(generation|runtime): ", "", message)
    message = re.sub(r" - at `\$[^`]*`$", "", message)
    if "matching regex" in message:
        return "use letters, digits, `.`, `_` and `-`, one line"
    return re.sub(r"^Expected `([^`]*)`( [<>]=? [\d.]+)?", lambda m: f"write {_word(m[1])}{m[2] or ''}", message)


def _word(kind: str) -> str:
    first = kind.split(" ", maxsplit=1)[0]
    return {"int": "a whole number", "float": "a number", "str": "a text"}.get(first, kind)
