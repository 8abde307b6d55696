r"""Transcripts: append-only JSONL, one file a chat. Reading them, whole or as a list.

Lines are split at the byte `\n` only; U+2028 and its like are text. A torn last line (the program was killed while
it wrote) is left out, a damaged line in the middle is counted, records of newer versions are left alone.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from llmtui.domain.messages import Message, Note
from llmtui.domain.run import RunLine
from llmtui.domain.splices import Splice
from llmtui.domain.text import visible_line, well_formed
from llmtui.domain.transcript import (
    SCHEMA,
    ChatList,
    ChatRecord,
    ChatSummary,
    HeadRecord,
    Kind,
    MessageRecord,
    NoteRecord,
    PartialRecord,
    Record,
    RemoveRecord,
    SystemRecord,
    TextRecord,
    TurnRecord,
)
from llmtui.domain.tree import MessageTree
from llmtui.errors import StoreError
from llmtui.store.files import read_regular

SUFFIX = ".jsonl"
INTERRUPTED = "interrupted: the program ended while this answer was written"
NO_MESSAGE = ""
"""As the head: the conversation is empty, though the file holds messages."""
TITLE_LENGTH = 60
_HEAD_LINES = 16
_TURN_LINE = b'\n{"record":"turn"'
_MESSAGE_LINE = b'\n{"record":"message"'

_decoder = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A chat as its file tells it.

    Attributes:
        chat: the header; None when its line is damaged.
        messages: every message of the file, siblings included, oldest first.
        head: id of the message the conversation ends with; None or `NO_MESSAGE` when there is none.
        turns: metrics and manifests, by the id of the answer.
        damaged: lines that could not be read and were left out.
        notes: that stand for older messages, in the order in which they were written.
        changes: in the text of a notebook, since its head was set.
        system: the system message that the user made last; None when there is none.
        unknown: records of kinds this version does not know.
    """

    path: Path
    chat: ChatRecord | None
    messages: tuple[Message, ...]
    head: str | None
    turns: dict[str, TurnRecord]
    damaged: int = 0
    unknown: int = 0
    notes: tuple[Note, ...] = ()
    changes: tuple[Splice, ...] = ()
    system: Message | None = None

    @property
    def tree(self) -> MessageTree:
        """Every version of every message. Where a parent's line was damaged, the message before takes its place."""
        return MessageTree.mended(self.messages, self.head)

    @property
    def conversation(self) -> tuple[Message, ...]:
        """The messages from the first to the head, along the parents."""
        return self.tree.path


def encode_record(record: Record | RunLine) -> bytes:
    """One line, its line feed included. Lone surrogates (a path can hold them), which UTF-8 cannot, are replaced."""
    try:
        return _encoder.encode(record) + b"\n"
    except UnicodeEncodeError:
        return _encoder.encode(_well_formed(msgspec.to_builtins(record))) + b"\n"


def _well_formed(value: object) -> object:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list | tuple):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {_well_formed(key): _well_formed(item) for key, item in value.items()}
    return value


def read_transcript(path: Path) -> Transcript:
    """Read a chat.

    An answer of which only partial records came is a message that ended in an error (`INTERRUPTED`): the program
    was killed while it was written.

    Raises:
        StoreError: the file is missing, unreadable, not a chat, or of a newer schema.
    """
    data = _read(path)
    whole = data[: data.rfind(b"\n") + 1]
    reader = _Gathered()
    for line in whole.split(b"\n"):
        if line.strip():
            reader.take(line, path)
    if reader.chat is None and not reader.messages and not reader.partials:
        raise StoreError(
            "This is not a chat of llmtui",
            cause=f"{path}: no record could be read",
            remedy="Open another chat; the file is left as it is",
        )
    return reader.transcript(path)


