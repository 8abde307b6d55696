"""A notebook: one text that the user and a model write together, and its file.

It is a conversation of one question and one answer. What is sent is a version of the question, with the whole text as
it then was; what the model writes is a version of its answer. So nothing is overwritten, every earlier state can be
gone back to, and the file is a chat's like all others. What the user changes in between is kept as it is typed.
"""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import NamedTuple

import msgspec

from llmtui.domain.events import TurnEvent
from llmtui.domain.messages import Message
from llmtui.domain.profile import RAW_MODES, Wanted
from llmtui.domain.splices import splice_between
from llmtui.domain.text import visible, well_formed
from llmtui.domain.tree import MessageTree
from llmtui.errors import UsageError
from llmtui.services.conversation import DraftCount, new_id
from llmtui.services.draft import DraftCounter
from llmtui.services.host import ModelHost
from llmtui.services.journal import Journal
from llmtui.services.planning import Terms, terms_of
from llmtui.services.prompting import GAP
from llmtui.services.session import ChatSession, Turn
from llmtui.services.thread import Thread, file_name
from llmtui.store.paths import Folders
from llmtui.store.transcript_writer import TranscriptWriter
from llmtui.store.transcripts import SUFFIX, Transcript, read_transcript


class Passage(NamedTuple):
    """Where in a text something stands, in characters."""

    start: int
    end: int


