"""One conversation: sending, stopping, reopening, and its transcript, which is written as things happen."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from llmtui.domain.defaults import Settled, settle
from llmtui.domain.dialogue import greeting_of
from llmtui.domain.events import TurnEvent
from llmtui.domain.messages import Message
from llmtui.domain.models import LoadedModel
from llmtui.domain.profile import Profile, Wanted
from llmtui.domain.settings import Sampling
from llmtui.domain.text import well_formed
from llmtui.domain.transcript import EndRecord
from llmtui.engines.base import Engine
from llmtui.errors import LlmtuiError, UsageError
from llmtui.probes.machine import cpu_name
from llmtui.services.conversation import (
    NOTE_REQUEST,
    DraftCount,
    RunningTurn,
    Turn,
    TurnState,
    is_refused,
    new_id,
    now_text,
    unanswered,
    used_tokens,
)
from llmtui.services.draft import DraftCounter
from llmtui.services.fitting import Fitted
from llmtui.services.host import ModelHost
from llmtui.services.journal import Journal
from llmtui.services.planning import Terms, plan, terms_of
from llmtui.services.prompting import speaker_of
from llmtui.services.sending import no_engine
from llmtui.services.thread import Thread, file_name
from llmtui.services.turn_runner import TurnRunner, TurnSetting
from llmtui.store.machine import read_machine
from llmtui.store.paths import Folders
from llmtui.store.transcript_writer import TranscriptWriter
from llmtui.store.transcripts import SUFFIX, Transcript, read_transcript

__all__ = ["ChatSession", "DraftCount", "RunningTurn", "Turn", "TurnState"]
CLOSE_S = 3.0
"""How long `close` waits for a turn that was stopped."""


class ChatSession:
    """A chat and its file. It lives on one event loop; make it with `new` or `reopen`.

    Attributes:
        wanted: settings of the turns to come; replace them with `take`.
        folders, journal: where the chat is kept.
        thread: the messages, and what the user changes in them.
        damaged: lines of a reopened file that could not be read.
    """

    def __init__(self, host: ModelHost, folders: Folders, journal: Journal, thread: Thread, *, wanted: Wanted) -> None:
        self.wanted = wanted
        self.thread = thread
        self.damaged = 0
        self._host = host
        self.folders = folders
        self.journal = journal
        self._turns: tuple[Turn, ...] = ()
        self._running: RunningTurn | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._runner: TurnRunner | None = None
        self._answering: Engine | None = None
        self._counter = DraftCounter(host.encodings)

    @classmethod
    def new(
        cls,
        host: ModelHost,
        folders: Folders,
        *,
        sampling: Sampling | None = None,
        system: str | None = None,
        wanted: Wanted | None = None,
    ) -> "ChatSession":
        """An empty chat; its file comes into being with the first message.

        Args:
            host: whose model answers.
            folders: where the chat is kept.
            sampling: how tokens are drawn, where `wanted` does not say it.
            system: put before the conversation, where `wanted` does not say it.
            wanted: settings layer by layer.
        """
        wanted = wanted or msgspec.structs.replace(Wanted.plain(sampling or Sampling()), system=system)
        chat_id = new_id()
        journal = Journal(TranscriptWriter(folders.chats_dir / file_name(chat_id, SUFFIX)))
        session = cls(host, folders, journal, Thread(journal, chat_id, system=wanted.system), wanted=wanted)
        session.use(wanted.profile)
        return session

    @classmethod
    def reopen(
        cls,
        host: ModelHost,
        folders: Folders,
        path: Path,
        *,
        sampling: Sampling | None = None,
        wanted: Wanted | None = None,
    ) -> "ChatSession":
        """Go on with a chat; settings as for `new`, but for its own system message. Reads: call it from a thread.

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
        journal = Journal(writer)
        wanted = wanted or Wanted.plain(sampling or Sampling())
        session = cls(host, folders, journal, Thread(journal, new_id()), wanted=wanted)
        session._adopt(transcript)
        return session

    @property
    def id(self) -> str:
        """The chat's id."""
        return self.thread.id

    @property
    def path(self) -> Path:
        """The chat's file; it may not exist yet."""
        return self.journal.path

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation, oldest first, without the system message and the running answer."""
        return self.thread.messages

    @property
    def system(self) -> str | None:
        """The system message, put before the conversation; not part of `messages`."""
        return self.thread.in_force

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
        return unanswered(self.messages)

    @property
    def save_problem(self) -> str | None:
        """Why the chat is not on disk; None when it is. The chat goes on meanwhile."""
        return self.journal.problem

    def use(self, profile: Profile) -> None:
        """Put the turns to come as a profile says; its character's greeting opens a chat that is empty yet."""
        self.wanted = msgspec.structs.replace(self.wanted, profile=profile)
        speaker = speaker_of(profile)
        greets = speaker is not None and profile.character is not None
        self.thread.greet(greeting_of(profile.character) if greets and profile.character else "", speaker or "")

    def take(self, wanted: Wanted) -> None:
        """Take other settings for the turns to come; a system message that the user made gives way to new ones only."""
        edited = self.thread.system_edit is not None
        if wanted.system != (self.wanted.system if edited else self.system):
            self.thread.set_system(wanted.system)
        self.wanted = wanted
        self.use(wanted.profile)

    def retry_save(self) -> None:
        """Try again to save what could not be saved, without waiting for it. Cheap enough to be called every second."""
        self.journal.retry()

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
        question = self.thread.question(text)
        turn = RunningTurn(question, time.perf_counter_ns(), answer_start=well_formed(answer_start))
        async with contextlib.aclosing(self._answer(turn, add=True)) as events:
            async for event in events:
                yield event

    async def resend(self) -> AsyncGenerator[TurnEvent]:
        """Ask the last question again: one that has no answer, or whose answer ended in an error.

        What came of an answer that ended in an error is shown again when nothing comes this time, either.

        Raises:
            UsageError: the last question has its answer, or a turn is running.
        """
        self.thread.refuse_if_busy()
        asked = self.unanswered
        if not asked:
            raise UsageError("Every question has its answer", remedy="Write a new one")
        self._refuse_without_model()
        broken = self.messages[-1].id if asked != self.messages else None
        if broken is not None:
            self.thread.point_at(asked[-1].id)
        turn = RunningTurn(asked[-1], time.perf_counter_ns(), instead=broken)
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
        answer = self.thread.answer()
        async with contextlib.aclosing(self._again(answer.content)) as events:
            async for event in events:
                yield event

    async def cancel(self) -> None:
        """Stop the running turn; its iterator then ends with `Finished("cancelled")`. Without a turn, nothing."""
        turn = self._running
        if turn is None:
            return
        asked = turn.state != "sending"
        turn.state = "stopping"
        if asked and self._answering is not None:
            await self._answering.cancel(turn.message_id + NOTE_REQUEST)
            await self._answering.cancel(turn.message_id)

    async def count_draft(self, text: str) -> DraftCount:
        """Tokens that a draft adds; when no engine can count, or while one writes, by the model's vocabulary."""
        return await self._counter.count(
            text,
            info=self._host.info if self._host.engine else self._host.wanted,
            engine=self._host.engine,
            can_count=self._running is None,
            terms=self._terms(self.settled(self._host.loaded), self._host.loaded),
            messages=self.thread.kept,
            note=self.thread.note,
            used=used_tokens(self.messages, self._turns, self._running),
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
        await self.journal.close(*([EndRecord(ended_at=now_text())] if self.thread.written else []))

    def _adopt(self, transcript: Transcript) -> None:
        by_id = {message.id: message for message in transcript.messages}
        self.thread.adopt(transcript)
        self._turns = tuple(
            Turn(message=by_id[key], metrics=record.metrics, manifest=record.manifest, summary=record.summary)
            for key, record in transcript.turns.items()
            if key in by_id
        )
        self.damaged = transcript.damaged

    def _refuse_without_model(self) -> None:
        if not self._host.alive:
            raise UsageError("No model is running", remedy="Load one, then send the question again")

    async def _again(self, answer_start: str) -> AsyncGenerator[TurnEvent]:
        answer = self.thread.answer()
        question = self.thread.tree.get(answer.parent_id or "")
        if question is None:
            raise UsageError("The answer follows no question", remedy="Send a question")
        self._refuse_without_model()
        self.thread.point_at(question.id)
        turn = RunningTurn(question, time.perf_counter_ns(), answer_start=answer_start, instead=answer.id)
        async with contextlib.aclosing(self._answer(turn, add=False)) as events:
            async for event in events:
                yield event

    async def _answer(self, turn: RunningTurn, *, add: bool) -> AsyncGenerator[TurnEvent]:
        self._running = turn
        self.thread.busy = True
        self._idle.clear()
        try:
            if add:
                await self.thread.ask(turn.question)
            # Taken now: a load may have ended while the disk was waited for.
            engine, loaded = self._host.engine, self._host.loaded
            if engine is None or loaded is None or not engine.alive:
                turn.add(no_engine(self._host.info, loaded))
            else:
                self._answering = engine
                async with self._host.answering(), contextlib.aclosing(self._run(turn, engine, loaded)) as events:
                    async for event in events:
                        yield event
        finally:
            back = turn.head or (turn.instead if self.thread.tree.head == turn.question.id else None)
            if back is not None:
                self.thread.point_at(back)
            self.thread.refused = back is None and turn.instead is None and is_refused(turn.fold)
            self.thread.busy = False
            self._running = None
            self._idle.set()
        if turn.last_event is not None:
            yield turn.last_event

    async def _run(self, turn: RunningTurn, engine: Engine, loaded: LoadedModel) -> AsyncGenerator[TurnEvent]:
        settled = self.settled(loaded)
        fitted = await plan(
            turn, self._terms(settled, loaded), self.thread, self._host, engine=engine, sampling=settled.sampling
        )
        if fitted.note is not None:
            self.thread.take_note(fitted.note)
        for notice in fitted.notices:
            turn.add(notice)
            yield notice
        self._runner = self._runner_of(turn, engine, loaded, settled, fitted)
        async with contextlib.aclosing(self._runner.events()) as events:
            async for event in events:
                yield event

    def _runner_of(
        self, turn: RunningTurn, engine: Engine, loaded: LoadedModel, settled: Settled, fitted: Fitted
    ) -> TurnRunner:
        setting = TurnSetting(
            engine=engine,
            loaded=loaded,
            runtime=self._host.runtime,
            settled=settled,
            asked=fitted.asked,
            refusal=fitted.refusal,
            mode=self.wanted.profile.mode,
            speaker=speaker_of(self.wanted.profile),
            load_s=self._host.claim_load_s(),
            read_machine=lambda: read_machine(self.folders, cpu_name()),
        )
        return TurnRunner(turn, setting, self.journal, keep=self.thread.keep, note=self.note)

    def settled(self, loaded: LoadedModel | None) -> Settled:
        """The settings of a turn with the present model."""
        listed = self._host.info.defaults if self._host.info else None
        own = "chat" if self.thread.system_edit is None or self.system != self.thread.in_force else "edit"
        origin = self.wanted.system_origin if own == "chat" and self.system == self.wanted.system else own
        wanted = msgspec.structs.replace(self.wanted, system=self.system, system_origin=origin)
        settled = settle(wanted, loaded.defaults if loaded and loaded.defaults else listed)
        other = self.system if self.system != self.thread.system else None
        return settled if other is None else settled._replace(system=other)

    def _terms(self, settled: Settled, loaded: LoadedModel | None) -> Terms:
        return terms_of(self.wanted, self.system or settled.system, loaded)

    def note(self, turn: Turn) -> None:
        """Keep a turn that ended, with its figures."""
        self._turns = (*self._turns, turn)
