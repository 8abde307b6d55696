"""Answers on the screen: one at a time, from the first token to its summary line, stopped when the user wants."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Protocol

from llmtui.app import entries as build
from llmtui.app import format as fmt
from llmtui.app.notices import Notices
from llmtui.app.view import ChatView
from llmtui.app.writing import STILL_STOPPING, STOP_S, TurnEnd, Writing
from llmtui.domain.events import TurnEvent
from llmtui.domain.templates import template_warning

if TYPE_CHECKING:
    from llmtui.domain.models import LoadedModel, ModelInfo
    from llmtui.services.host import ModelHost
    from llmtui.services.session import ChatSession


class Ended(Protocol):
    """Takes how an answer ended."""

    def __call__(self, *, well: bool) -> None:
        """`well` when there was no error; stopping is none."""


class Turns:
    """Runs an answer and shows it.

    Attributes:
        info, loaded: the model that gives the running answer, or gave the last one.

    Args:
        host: whose model answers.
        view: shows what happens.
        notices: shows what goes wrong.
        ended: called after each answer with whether it ended without an error.
    """

    def __init__(self, host: "ModelHost", view: ChatView, notices: Notices, *, ended: "Ended") -> None:
        self.info: ModelInfo | None = None
        self.loaded: LoadedModel | None = None
        self.thoughts_opened = False
        self._ended = ended
        self._host = host
        self._view = view
        self._notices = notices
        self._session: ChatSession | None = None
        self._writing = Writing(host.give_up, self._tell_slow)
        self._warned: set[str] = set()

    @property
    def running(self) -> bool:
        """Whether an answer is being generated."""
        return self._writing.running

    def begin(self, session: "ChatSession", events: AsyncGenerator[TurnEvent], *, instead: str | None = None) -> None:
        """Start an answer in the background.

        Args:
            session: the conversation.
            events: from its `send`, `resend`, `regenerate` or `go_on`.
            instead: the answer that makes way for this one, not shown any more; it is shown again if nothing comes.
        """
        self._session = session
        self.info, self.loaded = self._host.info, self._host.loaded
        self._writing.begin()
        self._view.spawn(self._follow(session, events, instead), "turn")

    async def stop(self, patience_s: float | None = None) -> None:
        """Stop the running answer, if any, and wait until it is put away.

        An engine that hangs is ended by force; its answer then ends in an error, with what came of it.

        Args:
            patience_s: how long the engine may take; `STOP_S` when None.
        """
        if self._session is not None:
            await self._writing.stop(self._session.cancel, STOP_S if patience_s is None else patience_s)

    def _tell_slow(self) -> None:
        self._view.say(STILL_STOPPING)

    async def _follow(self, session: "ChatSession", events: AsyncGenerator[TurnEvent], instead: str | None) -> None:
        known = {message.id for message in session.messages} - {instead}
        note = session.thread.note
        end = TurnEnd()
        name = self._name
        self._view.begin_answer(self._notices.new_id("answer"), name)
        self._view.state_changed()
        try:
            end = await self._writing.follow(events)
        finally:
            remarks = end.remarks
            self._end(session, known)
            if session.thread.note != note and end.failure is None:
                # It stands between the messages above, which tell the remarks, too.
                thread, opened = session.thread, self.thoughts_opened
                self._view.show_entries(build.conversation(thread.shown, session.turns, thread.tree, opened=opened))
                remarks = ()
            for remark in remarks:
                self._notices.remark(f"{remark.text}. {remark.remedy}")
            if end.begins > 1 and name not in self._warned:
                self._warned.add(name)
                self._notices.two_begins(name)
            self._warn_of_template(session, name)
            if end.failure is not None:
                self._notices.error(end.failure)
            elif instead is not None and session.messages and session.messages[-1].id == instead:
                self._view.say("Nothing new came; the answer stays as it was")
            self._view.state_changed()
            self._ended(well=end.failure is None)

    def _warn_of_template(self, session: "ChatSession", name: str) -> None:
        """Tell once a model that its conversations are put into a template that is a guess."""
        source = session.turns[-1].manifest.template_source if session.turns else None
        warning = template_warning(source)
        if warning is not None and f"template {name}" not in self._warned:
            self._warned.add(f"template {name}")
            self._notices.guessed(name, warning)

    def _end(self, session: "ChatSession", known: set[str]) -> None:
        message = session.messages[-1] if session.messages else None
        if message is None or message.role != "assistant" or message.id in known:
            self._view.end_answer(None)
            for mark in build.stopped_early(message, session.turns) if message is not None else ():
                self._view.add_entry(mark)
            return
        turn = next((turn for turn in reversed(session.turns) if turn.message.id == message.id), None)
        self._view.end_answer(build.message_entry(message, turn, session.thread.tree, opened=self.thoughts_opened))

    @property
    def _name(self) -> str:
        return fmt.name(self._host.info.name if self._host.info else "model")
