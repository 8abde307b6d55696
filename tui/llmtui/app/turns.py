"""Answers on the screen: one at a time, from the first token to its summary line, stopped when the user wants."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from llmtui.app import entries as build
from llmtui.app import format as fmt
from llmtui.app.notices import Notices
from llmtui.app.view import ChatView
from llmtui.domain.events import Failed, Finished, Notice, TurnEvent
from llmtui.domain.templates import template_warning
from llmtui.errors import EngineError, LlmtuiError

if TYPE_CHECKING:
    from llmtui.domain.models import LoadedModel, ModelInfo
    from llmtui.services.host import ModelHost
    from llmtui.services.session import ChatSession

CANCEL_AGAIN_S = 0.1
STOP_S = 3.0
"""An engine that does not end its turn in this time after it was asked to is ended by force."""
TELL_S = 1.0


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
        self._over = asyncio.Event()
        self._over.set()
        self._hung = False
        self._warned: set[str] = set()

    @property
    def running(self) -> bool:
        """Whether an answer is being generated."""
        return not self._over.is_set()

    def begin(self, session: "ChatSession", events: AsyncGenerator[TurnEvent], *, instead: str | None = None) -> None:
        """Start an answer in the background.

        Args:
            session: the conversation.
            events: from its `send`, `resend`, `regenerate` or `go_on`.
            instead: the answer that makes way for this one, not shown any more; it is shown again if nothing comes.
        """
        self._session = session
        self.info, self.loaded = self._host.info, self._host.loaded
        self._over = asyncio.Event()
        self._hung = False
        self._view.spawn(self._follow(session, events, instead), "turn")

    async def stop(self, patience_s: float | None = None) -> None:
        """Stop the running answer, if any, and wait until it is put away.

        An engine that hangs is ended by force; its answer then ends in an error, with what came of it.

        Args:
            patience_s: how long the engine may take; `STOP_S` when None.
        """
        session = self._session
        if session is not None:
            patience_s = STOP_S if patience_s is None else patience_s
            await end_turn(self._over, session.cancel, self._give_up, self._tell_slow, patience_s=patience_s)

    async def _give_up(self) -> None:
        self._hung = True
        await self._host.give_up()

    def _tell_slow(self) -> None:
        self._view.say("Still stopping: the model does not answer")

    async def _follow(self, session: "ChatSession", events: AsyncGenerator[TurnEvent], instead: str | None) -> None:
        known = {message.id for message in session.messages} - {instead}
        note = session.thread.note
        failure: Failed | LlmtuiError | None = None
        begins = 0
        remarks: list[Notice] = []
        name = self._name
        self._view.begin_answer(self._notices.new_id("answer"), name)
        self._view.state_changed()
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Failed):
                        failure = event
                    elif isinstance(event, Notice):
                        remarks.append(event)
                    elif isinstance(event, Finished):
                        begins = event.timings.bos_count or 0
        except LlmtuiError as error:
            failure = error
        finally:
            self._over.set()
            self._end(session, known)
            if session.thread.note != note and failure is None:
                # It stands between the messages above, which tell the remarks, too.
                thread, opened = session.thread, self.thoughts_opened
                self._view.show_entries(build.conversation(thread.shown, session.turns, thread.tree, opened=opened))
                remarks.clear()
            for remark in remarks:
                self._notices.remark(f"{remark.text}. {remark.remedy}")
            if begins > 1 and name not in self._warned:
                self._warned.add(name)
                self._notices.two_begins(name)
            self._warn_of_template(session, name)
            if self._hung:
                failure = EngineError("The model did not stop", cause="Its process hung and was ended", remedy="")
            if failure is not None:
                self._notices.error(failure)
            elif instead is not None and session.messages and session.messages[-1].id == instead:
                self._view.say("Nothing new came; the answer stays as it was")
            self._view.state_changed()
            self._ended(well=failure is None)

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


async def end_turn(
    over: asyncio.Event,
    cancel: Callable[[], Awaitable[None]],
    give_up: Callable[[], Awaitable[None]],
    slow: Callable[[], None],
    *,
    patience_s: float,
) -> None:
    """Stop a turn and wait for its end.

    Args:
        over: set when the turn has ended.
        cancel: stops it; called now and then, as a turn that has just begun does not know yet that it can be stopped.
        give_up: ends its engine by force, after `patience_s`.
        slow: called once when it takes longer than people expect.
        patience_s: how long the engine may take.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    told = patience_s <= TELL_S
    while not over.is_set():
        took = clock() - began
        if took >= TELL_S and not told:
            told = True
            slow()
        if took >= patience_s:
            await give_up()
            await _set_within(over, STOP_S)
            return
        await cancel()
        await _set_within(over, CANCEL_AGAIN_S)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
