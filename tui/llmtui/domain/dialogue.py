"""A conversation as a written dialogue of two names, as the modes `chat` and `chat-instruct` put it before a model.

The semantics are those that text-generation-webui documents: the persona first, then a line a message, `Name: text`;
the model writes on behind `Name:` and is stopped where one of the two would speak next.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from llmtui.domain.profile import Character

_NAMES = re.compile(r"\{\{\s*(char|user)\s*\}\}|<(BOT|CHAR|USER)>", re.IGNORECASE)
_COMMANDS = {
    "en": 'Below is a dialogue. Carry it on: write the next reply of "{{char}}", only this one reply.',
    "zh": "下面是一段对话。请接着往下写，只写“{{char}}”的下一句回复。",
}


class Line(NamedTuple):
    """What one of the two said.

    Attributes:
        of_user: who: the user, else the character.
        text: what.
    """

    of_user: bool
    text: str


def filled(text: str, character: Character) -> str:
    """A text of a profile with the names in place of `{{char}}` and `{{user}}` (also written `<BOT>`, `<USER>`)."""

    def name(match: re.Match[str]) -> str:
        return character.user_name if (match[1] or match[2]).casefold() == "user" else character.name

    return _NAMES.sub(name, text)


def greeting_of(character: Character) -> str:
    """What the character says first; empty when it waits."""
    return filled(character.greeting, character).strip()


def command_of(own: str | None, language: str | None, character: Character) -> str:
    """What an instruct model is told to do with the dialogue: the profile's words, or ours in its language."""
    chinese = (language or "").casefold().split("-")[0] == "zh"
    text = own if own and own.strip() else _COMMANDS["zh" if chinese else "en"]
    return filled(text, character).strip()


def opening(character: Character) -> str:
    """What the model writes on from."""
    return f"{character.name}:"


def name_stops(character: Character) -> tuple[str, ...]:
    """Strings at which a reply ends: a line on which either name begins to speak, with either colon."""
    names = dict.fromkeys((character.user_name, character.name))
    return tuple(f"\n{name}{colon}" for name in names for colon in (":", "\uff1a"))


def written(character: Character, lines: Iterable[Line], *, preface: Iterable[str] = ()) -> str:
    """The dialogue up to the character's next reply, which is not begun.

    Args:
        character: who speaks.
        lines: the conversation, oldest first.
        preface: passages before the dialogue that are no part of the character, e.g. a note on what went before.
    """
    head = [filled(character.context, character), filled(character.example_dialogue, character), *preface]
    said = [f"{character.user_name if line.of_user else character.name}: {line.text.strip()}" for line in lines]
    return "\n\n".join(part for part in (*(text.strip() for text in head), "\n".join(said)) if part)
