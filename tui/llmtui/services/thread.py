"""The messages of a chat: what the conversation is now, and what the user changes in it, written as it happens."""

from datetime import datetime

import msgspec

import llmtui
from llmtui.domain.messages import Message, Note, note_of
from llmtui.domain.splices import Splice
from llmtui.domain.text import well_formed
from llmtui.domain.transcript import (
    ChatRecord,
    HeadRecord,
    Kind,
    MessageRecord,
    NoteRecord,
    Record,
    RemoveRecord,
    SystemRecord,
    TextRecord,
)
from llmtui.domain.tree import MessageTree
from llmtui.errors import UsageError
from llmtui.services.conversation import new_id, now_text
from llmtui.services.journal import Journal
from llmtui.store.transcripts import NO_MESSAGE, Transcript


class Thread:
    """The tree of a chat's messages and its journal.

    Args:
        journal: of the chat.
        chat_id: of a new chat.
        system: put before the conversation.
        kind: of a new one.

    Attributes:
        system: the message that the chat began with.
        system_edit: what the user made of it, for the turns to come; an empty one sends none.
        messages: the conversation, oldest first, without the system message.
        busy: a turn is running; the conversation must not change under it.
        refused: the last question did not fit into the context, and makes way for the next.
        written: something was written since the chat was opened.
    """

    def __init__(self, journal: Journal, chat_id: str, *, system: str | None = None, kind: Kind = "chat") -> None:
        self.id = chat_id
        self._kind = kind
        self.system = system
        self.system_edit: Message | None = None
        self.messages: tuple[Message, ...] = ()
        self.busy = False
        self.refused = False
        self.written = False
        self._journal = journal
        self._tree = MessageTree()
        self._root: str | None = None
        self._on_disk = False
        self._greeting: Message | None = None
        self._notes: tuple[Note, ...] = ()
        self._later: tuple[str | None] | None = None

    @property
    def in_force(self) -> str | None:
        """The system message of the turns to come: the user's, else the one chosen last, else the chat's own."""
        if self.system_edit is not None:
            return self.system_edit.content
        return self.system if self._later is None else self._later[0]

    @property
    def note(self) -> Note | None:
        """What is sent in place of the oldest messages."""
        return note_of(self._notes, self.messages)

    def note_for(self, dropped: tuple[str, ...]) -> Note | None:
        """The note that stands for exactly these messages."""
        return next((note for note in reversed(self._notes) if note.covers == dropped and note.text), None)

    @property
    def shown(self) -> tuple[Message, ...]:
        """The conversation with what is no part of it, as messages of the role `system`.

        The system message that the user made is the first; a note stands behind the messages it stands for.
        """
        head = () if self.system_edit is None else (self.system_edit,)
        note = self.note
        if note is None:
            return (*head, *self.messages)
        at = len(note.covers)
        return (*head, *self.messages[:at], _mark_of(note), *self.messages[at:])

    @property
    def tree(self) -> MessageTree:
        """Every version of every message, the system message included."""
        return self._tree

    @property
    def kept(self) -> tuple[Message, ...]:
        """What the next question follows: one that did not fit makes way for it. In a notebook, nothing."""
        if self._kind == "notebook":
            return ()
        return self.messages[:-1] if self.refused else self.messages

    def set_system(self, system: str | None) -> None:
        """Another system message in place of the one in force.

        A chat of which something is on the disk keeps the one it began with, for the turns that it had.
        """
        self._later = (system,)
        if not self._on_disk:
            self.system = system
        if self.system_edit is not None:
            self._take_system(None)

    def edit_system(self, text: str | None) -> None:
        """Make another system message for the turns to come; an empty one sends none.

        Args:
            text: None takes the user's own back.

        Raises:
            UsageError: a turn is running.
        """
        self.refuse_if_busy()
        if text is None:
            self._take_system(None)
            return
        before = self.system_edit.id if self.system_edit is not None else self._root
        text = well_formed(text) if text.strip() else ""
        created = now_text()
        self._take_system(
            Message(id=new_id(), parent_id=None, role="system", content=text, created_at=created, edited_from=before)
        )

    def adopt(self, transcript: Transcript) -> None:
        """Go on with a chat from its file."""
        root = next((message for message in transcript.messages if message.role == "system"), None)
        if root is not None:
            self.system, self._root = root.content, root.id
        self._notes = transcript.notes
        self.system_edit = transcript.system
        self.id = transcript.chat.id if transcript.chat else transcript.path.stem
        self._kind = transcript.chat.kind if transcript.chat else "chat"
        self._on_disk = True
        self._show(transcript.tree)

    def greet(self, text: str, speaker: str) -> None:
        """Open an empty chat with what a character says, or with nothing; a chat under way stays as it is."""
        if self._on_disk:
            return
        self._greeting = None
        tree = MessageTree()
        if text.strip():
            self._greeting = Message(
                id=new_id(),
                parent_id=None,
                role="assistant",
                content=well_formed(text),
                created_at=now_text(),
                speaker=well_formed(speaker),
            )
            tree = tree.add(self._greeting)
        self._show(tree)

    def question(self, text: str) -> Message:
        """A question that follows the conversation; `ask` takes it in.

        Raises:
            UsageError: the text is empty, or a turn is running.
        """
        self.refuse_if_busy()
        text = well_formed(text)
        if not text.strip():
            raise UsageError("There is nothing to send", remedy="Write something first")
        if self.refused:
            self._show(self._tree.at(self.messages[-1].parent_id))
        parent = self._tree.head or self._root
        return Message(id=new_id(), parent_id=parent, role="user", content=text, created_at=now_text())

    async def ask(self, question: Message) -> None:
        """Take a question into the conversation and onto the disk, with the chat's head before the first."""
        records = self._opening(question.created_at)
        if question.parent_id is None:
            question = msgspec.structs.replace(question, parent_id=self._root)
        self._show(self._tree.add(question))
        self.written = True
        await self._journal.save(*records, MessageRecord(message=question))

    def keep(self, answer: Message) -> None:
        """Take in an answer whose record is written elsewhere."""
        self._show(self._tree.add(answer))

    def answer(self) -> Message:
        """The answer that the conversation ends with.

        Raises:
            UsageError: it ends with none, or a turn is running.
        """
        self.refuse_if_busy()
        answer = self.messages[-1] if self.messages else None
        if answer is None or answer.role != "assistant":
            raise UsageError("The conversation does not end with an answer", remedy="Send the question first")
        return answer

    def take_note(self, note: Note) -> Note:
        """Keep a note, which is sent in place of what it covers from now on."""
        note = msgspec.structs.replace(note, id=new_id(), text=well_formed(note.text), created_at=now_text())
        self._notes = (*self._notes, note)
        self._write(NoteRecord(note=note))
        return note

    def edit(self, message_id: str, text: str) -> Message:
        """Put an edited version beside a message; the conversation then ends with it.

        After an edited question, resending has it answered. An edited note is sent in place of the old one; the
        conversation stays as it is.

        Raises:
            UsageError: there is no such message, the text is empty, or a turn is running.
        """
        text = well_formed(text)
        if not text.strip():
            raise UsageError("The message would be empty", remedy="Write something, or remove the message")
        if self.system_edit is not None and self.system_edit.id == message_id:
            self.edit_system(text)
            return self.system_edit
        if (note := self._note(message_id)) is not None:
            return _mark_of(self._change_note(note, text))
        message = self._existing(message_id)
        fresh = msgspec.structs.replace(
            message, id=new_id(), content=text, created_at=now_text(), edited_from=message.id
        )
        self._show(self._tree.add(fresh))
        self._write(MessageRecord(message=fresh))
        return fresh

    def restart(self, text: str) -> Message:
        """Begin the conversation anew with another text, beside the one it began with. Nothing follows it yet.

        What the conversation ended with is the version that was changed into it.
        """
        self.refuse_if_busy()
        opening = self._opening(now_text())
        fresh = Message(
            id=new_id(),
            parent_id=self._root,
            role="user",
            content=well_formed(text),
            created_at=now_text(),
            edited_from=self.messages[-1].id if self.messages else None,
        )
        self._show(self._tree.add(fresh))
        self._write(*opening, MessageRecord(message=fresh))
        return fresh

    def splice(self, change: Splice) -> None:
        """Keep what the user changed in the text of a notebook.

        Raises:
            UsageError: a turn is running.
        """
        self.refuse_if_busy()
        self._write(TextRecord(at=change.at, removed=change.removed, text=well_formed(change.text)))

    def show_version(self, message_id: str) -> None:
        """Show the conversation that went on from a version of a message.

        Raises:
            UsageError: there is no such message, or a turn is running.
        """
        self.end_at(self._tree.end_below(self._existing(message_id).id))

    def end_at(self, message_id: str) -> None:
        """Let the conversation end with a message: what is sent next is a branch beside what followed it.

        Raises:
            UsageError: there is no such message, or a turn is running.
        """
        self._show(self._tree.at(self._existing(message_id).id))
        self._write(HeadRecord(message_id=message_id))

    def remove(self, message_id: str) -> None:
        """Take a message and all that follows it out of the conversation; the file keeps its record.

        Raises:
            UsageError: there is no such message, or a turn is running.
        """
        if self.system_edit is not None and self.system_edit.id == message_id:
            self.edit_system(None)
            return
        note = self._note(message_id)
        if note is not None:
            self._change_note(note, "")
            return
        self._show(self._tree.without(self._existing(message_id).id))
        self._write(RemoveRecord(message_id=message_id), HeadRecord(message_id=self._tree.head or NO_MESSAGE))

    def point_at(self, message_id: str) -> None:
        """Let the conversation end with a message for the time of a turn; nothing is written."""
        self._show(self._tree.at(message_id))

    def refuse_if_busy(self) -> None:
        """Raise `UsageError` while a turn is running."""
        if self.busy:
            raise UsageError("An answer is being written", remedy="Stop it first, or wait until it ends")

    def _opening(self, created_at: str) -> list[Record]:
        """What a new chat's file begins with: the chat's head, its system message and a greeting."""
        if self._on_disk:
            return []
        self._on_disk = True
        first: list[Message] = []
        if self.system:
            text = well_formed(self.system)
            first.append(Message(id=new_id(), parent_id=None, role="system", content=text, created_at=created_at))
            self._root = first[0].id
        if self._greeting is not None:
            first.append(msgspec.structs.replace(self._greeting, parent_id=self._root))
        others = [message for message in self._tree.messages if message.id != first[-1].id] if first else []
        if first:
            self._show(MessageTree((*first, *others), self._tree.head or first[-1].id))
        head = ChatRecord(id=self.id, created_at=created_at, llmtui=llmtui.__version__, kind=self._kind)
        edit = [] if self.system_edit is None else [SystemRecord(message=self.system_edit)]
        return [head, *(MessageRecord(message=message) for message in first), *edit]

    def _note(self, note_id: str) -> Note | None:
        self.refuse_if_busy()
        note = self.note
        return note if note is not None and note.id == note_id else None

    def _change_note(self, note: Note, text: str) -> Note:
        return self.take_note(Note(covers=note.covers, text=text, edited_from=note.id))

    def _take_system(self, message: Message | None) -> None:
        """Before anything is on the disk, the chat's first records will have it."""
        self.system_edit = message
        if self._on_disk:
            self._write(SystemRecord(message=message))

    def _existing(self, message_id: str) -> Message:
        self.refuse_if_busy()
        message = self._tree.get(message_id)
        if message is None or message.role == "system":
            raise UsageError("There is no such message", cause=message_id, remedy="Choose one of the conversation")
        return message

    def _show(self, tree: MessageTree) -> None:
        self._tree = tree
        self.messages = tuple(message for message in tree.path if message.role != "system")
        self.refused = False

    def _write(self, *records: Record) -> None:
        self.written = True
        self._journal.write(*self._opening(now_text()), *records)


def _mark_of(note: Note) -> Message:
    """A note as it stands among the messages."""
    return Message(
        id=note.id,
        parent_id=None,
        role="system",
        content=note.text,
        created_at=note.created_at,
        model=note.model,
        edited_from=note.edited_from,
    )


def file_name(chat_id: str, suffix: str) -> str:
    """Of a new chat: the local time first, so that names sort by age."""
    return f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{chat_id}{suffix}"
