"""What the chat screen does, apart from how it looks: loads models, runs turns, keeps what waits.

It tells a `ChatView` what to show and never touches a widget. Everything runs on the event loop.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmtui.app import entries as build
from llmtui.app import format as fmt
from llmtui.app.actions import Action
from llmtui.app.figures import Figures
from llmtui.app.loading import Loader, Loading
from llmtui.app.view import ChatView
from llmtui.app.widgets.transcript_view import Entry
from llmtui.domain.events import Failed, Finished, TurnEvent
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.snapshot import ProfilerSnapshot
from llmtui.errors import EngineError, LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.session import ChatSession
    from llmtui.services.wiring import Services

CANCEL_AGAIN_S = 0.1
STOP_S = 3.0
"""An engine that does not end its turn in this time after it was asked to is ended by force."""
TELL_S = 1.0
LEAVE_S = 3.0
"""For everything that is put away when the program ends, the second included in which an engine may end itself."""
LEAVING_STOP_S = 1.0
"""What of it an engine has to end its turn."""


class ChatController:
    """One window's model and conversation.

    Args:
        services: the parts of the program.
        view: shows what happens.
        actions: the registry with the user's keys, for hints.
    """

    def __init__(self, services: "Services", view: ChatView, actions: Sequence[Action]) -> None:
        self.services = services
        self.pending: str | None = None
        self._view = view
        self._actions = tuple(actions)
        self._session: ChatSession | None = None
        self._figures = Figures()
        self._loader = Loader(services, changed=self._load_changed, failed=self._load_failed)
        self._turn_over = asyncio.Event()
        self._turn_over.set()
        self._hung = False
        self._warned: set[str] = set()
        self._numbers = iter(range(1, 1 << 62))

    # What the screen asks

    @property
    def session(self) -> "ChatSession | None":
        """The conversation; None until the program is up."""
        return self._session

    def key(self, action_id: str) -> str:
        """The key of an action as people write it."""
        return next(action.key_name for action in self._actions if action.id == action_id)

    @property
    def running(self) -> bool:
        """Whether an answer is being generated."""
        return not self._turn_over.is_set()

    @property
    def model(self) -> ModelInfo | None:
        """The model that answers."""
        return self.services.host.info

    @property
    def loaded(self) -> LoadedModel | None:
        """What the engine granted."""
        return self.services.host.loaded

    @property
    def dead(self) -> bool:
        """Whether a model was loaded and its engine is gone."""
        return self._loader.dead

    @property
    def loading(self) -> Loading | None:
        """The load under way."""
        return self._loader.state

    @property
    def answer_so_far(self) -> str:
        """The running answer's text."""
        turn = self._session.running if self._session else None
        return turn.fold.text if turn else ""

    @property
    def last_answer(self) -> str | None:
        """The newest answer's text, the running one's included."""
        if self.answer_so_far:
            return self.answer_so_far
        messages = self._session.messages if self._session else ()
        return next((message.content for message in reversed(messages) if message.role == "assistant"), None)

    @property
    def save_problem(self) -> str | None:
        """Why the chat is not being saved."""
        return self._session.save_problem if self._session else None

    def snapshot(self) -> ProfilerSnapshot:
        """The profiler now."""
        return self._figures.snapshot(self._session, self.loaded, loading=self.loading is not None)

    def note_rate(self) -> None:
        """Put the present decode rate into the history; called twice a second while an answer runs."""
        self._figures.note_rate(self._session)

    # Life

    async def start(self, model: str | None, chat: Path | None) -> None:
        """Open the conversation and load the model; runs after the first paint."""
        from llmtui.app.render.warm import warm_up  # noqa: PLC0415 - after the first paint

        self._view.spawn(asyncio.to_thread(warm_up), "warm")
        self._figures.start()
        problem = await self.reopen(chat) if chat is not None else None
        if self._session is None:
            await self._begin_chat()
        if problem is not None:
            self._show_error(problem)
        specs = [model] if model else [self._last_model(), self.services.config.default_model, "demo"]
        ready = await self._loader.load_first([spec for spec in specs if spec])
        if ready is not None:
            self._model_came(ready=ready)

    async def close(self) -> None:
        """End the turn, the conversation and the engine."""
        self.pending = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._loader.stop()
                await self.stop_turn(LEAVING_STOP_S)
                if self._session:
                    await self._session.close()
        await self.services.host.close()
        await self._figures.stop()

    # Models

    async def load(self, info: ModelInfo) -> None:
        """Load another model; the conversation goes on with it. A load under way is given up for it."""
        await self.stop_turn()
        self._model_came(ready=await self._loader.load(info))

    async def reload(self) -> None:
        """Load the present model again, after its engine died."""
        if self.loading is not None:
            return
        if self.model is None:
            self._view.say("There is no model to load again")
            return
        await self.stop_turn()
        self._model_came(ready=await self._loader.reload())

    def _last_model(self) -> str | None:
        messages = self._session.messages if self._session else ()
        return next((message.model for message in reversed(messages) if message.model), None)

    def _load_changed(self) -> None:
        if self.loading is None:
            self._figures.watch(self.loaded)
        self._view.state_changed()

    def _model_came(self, *, ready: bool) -> None:
        if not ready:
            self._take_pending_back()
        elif self.pending is not None:
            text, self.pending = self.pending, None
            self._ask(text, shown=True)
        elif self._session is not None and not self._session.messages:
            self._show_conversation()
        self._view.state_changed()

    # Turns

    def submit(self, text: str) -> None:
        """Send a question now, or when the model is ready; give it back when neither is possible."""
        if self.running:
            self._view.give_back(text)
            self._view.say("An answer is running. Esc stops it; your text stays here.")
        elif self.pending is not None:
            self._view.give_back(text)
            self._view.say("One question waits for the model already. Esc takes it back.")
        elif self._session is None or self.loading is not None:
            self.pending = text
            self._add_question(text)
            self._view.state_changed()
        else:
            self._ask(text)

    async def stop(self) -> None:
        """Stop the running answer, take back the question that waits, or stop the load: the first that applies."""
        if self.running:
            await self.stop_turn()
        elif self.pending is not None:
            self._take_pending_back()
            self._view.state_changed()
        elif self.loading is not None:
            await self._loader.stop()
            self._view.say("Loading stopped")

    async def stop_turn(self, patience_s: float | None = None) -> None:
        """Stop the running answer, if any, and wait until it is put away.

        Asked again now and then: a turn that has just been spawned does not know yet that it can be cancelled. An
        engine that hangs is ended by force; its answer then ends in an error, with what came of it.

        Args:
            patience_s: how long the engine may take; `STOP_S` when None.
        """
        patience_s = STOP_S if patience_s is None else patience_s
        over, clock = self._turn_over, asyncio.get_running_loop().time
        began = clock()
        told = patience_s <= TELL_S
        while not over.is_set() and self._session is not None:
            took = clock() - began
            if took >= TELL_S and not told:
                told = True
                self._view.say("Still stopping: the model does not answer")
            if took >= patience_s:
                self._hung = True
                await self.services.host.give_up()
                await _set_within(over, STOP_S)
                return
            await self._session.cancel()
            await _set_within(over, CANCEL_AGAIN_S)

    def resend(self) -> None:
        """Send the last question again, when it has no answer or one that ended in an error."""
        session = self._session
        if session is None or self.running or self.loading is not None:
            self._view.say("Not now: the model is busy")
            return
        messages = session.unanswered
        if not messages:
            self._view.say("Every question has its answer")
            return
        self._view.show_entries(build.conversation(messages, session.turns))
        self._begin_turn(session, session.resend())

    def _ask(self, text: str, *, shown: bool = False) -> None:
        session = self._session
        if session is None:
            return
        if not shown:
            self._add_question(text)
        self._begin_turn(session, session.send(text))

    def _begin_turn(self, session: "ChatSession", events: AsyncGenerator[TurnEvent]) -> None:
        self._turn_over = asyncio.Event()
        self._hung = False
        self._view.spawn(self._turn(session, events), "turn")

    async def _turn(self, session: "ChatSession", events: AsyncGenerator[TurnEvent]) -> None:
        known = {message.id for message in session.messages}
        failure: Failed | LlmtuiError | None = None
        begins = 0
        self._view.begin_answer(self._new_id("answer"), fmt.name(self.model.name if self.model else "model"))
        self._view.state_changed()
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    if isinstance(event, Failed):
                        failure = event
                    elif isinstance(event, Finished):
                        begins = event.timings.bos_count or 0
        except LlmtuiError as error:
            failure = error
        finally:
            self._turn_over.set()
            self._end_answer(session, known)
            if begins > 1:
                self._warn_of_two_begins()
            if self._hung:
                failure = EngineError("The model did not stop", cause="Its process hung and was ended", remedy="")
            if failure is not None:
                self._show_error(failure)
            self._view.state_changed()

    def _end_answer(self, session: "ChatSession", known: set[str]) -> None:
        message = session.messages[-1] if session.messages else None
        if message is None or message.role != "assistant" or message.id in known or not message.content:
            self._view.end_answer(None)
            return
        turn = next((turn for turn in reversed(session.turns) if turn.message.id == message.id), None)
        self._view.end_answer(build.message_entry(message, turn))

    def _warn_of_two_begins(self) -> None:
        """Once for each model."""
        name = fmt.name(self.model.name if self.model else "model")
        if name not in self._warned:
            self._warned.add(name)
            self._view.add_entry(build.two_begins(self._new_id("notice"), name))

    def _add_question(self, text: str) -> None:
        if self._session is None or not self._session.messages:
            self._view.show_entries([])
        self._view.add_entry(Entry(self._new_id("question"), "user", "you", text, None))

    def _take_pending_back(self) -> None:
        if self.pending is not None:
            text, self.pending = self.pending, None
            self._view.give_back(text)
            self._show_conversation()

    # Conversations

    async def new_chat(self) -> None:
        """Begin an empty conversation; the one before stays in the history."""
        await self.stop_turn()
        await self._begin_chat()

    async def reopen(self, path: Path) -> LlmtuiError | None:
        """Go on with a chat from the history; what stood in the way is returned, and the present chat stays."""
        from llmtui.services.session import ChatSession  # noqa: PLC0415 - after the first paint

        services = self.services
        if self._session is not None and self._session.path == path:
            return None
        try:
            session = await asyncio.to_thread(
                ChatSession.reopen,
                services.host,
                services.folders,
                path,
                sampling=services.config.sampling,
            )
        except LlmtuiError as error:
            return error
        await self._adopt(session)
        return None

    async def _begin_chat(self) -> None:
        from llmtui.services.session import ChatSession  # noqa: PLC0415 - after the first paint

        services = self.services
        config = services.config
        await self._adopt(
            ChatSession.new(
                services.host,
                services.folders,
                sampling=config.sampling,
                system=config.system,
            )
        )

    async def _adopt(self, session: "ChatSession") -> None:
        await self.stop_turn()
        old, self._session = self._session, session
        if old is not None:
            await old.close()
        self._figures.forget()
        self._show_conversation()
        if self.pending is not None:
            self._add_question(self.pending)
        if session.messages:
            if session.damaged:
                self._view.add_entry(build.damaged(self._new_id("notice"), session.damaged))
            self._view.recall([message.content for message in session.messages if message.role == "user"])
        self._view.state_changed()

    def _show_conversation(self) -> None:
        session = self._session
        if session is None or not session.messages:
            self._view.show_entries([build.welcome(self.model, self._actions)])
        else:
            self._view.show_entries(build.conversation(session.messages, session.turns))

    def _load_failed(self, error: LlmtuiError) -> None:
        self._take_pending_back()
        self._show_error(error)

    def _show_error(self, error: LlmtuiError | Failed) -> None:
        reload, resend = self.key("reload_model"), self.key("resend")
        hint = f"{reload} loads the model again, {resend} then sends the question again." if self.dead else ""
        self._view.add_entry(build.error_entry(self._new_id("error"), error, hint=hint))

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