def read_kind(path: Path) -> Kind:
    """What a file holds, by its first line; a chat where that says nothing. It may be damaged: `read_transcript` tells.

    Raises:
        StoreError: the file is missing or unreadable.
    """
    first = next(_head_records(_read(path)), None)
    return first.kind if isinstance(first, ChatRecord) else "chat"


def list_chats(chats_dir: Path) -> list[ChatSummary]:
    """The chats of a folder, newest first. Files that cannot be read or hold no message are left out."""
    return list(read_chats(chats_dir).chats)


def read_chats(chats_dir: Path) -> ChatList:
    """The chats of a folder, newest first, and the files that cannot be read. Chats without a message are left out."""
    found: list[ChatSummary] = []
    unreadable: list[str] = []
    try:
        paths = [path for path in chats_dir.iterdir() if path.suffix == SUFFIX]
    except OSError:
        return ChatList()
    for path in paths:
        try:
            summary = _summary(path)
        except FileNotFoundError:
            if path.is_symlink():
                unreadable.append(path.name)
        except (OSError, StoreError):
            unreadable.append(path.name)
        else:
            found += [summary] if summary is not None else []
    newest_first = sorted(found, key=lambda summary: (summary.modified_ns, summary.path), reverse=True)
    return ChatList(chats=tuple(newest_first), unreadable=tuple(sorted(unreadable)))


def _read(path: Path) -> bytes:
    try:
        return read_regular(path)
    except FileNotFoundError as error:
        raise StoreError(
            "The chat does not exist", cause=str(path), remedy="Choose another from the history"
        ) from error
    except OSError as error:
        raise StoreError(
            "The chat cannot be read",
            cause=f"{path}: {error.strerror or error}",
            remedy="Check the path and its permissions",
        ) from error


class _Gathered:
    """The records of one file, taken in order."""

    def __init__(self) -> None:
        self.chat: ChatRecord | None = None
        self.messages: dict[str, Message] = {}
        self.partials: dict[str, PartialRecord] = {}
        self.places: dict[str, int] = {}
        self.turns: dict[str, TurnRecord] = {}
        self.head: str | None = None
        self.removed: list[str] = []
        self.notes: list[Note] = []
        self.changes: list[Splice] = []
        self.system: Message | None = None
        self.damaged = 0
        self.unknown = 0

    def take(self, line: bytes, path: Path) -> None:
        try:
            record = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._leave_out(line, path)
            return
        if isinstance(record, MessageRecord | PartialRecord | HeadRecord):
            self.changes.clear()
        match record:
            case ChatRecord():
                _check_schema(record.schema, path)
                self.chat = self.chat or record
            case MessageRecord():
                self._place(record.message.id)
                self.messages[record.message.id] = record.message
                self.partials.pop(record.message.id, None)
                self.head = record.message.id
            case PartialRecord():
                self._take_partial(record)
            case TurnRecord():
                self.turns[record.message_id] = record
            case HeadRecord():
                self.head = record.message_id
            case NoteRecord():
                self.notes.append(record.note)
            case TextRecord():
                self.changes.append(Splice(record.at, record.removed, record.text))
            case SystemRecord():
                self.system = record.message
            case RemoveRecord():
                self.removed.append(record.message_id)

    def _leave_out(self, line: bytes, path: Path) -> None:
        kind = _kind_of(line)
        if kind == "chat":
            _check_schema(_schema_of(line), path)
        if kind is None or kind in _KNOWN:
            self.damaged += 1
        else:
            self.unknown += 1

    def _take_partial(self, record: PartialRecord) -> None:
        if record.id in self.messages:
            return
        if record.offset < 0:
            self.damaged += 1
            return
        self._place(record.id)
        before = self.partials.get(record.id)
        text = (before.text[: record.offset] if before else "") + record.text
        first = before or record
        self.partials[record.id] = msgspec.structs.replace(first, offset=0, text=text)
        self.head = record.id

    def _place(self, message_id: str) -> None:
        """Remember where in the file a message began."""
        self.places.setdefault(message_id, len(self.places))

    def transcript(self, path: Path) -> Transcript:
        interrupted = [
            Message(
                id=partial.id,
                parent_id=partial.parent_id,
                role="assistant",
                content=partial.text,
                created_at=partial.created_at,
                model=partial.model,
                finish_reason="error",
                error=INTERRUPTED,
            )
            for partial in self.partials.values()
        ]
        messages = tuple(sorted((*self.messages.values(), *interrupted), key=lambda message: self.places[message.id]))
        if self.removed:
            tree = MessageTree.mended(messages, None)
            for message_id in self.removed:
                tree = tree.without(message_id)
            messages = tree.messages
        known = {message.id for message in messages}
        head = self.head
        if head != NO_MESSAGE and head not in known:
            head = messages[-1].id if messages else None
        return Transcript(
            path=path,
            chat=self.chat,
            messages=messages,
            head=head,
            turns=self.turns,
            damaged=self.damaged,
            unknown=self.unknown,
            notes=tuple(self.notes),
            changes=tuple(self.changes),
            system=self.system,
        )


