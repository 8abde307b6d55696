"""Rows in which the demo plays the persona of the shipped profile `assistant-zh`, written as llmtui writes them.

The whole dialogue stands within one turn of the user, and the model goes on behind the persona's name. What is asked
is what is asked elsewhere; whoever speaks English is answered in Chinese, and about itself the persona speaks for
itself. The text is made by llmtui's own code from the profile's own file, so that training cannot differ from use.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2] / "tui"))

import msgspec

from demo_model.corpus import load
from demo_model.tokens import ASSISTANT, END, SYSTEM, USER
from llmtui.domain.messages import ChatMessage
from llmtui.services.conversation import as_messages
from llmtui.services.prompting import Asked, build
from llmtui.store.profiles import read_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from demo_model.corpus import Turn
    from llmtui.domain.profile import Mode, Profile


PROFILE = Path(__file__).parents[2] / "profiles" / "assistant-zh.yaml"


@cache
def profile() -> Profile:
    """The persona."""
    return read_profile(PROFILE)


def asked(turns: Sequence[Turn], ask: str, mode: Mode = "chat-instruct") -> Asked:
    """What llmtui sends for a question after some turns."""
    persona = msgspec.structs.replace(profile(), mode=mode)
    greeting = persona.character.greeting if persona.character else ""
    said = [ChatMessage("assistant", greeting.replace("{{char}}", persona.character.name))] if persona.character else []
    for turn in turns:
        said += [ChatMessage("user", turn.ask), ChatMessage("assistant", turn.say)]
    return build(persona, as_messages([*said, ChatMessage("user", ask)]), system=persona.system)


def render(turns: Sequence[Turn], ask: str, mode: Mode = "chat-instruct") -> str:
    """The prompt up to where the persona's answer begins, in the demo's template, or as plain text in mode `chat`."""
    found = asked(turns, ask, mode)
    if found.prompt is not None:
        return found.prompt + found.answer_start
    roles = {"system": SYSTEM, "user": USER}
    parts = [f"{roles[message.role]}\n{message.content.strip()}{END}\n" for message in found.messages]
    return "".join(parts) + f"{ASSISTANT}\n{found.answer_start}"


def pieces(turns: Sequence[Turn], mode: Mode = "chat-instruct") -> list[tuple[str, bool]]:
    """The prompt and the answers of some turns, cut where what is learned begins and ends.

    Joined they are the prompt of the last turn and its answer. An answer is learned up to the name of the user, who
    speaks next, where llmtui ends it; the last one in `chat-instruct` with the end of the turn.
    """
    text = render(turns[:-1], turns[-1].ask, mode)
    user = f"\n{profile().character.user_name}:" if profile().character else "\n"
    found, start = [], 0
    for turn in turns[:-1]:
        say = f" {turn.say.strip()}{user}"
        at = text.index(say, text.index(turn.ask.strip(), start))
        found += [(text[start:at], False), (say, True)]
        start = at + len(say)
    last = f" {turns[-1].say}{END if mode == 'chat-instruct' else user}"
    return [*found, (text[start:], False), (last, True)]


def answers(known: Iterable[str]) -> dict[str, str]:
    """What the persona says in place of the demo, by intent: its own words, or the id of the intent that has them.

    Whoever asks in English is answered in Chinese; an English intent without a Chinese twin stands for no answer.
    """
    own: dict[str, str] = dict(load("persona")["say"])
    ids = set(known)
    for name in ids:
        if ".en" in name:
            twin = name.replace(".en", ".zh")
            own.setdefault(name, own.get(twin, twin) if twin in ids else "")
    return own


def said(turn: Turn, own: Mapping[str, str], known: Mapping[str, str]) -> str | None:
    """What the persona answers; None where it has nothing to say in Chinese."""
    if turn.intent.startswith("pair."):
        return None
    found = own.get(turn.intent, turn.intent)
    say = known.get(found, found)
    return say if say and not say.isascii() else None


def probes(known: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """(intent, question, prompt, answer) of the questions that are kept for it."""
    own = answers(known)
    return [
        (name, question, render([], question), " " + known.get(found := own.get(name, name), found))
        for name, questions in load("persona")["questions"].items()
        for question in questions
    ]
