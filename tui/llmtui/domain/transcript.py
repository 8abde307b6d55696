"""Records of a transcript file: one JSON object a line, appended as things happen, never changed."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from llmtui.domain.events import FinishReason
from llmtui.domain.messages import Message, Note
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.models import AttachedAdapter
from llmtui.domain.settings import Runtime, Sampling

SCHEMA = "llmtui.transcript/1"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an answer came from, so that it can be had again.

    Attributes:
        context_asked, context_granted: tokens.
        template_source: see `LoadedModel.template_source`; `none: …` where a text was continued without a template.
        template_note: see `Timings.template_note`.
        rendered_sha256: of the rendered prompt.
        model_fingerprint: see `LoadedModel.fingerprint`.
        replica: URL of the server that answered, where several share the work.
        adapters: LoRA adapters that acted on the model, with their scales.
        seed: the one used, also when it was drawn.
        from_model: names of settings that are the publisher's, because the user set none; `system` may be
            among them.
        system: the system message that was sent, where it is not the one that the chat began with but the publisher's,
            that of a profile chosen later, or the user's edit; empty where none was sent.
        profile: name of the profile in use.
        origins: where each setting that is no default came from: `model`, `config`, `profile NAME`, `flag`, `edit`;
            `system` is among them.
        options: sampling options as the engine took them, where that differs from `sampling` in name or value.
        bos_count: begin-of-sequence tokens at the head of the prompt; two is a template's mistake.
        mode: how the conversation was put, see `Profile.mode`.
        dropped: ids of the conversation's messages that were not sent, oldest first.
        cut: characters at the head of the text that was continued that were not sent.
    """

    model: str
    engine: str
    engine_build: str
    llmtui: str
    model_path: str | None = None
    model_fingerprint: str | None = None
    replica: str | None = None
    quantisation: str | None = None
    adapters: tuple[AttachedAdapter, ...] = ()
    template_source: str | None = None
    template_sha256: str | None = None
    template_note: str | None = None
    rendered_sha256: str | None = None
    sampling: Sampling = Sampling()
    runtime: Runtime = Runtime()
    seed: int | None = None
    from_model: tuple[str, ...] = ()
    system: str | None = None
    profile: str | None = None
    origins: dict[str, str] = {}
    options: dict[str, int | float | str | list[str]] | None = None
    context_asked: int | None = None
    context_granted: int | None = None
    cache_miss_at: int | None = None
    bos_count: int | None = None
    mode: str | None = None
    dropped: tuple[str, ...] = ()
    cut: int = 0


Kind = Literal["chat", "notebook"]


class ChatRecord(msgspec.Struct, frozen=True, kw_only=True, tag="chat", tag_field="record"):
    """The file's first line.

    Attributes:
        kind: a notebook is a conversation of one text and what a model made of it: each state of the text that was
            sent is a version of the question, each continuation a version of its answer.
    """

    id: str
    created_at: str
    llmtui: str
    schema: str = SCHEMA
    kind: Kind = "chat"


class MessageRecord(msgspec.Struct, frozen=True, kw_only=True, tag="message", tag_field="record"):
    """A finished message of either side."""

    message: Message


class PartialRecord(msgspec.Struct, frozen=True, kw_only=True, tag="partial", tag_field="record"):
    """What came of an answer since its last partial record; joined, they are the answer so far.

    Attributes:
        id: of the message it will become.
        parent_id: of the message it answers.
        offset: characters of the answer before `text`.
    """

    id: str
    parent_id: str
    model: str
    offset: int
    text: str
    created_at: str


class TurnRecord(msgspec.Struct, frozen=True, kw_only=True, tag="turn", tag_field="record"):
    """What a turn cost and where it came from.

    Attributes:
        message_id: of the answer.
        summary: the line shown under the answer.
    """

    message_id: str
    finish_reason: FinishReason
    metrics: TurnMetrics
    manifest: Manifest
    summary: str


class HeadRecord(msgspec.Struct, frozen=True, kw_only=True, tag="head", tag_field="record"):
    """Which message the conversation now ends with."""

    message_id: str


class NoteRecord(msgspec.Struct, frozen=True, kw_only=True, tag="note", tag_field="record"):
    """A summary that is sent in place of older messages."""

    note: Note


class TextRecord(msgspec.Struct, frozen=True, kw_only=True, tag="text", tag_field="record"):
    """What the user changed in a notebook's text since the record before it: see `Splice`.

    The changes since the last message or head apply to the text that these tell.
    """

    at: Annotated[int, Meta(ge=0)]
    removed: Annotated[int, Meta(ge=0)]
    text: str


class SystemRecord(msgspec.Struct, frozen=True, kw_only=True, tag="system", tag_field="record", omit_defaults=True):
    """The system message of the turns to come, as the user made it.

    Attributes:
        message: an empty one sends none; None takes the user's own back.
    """

    message: Message | None = None


class RemoveRecord(msgspec.Struct, frozen=True, kw_only=True, tag="remove", tag_field="record"):
    """The user took a message, and what followed it, out of the conversation."""

    message_id: str


class EndRecord(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="record", omit_defaults=True):
    """The chat or the run was closed in order.

    Attributes:
        reason: of a run: whether it came to its end.
    """

    ended_at: str
    reason: Literal["finished", "interrupted"] | None = None


Record = (
    ChatRecord
    | MessageRecord
    | PartialRecord
    | TurnRecord
    | HeadRecord
    | NoteRecord
    | TextRecord
    | SystemRecord
    | RemoveRecord
    | EndRecord
)


class ChatSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the history.

    Attributes:
        title: the first words of the first question, or of a notebook.
        turns: answers in the file.
        modified_ns: of the file.
    """

    id: str
    path: str
    title: str
    created_at: str
    modified_ns: int
    turns: int
    model: str | None
    kind: Kind = "chat"


class ChatList(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder of chats holds.

    Attributes:
        chats: newest first.
        unreadable: names of the files that no chat could be read from.
    """

    chats: tuple[ChatSummary, ...] = ()
    unreadable: tuple[str, ...] = ()