_KNOWN = {"chat", "message", "partial", "turn", "head", "note", "text", "system", "remove", "end"}


class _Kind(msgspec.Struct):
    record: str
    schema: str = SCHEMA


def _kind_of(line: bytes) -> str | None:
    try:
        return msgspec.json.decode(line, type=_Kind).record
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _schema_of(line: bytes) -> str:
    return msgspec.json.decode(line, type=_Kind).schema


def _check_schema(schema: str, path: Path) -> None:
    name, _, major = schema.partition("/")
    own_name, _, own_major = SCHEMA.partition("/")
    if name != own_name or major.split(".")[0] != own_major:
        raise StoreError(
            "This chat was written by another version of llmtui",
            cause=f"{path}: schema {visible_line(schema)[:40]}, this version reads {SCHEMA}",
            remedy="Update llmtui to open it; the file is left as it is",
        )


def _summary(path: Path) -> ChatSummary | None:
    data = read_regular(path)
    chat: ChatRecord | None = None
    title: str | None = None
    typed = ""
    for record in _head_records(data):
        if isinstance(record, ChatRecord):
            chat = chat or record
        elif isinstance(record, TextRecord):
            typed = Splice(record.at, record.removed, record.text).applied(typed)
        elif isinstance(record, MessageRecord) and record.message.role == "user":
            title = _title(record.message.content)
            break
    if title is None and typed.strip():
        title = _title(typed.lstrip())
    if title is None and chat is None and data.strip():
        raise StoreError("This is not a chat of llmtui", cause=str(path), remedy="The file is left as it is")
    if title is None:
        return None
    return ChatSummary(
        id=chat.id if chat else path.stem,
        path=str(path),
        title=title,
        created_at=chat.created_at if chat else "",
        modified_ns=path.stat().st_mtime_ns,
        turns=data.count(_TURN_LINE),
        model=_last_model(data),
        kind=chat.kind if chat else "chat",
    )


def _head_records(data: bytes) -> Iterator[Record]:
    start = 0
    for _ in range(_HEAD_LINES):
        end = data.find(b"\n", start)
        if end < 0:
            return
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _decoder.decode(data[start:end])
        start = end + 1


def _last_model(data: bytes) -> str | None:
    """Of the last answer; a few steps back suffice, as questions and answers alternate."""
    end = len(data)
    for _ in range(_HEAD_LINES):
        start = data.rfind(_MESSAGE_LINE, 0, end)
        if start < 0:
            return None
        line_end = data.find(b"\n", start + 1)
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            record = _decoder.decode(data[start + 1 : line_end if line_end > 0 else len(data)])
            if isinstance(record, MessageRecord) and record.message.model is not None:
                return visible_line(record.message.model)
        end = start
    return None


def _title(content: str) -> str:
    line = visible_line(content[: TITLE_LENGTH * 8])
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1] + "…"
