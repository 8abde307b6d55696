"""The pure part of a chat: values the front ends see, and what is made of messages before they meet an engine."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

import msgspec

from llmtui.domain.events import Failed, Finished, Generated, PrefillProgress, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.transcript import Manifest
from llmtui.domain.vocabulary import TokenSource

TurnState = Literal["sending", "compacting", "prefill", "decode", "stopping"]
NOTE_REQUEST = "-note"
"""Behind a turn's id: the engine's request for a note on older messages."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that ended.

    Attributes:
        message: the answer; empty when the turn ended before any text came, and then not part of the conversation.
        summary: one line, see `summary.summary_line`.
    """

    message: Message
    metrics: TurnMetrics
    manifest: Manifest
    summary: str


class DraftCount(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft would take.

    Attributes:
        draft_tokens: of the draft alone; by the engine, its place in the template included.
        total_tokens: of the whole prompt with the draft; exact by the engine only.
        context_size: granted tokens; None when no model is loaded.
        source: who counted the draft.
    """

    draft_tokens: int
    total_tokens: int
    context_size: int | None
    source: TokenSource

    @property
    def exact(self) -> bool:
        """Whether both figures are exact."""
        return self.source == "engine"


class RunningTurn:
    """A turn under way; it changes with every event.

    Attributes:
        fold: of the events so far; `fold.text` is what the model wrote, `fold.live()` the figures.
        message_id: of the answer to be, which is also the engine's request.
        question: the user's message that is answered.
        submitted_ns: when it was sent (`perf_counter_ns`).
        state: what happens now.
        last_event: how it ended; None until then.
        saved_characters: of the answer that are on their way to the disk.
        answer_start: what the answer begins with; the model goes on from there.
        instead: the version shown again when nothing comes of this one; None for a question's first answer.
        head: what the conversation goes on ending with, whatever comes of the turn; None lets it end with the answer.
        trimmed: blanks at the head of what the model writes are no part of the answer.
    """

    def __init__(
        self,
        question: Message,
        submitted_ns: int,
        *,
        answer_start: str = "",
        instead: str | None = None,
        head: str | None = None,
    ) -> None:
        self.answer_start = answer_start
        self.head = head
        self.instead = instead
        self.fold = TurnFold(submitted_ns)
        self.message_id = new_id()
        self.question = question
        self.submitted_ns = submitted_ns
        self.created_at = now_text()
        self.state: TurnState = "sending"
        self.last_event: Finished | Failed | None = None
        self.saved_characters = 0
        self.trimmed = False

    @property
    def text(self) -> str:
        """The answer so far."""
        written = self.fold.text
        return self.answer_start + (written.lstrip() if self.trimmed and not self.answer_start else written)

    def is_stopping(self) -> bool:
        """Whether the user stopped it and the engine has not ended it yet."""
        return self.state == "stopping"

    def add(self, event: TurnEvent) -> None:
        """Take one event of the engine."""
        self.fold.add(event)
        if isinstance(event, Finished | Failed):
            self.last_event = event
        if self.is_stopping():
            return
        if isinstance(event, PrefillProgress):
            self.state = "prefill"
        elif isinstance(event, Generated):
            self.state = "decode"


def unanswered(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """A conversation whose last question has no answer, ended by that question; empty when it has one."""
    if messages and messages[-1].role == "assistant" and messages[-1].finish_reason == "error":
        messages = messages[:-1]
    return messages if messages and messages[-1].role == "user" else ()


def used_tokens(messages: Sequence[Message], turns: Sequence[Turn], running: RunningTurn | None) -> int | None:
    """Tokens of a conversation as last reported."""
    if running is not None:
        return running.fold.live().context_used
    last = messages[-1].id if messages else None
    turn = next((turn for turn in reversed(turns) if turn.message.id == last), None)
    return turn.metrics.context_used if turn else None


def is_refused(fold: TurnFold) -> bool:
    """Whether the question did not fit into the context, so that it must not be part of the next prompt."""
    return fold.failure is not None and fold.failure.kind == "context" and not fold.text


def is_last(event: TurnEvent) -> bool:
    """Whether a turn ends with this event."""
    return isinstance(event, Finished | Failed)


def new_id() -> str:
    """An id that no other message or chat has."""
    return os.urandom(6).hex()


def now_text() -> str:
    """The time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_messages(said: Iterable[ChatMessage]) -> tuple[Message, ...]:
    """A conversation that is not kept, as messages that follow one another."""
    messages: list[Message] = []
    for at, each in enumerate(said):
        parent = messages[-1].id if messages else None
        messages.append(
            Message(
                id=str(at),
                parent_id=parent,
                role=each.role,
                content=each.content,
                reasoning=each.reasoning,
                created_at="",
            )
        )
    return tuple(messages)


def prompt_of(system: str | None, messages: Sequence[Message]) -> tuple[ChatMessage, ...]:
    """A conversation as engines get it.

    Answers that ended before any text are left out, and questions that then follow one another become one: many
    templates insist that the roles alternate, and the part already evaluated stays the beginning of the prompt.
    """
    chat = [ChatMessage(role="system", content=system)] if system else []
    kept = [message for message in messages if message.role != "assistant" or message.content]
    for role, neighbours in groupby(kept, key=lambda message: message.role):
        group = list(neighbours)
        thoughts = "\n\n".join(message.reasoning for message in group if message.reasoning) or None
        text = "\n\n".join(message.content for message in group)
        chat.append(ChatMessage(role=role, content=text, reasoning=thoughts))
    return tuple(chat)
