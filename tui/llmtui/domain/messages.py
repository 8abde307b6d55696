"""Messages of a conversation. Identity (`id`, `parent_id`) belongs to storage; engines see role and content only."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from llmtui.domain.events import FinishReason
from llmtui.domain.text import well_formed

Role = Literal["system", "user", "assistant"]


class ChatMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an engine is given: one turn's role and its text.

    Attributes:
        reasoning: what the model thought before this answer; only templates that ask for it see it.
    """

    role: Role
    content: str
    reasoning: str | None = None

    def well_formed(self) -> "ChatMessage":
        """Without what no encoding can write."""
        thoughts = None if self.reasoning is None else well_formed(self.reasoning)
        return ChatMessage(self.role, well_formed(self.content), thoughts)


class Message(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One stored message. A regenerated, edited or branched message is a sibling under the same parent.

    Attributes:
        id: unique within its transcript.
        parent_id: the message it follows; None for the first.
        created_at: UTC, ISO 8601.
        model: the name of the model that wrote it; None for the user's own.
        finish_reason: why the answer ended; None for the user's own.
        error: what went wrong, when the answer ended in an error.
        edited_from: the version that the user changed into this one; None when it is as it was written.
        reasoning: what the model thought before it answered, where the engine told it apart; sent back only
            where the template asks for it.
        speaker: the character that says it, in the modes with a persona; None where the model speaks for itself.
        notices: what the user was told of the turn, e.g. that the prompt was truncated.
    """

    id: str
    parent_id: str | None
    role: Role
    content: str
    created_at: str
    model: str | None = None
    finish_reason: FinishReason | None = None
    error: str | None = None
    edited_from: str | None = None
    reasoning: str | None = None
    speaker: str | None = None
    notices: tuple[str, ...] = ()


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A summary that is sent in place of the oldest messages of a conversation.

    Of notes that cover the same messages the last one counts; one without text takes those before it back.

    Attributes:
        covers: ids of the messages, oldest first.
        text: in the model's words or the user's.
        model: the name of the model that wrote it; None for the user's.
        edited_from: the note that the user changed into this one.
    """

    covers: tuple[str, ...]
    text: str
    id: str = ""
    created_at: str = ""
    model: str | None = None
    edited_from: str | None = None


def note_of(notes: Sequence[Note], messages: Sequence[Message]) -> Note | None:
    """The note that stands for the most of a conversation's beginning; None when there is none."""
    last = {note.covers: note for note in notes}
    ids = tuple(message.id for message in messages)
    fitting = [note for covers, note in last.items() if note.text.strip() and ids[: len(covers)] == covers]
    return max(fitting, key=lambda note: len(note.covers), default=None)
