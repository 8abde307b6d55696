"""The pure part of a chat: values the front ends see, and what is made of messages before they meet an engine."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

import msgspec

import llmtui
from llmtui.domain.defaults import Settled
from llmtui.domain.events import Failed, Finished, Generated, PrefillProgress, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Runtime
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.transcript import Manifest
from llmtui.domain.vocabulary import TokenSource

NO_TEMPLATE = "none: the prompt was sent as it is"
TurnState = Literal["sending", "prefill", "decode", "stopping"]


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
    """

    def __init__(
        self, question: Message, submitted_ns: int, *, answer_start: str = "", instead: str | None = None
    ) -> None:
        self.answer_start = answer_start
        self.instead = instead
        self.fold = TurnFold(submitted_ns)
        self.message_id = new_id()
        self.question = question
        self.submitted_ns = submitted_ns
        self.created_at = now_text()
        self.state: TurnState = "sending"
        self.last_event: Finished | Failed | None = None
        self.saved_characters = 0

    @property
    def text(self) -> str:
        """The answer so far."""
        return self.answer_start + self.fold.text

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


def prompt_of(system: str | None, messages: Sequence[Message]) -> tuple[ChatMessage, ...]:
    """A conversation as engines get it.

    Answers that ended before any text are left out, and questions that then follow one another become one: many
    templates insist that the roles alternate, and the part already evaluated stays the beginning of the prompt.
    """
    chat = [ChatMessage(role="system", content=system)] if system else []
    kept = [message for message in messages if message.role != "assistant" or message.content]
    for role, group in groupby(kept, key=lambda message: message.role):
        chat.append(ChatMessage(role=role, content="\n\n".join(message.content for message in group)))
    return tuple(chat)


def manifest_of(
    loaded: LoadedModel,
    runtime: Runtime,
    settled: Settled,
    fold: TurnFold,
    *,
    raw: bool = False,
    template: NamedTemplate | None = None,
) -> Manifest:
    """Where an answer came from.

    Args:
        loaded: the model.
        runtime: how it was asked to be loaded.
        settled: how tokens were drawn, and what of it the publisher set.
        fold: of the turn.
        raw: a text was continued as it was, without a chat template.
        template: that was chosen instead of the model's own.
    """
    source, sha256 = loaded.template_source, loaded.template_sha256
    if raw:
        source, sha256 = NO_TEMPLATE, None
    elif template is not None:
        source, sha256 = template.source or template.name, template.sha256
    timings = fold.timings
    return Manifest(
        model=loaded.name,
        engine=loaded.engine,
        engine_build=loaded.engine_build,
        llmtui=llmtui.__version__,
        model_path=loaded.path,
        model_fingerprint=loaded.fingerprint,
        quantisation=loaded.quantisation,
        adapters=loaded.adapters if timings.adapters is None else timings.adapters,
        template_source=source,
        template_sha256=sha256,
        template_note=timings.template_note,
        rendered_sha256=timings.rendered_sha256,
        sampling=settled.sampling,
        from_model=settled.names,
        system=settled.system,
        runtime=runtime,
        seed=timings.seed,
        options=timings.options,
        context_asked=runtime.context,
        context_granted=loaded.context_size,
        cache_miss_at=timings.cache_miss_at,
        bos_count=timings.bos_count,
    )