class Notebook:
    """Make it with `new` or `reopen`; it lives on one event loop. A text is always the whole text, safe to show.

    Attributes:
        session: the conversation that it is; read it, but change it through the notebook only.
        text: as the user or the model left it; see `note`.
    """

    def __init__(self, session: ChatSession, host: ModelHost, text: str = "") -> None:
        self.session = session
        self.text = text
        self._host = host
        self._counter = DraftCounter(host.encodings)
        self._last_shown: dict[str, str] = {}

    @classmethod
    def new(cls, host: ModelHost, folders: Folders, *, wanted: Wanted) -> "Notebook":
        """An empty one; its file comes into being with the first change.

        Args:
            host: whose model writes.
            folders: where it is kept.
            wanted: settings; see `take`.
        """
        notebook_id = new_id()
        journal = Journal(TranscriptWriter(folders.chats_dir / file_name(notebook_id, SUFFIX)))
        wanted = settings_for(wanted, "")
        thread = Thread(journal, notebook_id, system=wanted.system, kind="notebook")
        return cls(ChatSession(host, folders, journal, thread, wanted=wanted), host)

    @classmethod
    def reopen(cls, host: ModelHost, folders: Folders, path: Path, *, wanted: Wanted) -> "Notebook":
        """Go on with one; arguments as for `new`. It reads: call it from a thread.

        Raises:
            StoreError: as `ChatSession.reopen`.
        """
        session = ChatSession.reopen(host, folders, path, wanted=settings_for(wanted, ""))
        transcript = read_transcript(path)
        sent = [message.id for message in transcript.messages if message.role == "user"]
        if sent and not session.messages:  # the last one did not fit into the context: the text is there all the same
            session.thread.point_at(sent[-1])
        return cls(session, host, text_of(transcript))

    # What it is now

    @property
    def head(self) -> Message | None:
        """The state that the text is in, or was changed from: an answer, or a question; None before the first."""
        return self.session.messages[-1] if self.session.messages else None

    @property
    def changed(self) -> bool:
        """Whether the user has changed the text since it was sent or written."""
        head = self.head
        return self.text != ("" if head is None else self._text_at(head))

    @property
    def generated(self) -> Passage | None:
        """What the model wrote last, while the text is as the model left it."""
        head = self.head
        if head is None or head.role != "assistant" or self.changed:
            return None
        return _passage(self._question_of(head), visible(head.content))

    @property
    def running(self) -> str | None:
        """What the model wrote so far; None while it does not write."""
        turn = self.session.running
        return None if turn is None else visible(turn.text)

    @property
    def versions(self) -> tuple[int, int] | None:
        """Which of how many versions of the last continuation is shown; None where there is one, or none."""
        head = self.head
        if head is None or head.role != "assistant":
            return None
        ids = [version.id for version in self._siblings(head)]
        return (ids.index(head.id) + 1, len(ids)) if len(ids) > 1 else None

    @property
    def last_turn(self) -> Turn | None:
        """The turn that brought what is shown; None where the user has gone back, or nothing came yet."""
        head = self.head
        return next((turn for turn in reversed(self.session.turns) if head and turn.message.id == head.id), None)

    @property
    def taken_back(self) -> bool:
        """Whether the text is one that the model has gone on with, before it did."""
        head = self.head
        return head is not None and head.role == "user" and self._after(head) is not None

    # What the user does

    def note(self, text: str) -> None:
        """Take the text as the user has changed it; the change is on its way to the disk.

        Raises:
            UsageError: the model is writing.
        """
        text = well_formed(text)
        change = splice_between(self.text, text)
        if change is not None:
            self.session.thread.splice(change)
            self.text = text

    def take(self, wanted: Wanted) -> None:
        """Take other settings; the mode is `infill` where the text has a gap and `text` where it has none."""
        self.session.take(settings_for(wanted, self.text))

    async def write(self) -> AsyncGenerator[TurnEvent]:
        """Have the model fill the text's gap, or go on at its end; events as from `ChatSession.send`.

        Raises:
            UsageError: the text is empty, has several gaps, or one that the model cannot fill; no model is running;
                the model is writing. The text stays as it is.
        """
        self._refuse_what_cannot_be_sent()
        head = self.head
        if head is None or head.role != "user" or head.content != self.text:
            self.session.thread.restart(self.text)
        async with contextlib.aclosing(self._followed(self.session.resend())) as events:
            async for event in events:
                yield event

    async def again(self) -> AsyncGenerator[TurnEvent]:
        """Have the last continuation written anew; the one there is stays as another version.

        Raises:
            UsageError: the user has changed the text since, or as `write`.
        """
        head = self.head
        if head is None or head.role == "user":
            writing = self.write()
        else:
            self._refuse_if_changed()
            self._refuse_without_model()
            writing = self._followed(self.session.regenerate())
        async with contextlib.aclosing(writing) as events:
            async for event in events:
                yield event

    def undo(self) -> None:
        """Go back to the text before the model last wrote; what was changed since then is kept, see `redo`.

        Raises:
            UsageError: the model has written nothing, or is writing.
        """
        at = self._last_written()
        if at is None or at.parent_id is None:
            raise UsageError("There is nothing to take back", remedy="Ctrl+Z takes back what you typed")
        if self.changed:
            self.session.thread.restart(self.text)
        self._last_shown[at.parent_id] = at.id
        self._go(at.parent_id)

    def redo(self) -> None:
        """Go forward to what `undo` took back, a state at a time.

        Raises:
            UsageError: there is nothing, the text was changed since, or the model is writing.
        """
        self._refuse_if_changed()
        after = self._after(self.head) if self.head is not None else None
        if after is None:
            raise UsageError("There is nothing to bring back", remedy="Write, or have the model write")
        self._go(after.id)

    def show_version(self, step: int) -> None:
        """Show another version of the last continuation.

        Args:
            step: 1 for the next, -1 for the one before.

        Raises:
            UsageError: there is none, the text was changed since, or the model is writing.
        """
        self._refuse_if_changed()
        head = self.head
        others = self._siblings(head) if head is not None and head.role == "assistant" else ()
        at = next((number for number, other in enumerate(others) if head and other.id == head.id), 0) + step
        if not 0 <= at < len(others):
            raise UsageError(f"There is no {'newer' if step > 0 else 'older'} version", remedy="Have it written anew")
        self._go(others[at].id)

    async def count(self, text: str) -> DraftCount:
        """Tokens of a text as it would be sent."""
        loaded = self._host.loaded
        return await self._counter.count(
            text,
            info=self._host.info if self._host.engine else self._host.wanted,
            engine=self._host.engine,
            can_count=self.session.running is None,
            terms=terms_of(settings_for(self.session.wanted, text), self.session.system, loaded),
            messages=(),
            note=None,
            used=0,
        )

    async def close(self) -> None:
        """Stop the model, write what is left and let go of the file."""
        await self.session.close()

    # How it is done

    @property
    def _tree(self) -> MessageTree:
        return self.session.thread.tree

    @property
    def _terms(self) -> Terms:
        return terms_of(self.session.wanted, self.session.system, self._host.loaded)

    def _question_of(self, answer: Message) -> str:
        question = self._tree.get(answer.parent_id or "")
        return question.content if question is not None else ""

    def _text_at(self, message: Message) -> str:
        if message.role == "user":
            return message.content
        return filled(self._question_of(message), message.content)

    def _siblings(self, answer: Message) -> tuple[Message, ...]:
        return tuple(version for version in self._tree.versions(answer.id) if version.content)

    def _go(self, message_id: str) -> None:
        self.session.thread.end_at(message_id)
        self._settle()

    def _settle(self) -> None:
        """Take over the text that the conversation has come to."""
        head = self.head
        if head is not None:
            self.text = self._text_at(head)
            if head.role == "assistant" and head.parent_id is not None:
                self._last_shown[head.parent_id] = head.id

    def _last_written(self) -> Message | None:
        """The newest continuation that the text has in it, also where it was changed since."""
        at, seen = self.head, set[str]()
        while at is not None and at.role == "user" and at.id not in seen:
            seen.add(at.id)
            at = self._tree.get(at.edited_from or "")
        return at if at is not None and at.role == "assistant" else None

    def _after(self, message: Message) -> Message | None:
        """The state that followed: the continuation shown last, or the newest text that was changed from it."""
        messages, at, seen = self._tree.messages, message, set[str]()
        while at.id not in seen:
            seen.add(at.id)
            answers = [each for each in messages if each.parent_id == at.id and each.role == "assistant"]
            answers = [answer for answer in answers if answer.content]
            if answers:
                shown = self._last_shown.get(at.id)
                return next((answer for answer in answers if answer.id == shown), answers[-1])
            changed = [each for each in messages if each.edited_from == at.id and each.role == "user"]
            if not changed:
                break
            at = changed[-1]
        return at if at is not message else None

    async def _followed(self, turn: AsyncGenerator[TurnEvent]) -> AsyncGenerator[TurnEvent]:
        """A turn's events; the text is what it came to as soon as it has ended, also when nobody listens any more."""
        try:
            async with contextlib.aclosing(turn) as events:
                async for event in events:
                    yield event
        finally:
            self._settle()

    def _refuse_without_model(self) -> None:
        if not self._host.alive:
            raise UsageError("No model is running", remedy="Load one first")

    def _refuse_what_cannot_be_sent(self) -> None:
        self.session.thread.refuse_if_busy()
        if not self.text.strip():
            raise UsageError("There is nothing to go on from", remedy="Write a beginning first")
        self._refuse_without_model()
        self.take(self.session.wanted)
        message = Message(id="", parent_id=None, role="user", content=self.text, created_at="")
        self._terms.asked((message,), None)

    def _refuse_if_changed(self) -> None:
        self.session.thread.refuse_if_busy()
        if self.changed:
            raise UsageError(
                "The text was changed since the model wrote", remedy="Have it go on, or take it back first"
            )


