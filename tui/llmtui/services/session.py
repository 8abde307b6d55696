"""One conversation: sending, stopping, reopening, and its transcript, which is written as things happen."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

import msgspec

import llmtui
from llmtui.domain.events import Failed, TurnEvent
from llmtui.domain.messages import Message
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Sampling
from llmtui.domain.text import well_formed
from llmtui.domain.transcript import ChatRecord, EndRecord, HeadRecord, MessageRecord, Record, RemoveRecord
from llmtui.domain.tree import MessageTree
from llmtui.engines.base import Engine
from llmtui.errors import LlmtuiError, UsageError
from llmtui.probes.machine import cpu_name
from llmtui.services.conversation import (
    DraftCount,
    RunningTurn,
    Turn,
    TurnState,
    is_refused,
    new_id,
    now_text,
    prompt_of,
)
from llmtui.services.draft import DraftCounter
from llmtui.services.host import ModelHost
from llmtui.services.journal import Journal
from llmtui.services.turn_runner import TurnRunner, TurnSetting
from llmtui.store.machine import read_machine
from llmtui.store.paths import Folders
from llmtui.store.transcript_writer import TranscriptWriter
from llmtui.store.transcripts import NO_MESSAGE, SUFFIX, Transcript, read_transcript

__all__ = ["ChatSession", "DraftCount", "RunningTurn", "Turn", "TurnState"]
CLOSE_S = 3.0
"""How long `close` waits for a turn that was stopped."""


class ChatSession:
    """A chat and its file. It lives on one event loop; make it with `new` or `reopen`.

    Attributes:
        sampling: for the turns to come; may be replaced between turns.
        system: the system message; not part of `messages`.
        damaged: lines of a reopened file that could not be read.
    """

    def __init__(
        self,
        host: ModelHost,
        folders: Folders,
        journal: Journal,
        *,
        sampling: Sampling,
        system: str | None,
    ) -> None:
        self.sampling = sampling
        self.system = system
        self.damaged = 0
        self._host = host
        self._folders = folders
        self._journal = journal
        self._id = new_id()
        self._root: str | None = None
        self._tree = MessageTree()
        self._messages: tuple[Message, ...] = ()
        self._turns: tuple[Turn, ...] = ()
        self._running: RunningTurn | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._runner: TurnRunner | None = None
        self._counter = DraftCounter()
        self._refused = False
        self._written = False
        self._on_disk = False

    @classmethod
    def new(
        cls,
        host: ModelHost,
        folders: Folders,
        *,
        sampling: Sampling,
        system: str | None = None,
    ) -> "ChatSession":
        """An empty chat; its file comes into being with the first message.

        Args:
            host: whose model answers.
            folders: where the chat is kept.
            sampling: how tokens are drawn.
            system: put before the conversation.
        """
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        chat_id = new_id()
        path = folders.chats_dir / f"{stamp}-{chat_id}{SUFFIX}"
        session = cls(host, folders, Journal(TranscriptWriter(path)), sampling=sampling, system=system)
        session._id = chat_id
        return session

    @classmethod
    def reopen(cls, host: ModelHost, folders: Folders, path: Path, *, sampling: Sampling) -> "ChatSession":
        """Go on with a chat. Reads from disk: call it from a thread.

        An answer that was being written when the program was killed is a message that ended in an error, with what
        was saved of it.

        Raises:
            StoreError: the file is missing, damaged beyond use, of a newer version, or open in another instance.
        """
        read_transcript(path)  # refuses what is no chat, before its tail is cut
        writer = TranscriptWriter.reopen(path)
        try:
            transcript = read_transcript(path)
        except LlmtuiError:
            writer.close()
            raise
        session = cls(host, folders, Journal(writer), sampling=sampling, system=None)
        session._adopt(transcript)
        return session

    @property
    def id(self) -> str:
        """The chat's id."""
        return self._id

    @property
    def path(self) -> Path:
        """The chat's file; it may not exist yet."""
        return self._journal.path

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, oldest first, without the system message and the running answer."""
        return self._messages

    @property
    def tree(self) -> MessageTree:
        """Every version of every message, the system message included."""
        return self._tree

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn that ended, in order, those without text included."""
        return self._turns

    @property
    def running(self) -> RunningTurn | None:
        """The turn under way."""
        return self._running

    @property
    def unanswered(self) -> tuple[Message, ...]:
        """The conversation that `resend` asks again, its question last; empty when every question has its answer."""
        messages = self._messages
        if messages and messages[-1].role == "assistant" and messages[-1].finish_reason == "error":
            messages = messages[:-1]
        return messages if messages and messages[-1].role == "user" else ()

    @property
    def save_problem(self) -> str | None:
        """Why the chat is not on disk; None when it is. The chat goes on meanwhile."""
        return self._journal.problem

    def retry_save(self) -> None:
        """Try again to save what could not be saved, without waiting for it. Cheap enough to be called every second."""
        self._journal.retry()

    async def send(self, text: str, *, answer_start: str = "") -> AsyncGenerator[TurnEvent]:
        """Ask, and yield what the engine does; the last event is `Finished` or `Failed`.

        The question is on disk before the engine is asked, and the answer, whole or partial, before the last event.
        Closing the iterator stops the turn like `cancel`. A question that did not fit into the context makes way for
        the next one; one that failed otherwise stays and is put before it.

        Args:
            text: the question.
            answer_start: put into the model's mouth; it goes on from there, and the answer includes it.

        Raises:
            UsageError: the text is empty, or a turn is running.
        """
        text = well_formed(text)
        if not text.strip():
            raise UsageError("There is nothing to send", remedy="Write something first")
        self._refuse_if_running()
        if self._refused and self._messages:
            self._show(self._tree.at(self._messages[-1].parent_id))
        parent = self._tree.head or self._root
        question = Message(id=new_id(), parent_id=parent, role="user", content=text, created_at=now_text())
        turn = RunningTurn(question, time.perf_counter_ns(), answer_start=well_formed(answer_start))
        async with contextlib.aclosing(self._answer(turn, add=True)) as events:
            async for event in events:
                yield event

    async def resend(self) -> AsyncGenerator[TurnEvent]:
        """Ask the last question again: one that has no answer, or whose answer ended in an error.

        Raises:
            UsageError: the last question has its answer, or a turn is running.
        """
        self._refuse_if_running()
        asked = self.unanswered
        if not asked:
            raise UsageError("Every question has its answer", remedy="Write a new one")
        if not self._host.alive:
            raise UsageError("No model is running", remedy="Load one, then send the question again")
        if asked != self._messages:
            self._show(self._tree.at(asked[-1].id))
            self._journal.write(HeadRecord(message_id=asked[-1].id))
        turn = RunningTurn(asked[-1], time.perf_counter_ns())
        async with contextlib.aclosing(self._answer(turn, add=False)) as events:
            async for event in events:
                yield event

    async def regenerate(self, *, answer_start: str = "") -> AsyncGenerator[TurnEvent]:
        """Answer the last question anew; the answer there is stays as another version, shown again if nothing comes.

        Args:
            answer_start: put into the model's mouth.

        Raises:
            UsageError: there is no answer, a turn is running, or no model is.
        """
        async with contextlib.aclosing(self._again(well_formed(answer_start))) as events:
            async for event in events:
                yield event

    async def go_on(self) -> AsyncGenerator[TurnEvent]:
        """Have the last answer continued where it ends, as a new version that begins with all of it.

        Raises:
            UsageError: there is no answer, a turn is running, or no model is.
        """
        answer = self._last_answer()
        async with contextlib.aclosing(self._again(answer.content)) as events:
            async for event in events:
                yield event

    def edit(self, message_id: str, text: str) -> Message:
        """Put an edited version beside a message; the conversation then ends with it.

        After an edited question `resend` has it answered.

        Raises:
            UsageError: there is no such message, the text is empty, or a turn is running.
        """
        message = self._existing(message_id)
        text = well_formed(text)
        if not text.strip():
            raise UsageError("The message would be empty", remedy="Write something, or remove the message")
        fresh = msgspec.structs.replace(
            message, id=new_id(), content=text, created_at=now_text(), edited_from=message.id
        )
        self._show(self._tree.add(fresh))
        self._journal.write(MessageRecord(message=fresh))
        return fresh

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
        self._journal.write(HeadRecord(message_id=message_id))

    def remove(self, message_id: str) -> None:
        """Take a message and all that follows it out of the conversation; the file keeps its record.

        Raises:
            UsageError: there is no such message, or a turn is running.
        """
        self._show(self._tree.without(self._existing(message_id).id))
        self._journal.write(RemoveRecord(message_id=message_id), HeadRecord(message_id=self._tree.head or NO_MESSAGE))

    async def cancel(self) -> None:
        """Stop the running turn; its iterator then ends with `Finished("cancelled")`. Without a turn, nothing."""
        turn = self._running
        if turn is None:
            return
        asked = turn.state != "sending"
        turn.state = "stopping"
        if asked and self._host.engine is not None:
            await self._host.engine.cancel(turn.message_id)

    async def count_draft(self, text: str) -> DraftCount:
        """Tokens that a draft adds. Estimated when no engine can count, or while it is busy with an answer."""
        return await self._counter.count(
            text,
            engine=self._host.engine,
            can_count=self._running is None,
            system=self.system,
            messages=self._kept,
            used=self._used_tokens(),
        )

    async def close(self) -> None:
        """Stop the turn, if any, write what is left and let go of the file.

        A turn that does not end in time is left behind: what has come of its answer is written as a partial one.
        """
        if self._running is not None:
            await self.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), timeout=CLOSE_S)
        if self._runner is not None:
            self._runner.save_partial()
            await self._runner.ended()
        await self._journal.close(*([EndRecord(ended_at=now_text())] if self._written else []))

    def _adopt(self, transcript: Transcript) -> None:
        root = next((message for message in transcript.messages if message.role == "system"), None)
        if root is not None:
            self.system, self._root = root.content, root.id
        by_id = {message.id: message for message in transcript.messages}
        self._id = transcript.chat.id if transcript.chat else transcript.path.stem
        self._show(transcript.tree)
        self._turns = tuple(
            Turn(message=by_id[key], metrics=record.metrics, manifest=record.manifest, summary=record.summary)
            for key, record in transcript.turns.items()
            if key in by_id
        )
        self.damaged = transcript.damaged
        self._on_disk = True

    @property
    def _kept(self) -> tuple[Message, ...]:
        """What the next question follows: a question that did not fit makes way for it."""
        return self._messages[:-1] if self._refused else self._messages

    def _refuse_if_running(self) -> None:
        if self._running is not None:
            raise UsageError("An answer is being written", remedy="Stop it first, or wait until it ends")

    def _existing(self, message_id: str) -> Message:
        self._refuse_if_running()
        message = self._tree.get(message_id)
        if message is None or message.role == "system":
            raise UsageError("There is no such message", cause=message_id, remedy="Choose one of the conversation")
        return message

    def _last_answer(self) -> Message:
        self._refuse_if_running()
        answer = self._messages[-1] if self._messages else None
        if answer is None or answer.role != "assistant":
            raise UsageError("The conversation does not end with an answer", remedy="Send the question first")
        return answer

    def _show(self, tree: MessageTree) -> None:
        self._tree = tree
        self._messages = tuple(message for message in tree.path if message.role != "system")
        self._refused = False

    async def _again(self, answer_start: str) -> AsyncGenerator[TurnEvent]:
        answer = self._last_answer()
        question = self._tree.get(answer.parent_id or "")
        if question is None:
            raise UsageError("The answer follows no question", remedy="Send a question")
        if not self._host.alive:
            raise UsageError("No model is running", remedy="Load one, then try again")
        self._show(self._tree.at(question.id))
        turn = RunningTurn(question, time.perf_counter_ns(), answer_start=answer_start, instead=answer.id)
        async with contextlib.aclosing(self._answer(turn, add=False)) as events:
            async for event in events:
                yield event

    async def _answer(self, turn: RunningTurn, *, add: bool) -> AsyncGenerator[TurnEvent]:
        self._running = turn
        self._idle.clear()
        try:
            if add:
                await self._ask(turn.question)
            # Taken now: a load may have ended while the disk was waited for.
            engine, loaded = self._host.engine, self._host.loaded
            if engine is None or loaded is None or not engine.alive:
                turn.add(self._no_engine(loaded))
            else:
                self._runner = self._runner_of(turn, engine, loaded)
                async with contextlib.aclosing(self._runner.events()) as events:
                    async for event in events:
                        yield event
        finally:
            if turn.instead is not None and self._tree.head == turn.question.id:
                self._show(self._tree.at(turn.instead))
            self._refused = add and is_refused(turn.fold)
            self._running = None
            self._idle.set()
        if turn.last_event is not None:
            yield turn.last_event

    def _runner_of(self, turn: RunningTurn, engine: Engine, loaded: LoadedModel) -> TurnRunner:
        setting = TurnSetting(
            engine=engine,
            loaded=loaded,
            runtime=self._host.runtime,
            sampling=self.sampling,
            prompt=prompt_of(self.system, self._messages),
            load_s=self._host.claim_load_s(),
            read_machine=lambda: read_machine(self._folders, cpu_name()),
        )
        return TurnRunner(turn, setting, self._journal, keep=self._keep, note=self._note)

    def _keep(self, answer: Message) -> None:
        self._show(self._tree.add(answer))

    def _note(self, turn: Turn) -> None:
        self._turns = (*self._turns, turn)

    async def _ask(self, question: Message) -> None:
        """Take the question into the conversation and onto the disk."""
        records: list[Record] = []
        if not self._on_disk:
            records.append(ChatRecord(id=self._id, created_at=question.created_at, llmtui=llmtui.__version__))
            if self.system:
                root = Message(
                    id=new_id(),
                    parent_id=None,
                    role="system",
                    content=well_formed(self.system),
                    created_at=question.created_at,
                )
                self._root = root.id
                self._show(self._tree.add(root))
                question = msgspec.structs.replace(question, parent_id=root.id)
                records.append(MessageRecord(message=root))
            self._on_disk = True
        self._show(self._tree.add(question))
        self._written = True
        await self._journal.save(*records, MessageRecord(message=question))

    def _used_tokens(self) -> int | None:
        """Tokens of the conversation as last reported."""
        if self._running is not None:
            return self._running.fold.live().context_used
        last = self._messages[-1].id if self._messages else None
        turn = next((turn for turn in reversed(self._turns) if turn.message.id == last), None)
        return turn.metrics.context_used if turn else None

    def _no_engine(self, loaded: LoadedModel | None) -> Failed:
        crashed = self._host.info is not None
        return Failed(
            kind="engine",
            title="The model is not running" if crashed else "No model is loaded",
            cause=f"{loaded.name if loaded else self._host.info.name} ended" if self._host.info else "",
            remedy="Load it again and resend; your question is kept" if crashed else "Choose a model and resend",
        )
