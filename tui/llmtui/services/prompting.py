"""What is sent to a model for a turn: the conversation as the profile's mode puts it. Pure."""

from collections.abc import Sequence
from itertools import groupby

import msgspec

from llmtui.domain import dialogue
from llmtui.domain.messages import ChatMessage, Message, Note
from llmtui.domain.models import LoadedModel
from llmtui.domain.profile import Character, Profile
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.templates import NamedTemplate
from llmtui.errors import UsageError
from llmtui.services.conversation import prompt_of

GAP = "<FILL_ME>"
"""Stands in a text where the mode `infill` has the model write, as with Code Llama's tokenizer."""
PERSONA_MODES = frozenset({"chat", "chat-instruct"})
_NOTES = {"en": "What was said before this, in short:", "zh": "此前对话的摘要："}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is sent for one turn; see `GenerateRequest`.

    Attributes:
        messages: a conversation for the chat template; empty where `prompt` is given.
        prompt: a text that is continued as it is.
        suffix: what follows the gap behind `prompt`, where the server puts the two together.
        answer_start: what the answer begins with, behind all else, e.g. `Name:`; only what the user chose of it is
            part of the answer.
        stops: end the answer, besides the settings' and the template's.
        template: used in place of the model's own.
        thinking: what is asked of the model's thinking, which the template may write into the prompt.
        dropped: ids of the messages that are not in it, oldest first.
        cut: characters at the head of the last turn's text that are not in it.
        trimmed: blanks at the head of what the model writes are no part of the answer: it goes on behind a name.
    """

    messages: tuple[ChatMessage, ...] = ()
    prompt: str | None = None
    suffix: str | None = None
    answer_start: str = ""
    stops: tuple[str, ...] = ()
    template: NamedTemplate | None = None
    thinking: Reasoning = NO_WISH
    dropped: tuple[str, ...] = ()
    cut: int = 0
    trimmed: bool = False

    @property
    def counted(self) -> tuple[ChatMessage, ...] | str:
        """As `Engine.count_prompt` takes it."""
        return self.messages if self.prompt is None else self.prompt + (self.suffix or "")


def without_head(asked: Asked, text: str, cut: int) -> Asked:
    """What is sent of a text that is continued, without so many characters at its head.

    Args:
        asked: the whole; what stands before the text in it, a system text, stays.
        text: that it ends with.
        cut: characters of `text`.
    """
    prompt = (asked.prompt or "").removesuffix(text) + text[cut:]
    return msgspec.structs.replace(asked, prompt=prompt, cut=cut)


def speaker_of(profile: Profile) -> str | None:
    """The character that answers; None where the model speaks for itself."""
    return (profile.character or Character()).name if profile.mode in PERSONA_MODES else None


def whole_turns(conversation: Sequence[Message]) -> list[tuple[Message, ...]]:
    """A conversation as turns: each begins with a question; what is said before the first one is a turn of its own."""
    turns: list[list[Message]] = []
    before: Message | None = None
    for message in conversation:
        begins = message.role == "user" and (before is None or before.role != "user")
        if begins or before is None:
            turns.append([])
        turns[-1].append(message)
        before = message
    return [tuple(turn) for turn in turns]


def build(
    profile: Profile,
    conversation: Sequence[Message],
    *,
    system: str | None = None,
    answer_start: str = "",
    loaded: LoadedModel | None = None,
    template: NamedTemplate | None = None,
    thinking: Reasoning = NO_WISH,
    leave_out: int = 0,
    note: Note | None = None,
) -> Asked:
    """What is sent to have the last message of a conversation answered.

    Args:
        profile: mode, character, command and language are taken from it.
        conversation: oldest first, without the system message.
        system: the system message that is in force.
        answer_start: put into the model's mouth.
        loaded: the model, for its fill-in-the-middle tokens.
        template: in place of the model's own.
        thinking: what is asked of the model's thinking.
        leave_out: turns from the oldest that are not sent; the last turn always is.
        note: sent in place of the messages it covers.

    Raises:
        UsageError: in `infill`, the text has no gap, or the model cannot fill one.
    """
    kept = _kept(profile, conversation, leave_out, note)
    sent = {message.id for message in kept}
    dropped = tuple(message.id for message in conversation if message.id not in sent)
    summary = _with_heading(note, profile.language)
    if profile.mode == "text":
        asked = Asked(prompt="".join([system or "", *(message.content for message in kept)]))
    elif profile.mode == "infill":
        asked = _infill(kept[-1].content if kept else "", loaded)
    elif profile.mode in PERSONA_MODES:
        asked = _persona(profile, kept, system, summary, answer_start)
    else:
        asked = _instruct(kept, system, summary)
    start = asked.answer_start if profile.mode in PERSONA_MODES else answer_start
    uses_template = asked.prompt is None
    return msgspec.structs.replace(
        asked,
        answer_start=start,
        template=template if uses_template else None,
        thinking=thinking if uses_template else NO_WISH,
        dropped=dropped,
    )


def _instruct(kept: Sequence[Message], system: str | None, summary: str) -> Asked:
    chat = list(prompt_of(None, kept))
    if summary and chat:
        chat[0] = msgspec.structs.replace(chat[0], content=f"{summary}\n\n{chat[0].content}")
    head = (ChatMessage("system", system),) if system else ()
    return Asked(messages=(*head, *chat))


def _kept(profile: Profile, conversation: Sequence[Message], leave_out: int, note: Note | None) -> list[Message]:
    """The messages that are sent."""
    turns = whole_turns(conversation)
    kept = [message for turn in turns[min(leave_out, max(0, len(turns) - 1)) :] for message in turn]
    covered = set(note.covers) if note else set()
    kept = [message for message in kept if message.id not in covered]
    if profile.mode == "infill":
        return kept[-1:]
    if profile.mode == "instruct":
        while kept and kept[0].role == "assistant":  # a greeting: many templates insist that the user begins
            kept = kept[1:]
    return kept


def _persona(profile: Profile, kept: Sequence[Message], system: str | None, summary: str, answer_start: str) -> Asked:
    character = profile.character or Character()
    said = [message for message in kept if message.content.strip()]
    lines = [
        dialogue.Line(of_user, "\n\n".join(message.content for message in group))
        for of_user, group in groupby(said, key=lambda message: message.role == "user")
    ]
    start = dialogue.opening(character)
    if answer_start:
        start = f"{start} {answer_start.lstrip()}"
    stops = dialogue.name_stops(character)
    if profile.mode == "chat":
        preface = [summary] if summary else []
        text = dialogue.written(character, lines, preface=preface)
        text = f"{system.strip()}\n\n{text}" if system and system.strip() else text
        return Asked(prompt=f"{text}\n", answer_start=start, stops=stops, trimmed=True)
    command = dialogue.command_of(profile.command, profile.language, character)
    text = f"{command}\n\n{dialogue.written(character, lines, preface=[summary] if summary else [])}"
    head = (ChatMessage("system", system),) if system else ()
    return Asked(messages=(*head, ChatMessage("user", text)), answer_start=start, stops=stops, trimmed=True)


def _infill(text: str, loaded: LoadedModel | None) -> Asked:
    parts = text.split(GAP)
    if len(parts) != 2:
        raise UsageError(
            "The text has no gap to fill" if len(parts) == 1 else "The text has more than one gap",
            cause=f"in the mode `infill`, {GAP} stands where the model is to write",
            remedy=f"Put {GAP} into the text once",
        )
    prefix, suffix = parts
    if loaded is None or loaded.served_by is not None:
        return Asked(prompt=prefix, suffix=suffix)
    if loaded.infill is None:
        raise UsageError(
            "This model cannot fill a gap",
            cause=f"the vocabulary of {loaded.name} has no fill-in-the-middle tokens",
            remedy="Choose a model trained for it, e.g. CodeGemma, Code Llama, Qwen2.5-Coder, or use the mode `text`",
        )
    before, between, behind = loaded.infill
    return Asked(prompt=f"{before}{prefix}{between}{suffix}{behind}")


def _with_heading(note: Note | None, language: str | None) -> str:
    if note is None or not note.text.strip():
        return ""
    chinese = (language or "").casefold().split("-")[0] == "zh"
    return f"{_NOTES['zh' if chinese else 'en']}\n{note.text.strip()}"