def settings_for(wanted: Wanted, text: str) -> Wanted:
    """What a notebook makes of the user's settings: the text is sent as it stands, whatever the profile is for.

    Personas, templates and system messages belong to conversations; only a profile that is meant for raw text keeps
    its system text, which is then put before what stands in the notebook.
    """
    profile = wanted.profile
    system = (profile.system or "") if profile.mode in RAW_MODES else ""
    raw = msgspec.structs.replace(profile, mode="infill" if GAP in text else "text", character=None, system=system)
    return msgspec.structs.replace(wanted, profile=raw, system=system, template=None)


def filled(question: str, answer: str) -> str:
    """A text with what the model wrote in the place of its gap, or behind it; safe to show."""
    before, gap, behind = question.partition(GAP)
    return f"{before}{visible(answer)}{behind}" if gap else question + visible(answer)


def text_of(transcript: Transcript) -> str:
    """The text of a notebook as its file tells it."""
    path = [message for message in transcript.conversation if message.role != "system"]
    questions = [message for message in transcript.messages if message.role == "user"]
    text = ""
    if len(path) > 1:
        text = filled(path[-2].content, path[-1].content)
    elif path or questions:  # one that did not fit into the context is no part of the conversation, but of the file
        text = (path or questions)[-1].content
    for change in transcript.changes:
        text = change.applied(text)
    return visible(text)


def _passage(question: str, answer: str) -> Passage:
    start = question.find(GAP) if GAP in question else len(question)
    return Passage(start, start + len(answer))
