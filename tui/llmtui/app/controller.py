"""What the chat screen does, apart from how it looks: loads models, runs turns, keeps what waits.

It tells a `ChatView` what to show and never touches a widget. Everything runs on the event loop.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtui.app import format as fmt
from llmtui.app.actions import Action, key_of
from llmtui.app.conversation import Conversation
from llmtui.app.figures import Figures
from llmtui.app.loading import Loader, Loading
from llmtui.app.notices import Notices
from llmtui.app.turns import Turns
from llmtui.app.view import ChatView
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.profile import Profile, Wanted
from llmtui.domain.snapshot import ProfilerSnapshot
from llmtui.errors import LlmtuiError
from llmtui.services.bookmarks import Bookmarks, pinned_model

if TYPE_CHECKING:
    from llmtui.domain.events import TurnEvent
    from llmtui.services.profiles import Setting
    from llmtui.services.session import ChatSession
    from llmtui.services.wiring import Services

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
        self.bookmarks = Bookmarks(services.folders)
        self.pending: str | None = None
        self._pending_shown = False
        self._held = False
        self._view = view
        self._actions = tuple(actions)
        self.figures = Figures()
        self._notices = Notices(view, self._error_hint)
        self._turns = Turns(services.host, view, self._notices, ended=self._turn_ended)
        self._conversation = Conversation(services, view, self._notices, self._actions)
        self._loader = Loader(services, changed=view.state_changed, failed=self._load_failed)

    # What the screen asks

    @property
    def session(self) -> "ChatSession | None":
        """The conversation; None until the program is up."""
        return self._conversation.session

    def key(self, action_id: str) -> str:
        """The key of an action as people write it."""
        return key_of(self._actions, action_id)

    @property
    def profile(self) -> Profile:
        """The profile in use."""
        return self._conversation.profile

    @property
    def edits(self) -> Mapping[str, Any]:
        """Fields of `Sampling` that were changed over the profile's."""
        return self._conversation.edits

    def use_profile(self, profile: Profile, edits: Mapping[str, Any] | None = None) -> LlmtuiError | None:
        """Use a profile, with fields of `Sampling` changed over it, from the next turn on; or say why not."""
        problem = self._conversation.use(profile, edits or {}, reload_key=self.key("reload_model"))
        self._view.state_changed()
        return problem

    def settings_with(self, profile: Profile) -> "tuple[Setting, ...]":
        """Every setting as it would be used with a profile and the present model, and where it comes from."""
        return self._conversation.settings_with(profile)

    @property
    def wanted(self) -> Wanted:
        """Settings of the turns to come."""
        return self._conversation.wanted

    @property
    def running(self) -> bool:
        """Whether an answer is being generated."""
        return self._turns.running

    @property
    def model(self) -> ModelInfo | None:
        """The model that answers."""
        return self.services.host.info

    @property
    def loaded(self) -> LoadedModel | None:
        """What the engine granted."""
        return self.services.host.loaded

    @property
    def writer(self) -> tuple[ModelInfo | None, LoadedModel | None]:
        """The model that writes the running answer, else the one that answers next: a switch comes between them."""
        return (self._turns.info, self._turns.loaded) if self.running else (self.model, self.loaded)

    @property
    def dead(self) -> bool:
        """Whether a model was loaded and its engine is gone."""
        return self._loader.dead

    @property
    def answers(self) -> bool:
        """Whether the present model can be asked, also while another one is loaded."""
        return self.services.host.alive

    @property
    def busy(self) -> bool:
        """Whether a question that stands in the conversation cannot be answered now."""
        return self.session is None or self.running or (self.loading is not None and not self.answers)

    @property
    def loading(self) -> Loading | None:
        """The load under way."""
        return self._loader.state

    @property
    def answer_so_far(self) -> str:
        """The running answer's text."""
        return self._conversation.answer_so_far

    @property
    def shown_so_far(self) -> str:
        """The running answer as it is shown, with the model's thoughts."""
        return self._conversation.running_text

    @property
    def last_answer(self) -> str | None:
        """The newest answer's text, the running one's included."""
        return self.answer_so_far or self._conversation.last_answer

    @property
    def save_problem(self) -> str | None:
        """Why the chat is not being saved."""
        return self.session.save_problem if self.session else None

    def snapshot(self) -> ProfilerSnapshot:
        """The profiler now; while an answer runs, that of the model that gives it."""
        loaded = self._turns.loaded if self.running else self.loaded
        self.figures.watch(loaded)
        return self.figures.snapshot(self.session, loaded, loading=self.loading is not None and loaded is None)

    def note_rate(self) -> None:
        """Put the present decode rate into the history; called twice a second while an answer runs."""
        self.figures.note_rate(self.session)

    # Life

    async def start(self, model: str | None, chat: Path | None) -> None:
        """Open the conversation and load the model; runs after the first paint."""
        from llmtui.app.render.warm import warm_up  # noqa: PLC0415 - after the first paint

        self._view.spawn(asyncio.to_thread(warm_up), "warm")
        self.figures.start()
        self._view.spawn(asyncio.to_thread(self.bookmarks.refresh), "bookmarks")
        problem = await self.reopen(chat) if chat is not None else None
        if self.session is None:
            await self._adopt(self._conversation.new_session())
        if problem is not None:
            self._notices.error(problem)
        specs = [model] if model else [self._conversation.last_model, self.services.config.default_model, "demo"]
        ready = await self._loader.load_first([spec for spec in specs if spec])
        if ready is not None:
            self._model_came(ready=ready)

    async def close(self) -> None:
        """End the turn, the conversation and the engine."""
        self.pending = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._loader.stop()
                await self._turns.stop(LEAVING_STOP_S)
                if self.session:
                    await self.session.close()
        await self.services.host.close()
        await self.figures.stop()

    # Models

    async def load(self, info: ModelInfo) -> None:
        """Load another model in the background; the conversation goes on with it as soon as it is ready.

        Until then the present model answers, and an answer under way is finished by the model that began it. A load
        under way is given up for this one.
        """
        self._model_came(ready=await self._loader.load(info))

    async def load_pinned(self, number: int) -> None:
        """Load the model that is pinned to a number."""
        pin = self.bookmarks.pins.get(number)
        if pin is None:
            self._view.say(
                f"No model is pinned to {number}: {self.key('pick_model')}, then {self.key('pin_model')} on one pins it"
            )
            return
        host = self.services.host
        if host.alive and host.info is not None and host.info.path == pin.path and self.loading is None:
            self._view.say(f"{fmt.name(pin.name)} answers already")
            return
        find = partial(pinned_model, pin, self.services.catalogue, host.warm)
        self._model_came(ready=await self._loader.load_found(pin.name, find))

    async def swap(self) -> None:
        """Go back to the model that answered before the present one."""
        previous = self.services.host.previous
        if previous is None:
            self._view.say(f"No other model was used yet: {self.key('pick_model')} chooses one")
            return
        await self.load(previous)

    async def reload(self) -> None:
        """Load the present model again, after its engine died."""
        if self.loading is not None:
            return
        if self.model is None:
            self._view.say("There is no model to load again")
            return
        await self._stop_turn()
        self._model_came(ready=await self._loader.reload())

    def _load_failed(self, error: LlmtuiError) -> None:
        if not self.running:
            self._take_pending_back()
        self._notices.error(error)

    def _model_came(self, *, ready: bool) -> None:
        info = self.model
        if ready and info is not None:
            self._view.spawn(asyncio.to_thread(self._note_used, info), "bookmarks")
        if self.running:
            pass  # the question that waits, if any, waits for the answer
        elif not ready:
            self._take_pending_back()
        elif self.pending is not None:
            self._send_pending()
        elif self.session is not None and not self.session.messages:
            self._conversation.greet(self.model)
        self._view.state_changed()

    def _note_used(self, info: ModelInfo) -> None:
        with contextlib.suppress(LlmtuiError):  # a full disk is told where it costs something
            self.bookmarks.note_used(info)

    def _error_hint(self) -> str:
        reload, resend = self.key("reload_model"), self.key("resend")
        return f"{reload} loads the model again, {resend} then sends the question again." if self.dead else ""

    # Turns

    def submit(self, text: str) -> None:
        """Send a question now, or when the model is free; give it back when one waits already."""
        if self.pending is not None:
            self._view.give_back(text)
            self._view.say(f"One question waits already. {self.key('stop')} takes it back.")
        elif self.running:
            # Not among the messages yet: the answer above it still grows.
            self.pending, self._pending_shown = text, False
            self._view.state_changed()
        elif self.session is None or self.loading is not None:
            # Whoever has chosen a model means it to answer, also while it is still being loaded.
            self.pending, self._pending_shown = text, True
            self._conversation.add_question(text)
            self._view.state_changed()
        else:
            self._ask(text)

    async def stop(self) -> None:
        """Take back the question that waits, stop the running answer, or stop the load: the first that applies."""
        if self.pending is not None:
            self._take_pending_back()
            self._view.state_changed()
        elif self.running:
            await self._turns.stop()
        elif self.loading is not None:
            await self._loader.stop()
            self._view.say("Loading stopped")

    def resend(self) -> None:
        """Send the last question again, when it has no answer or one that ended in an error."""
        session = self.session
        if session is None or self.busy:
            self._view.say("Not now: the model is busy")
        elif not (asked := session.unanswered):
            self.regenerate()
        else:
            broken = session.messages[-1].id if asked != session.messages else None
            self._conversation.show_asked(len(asked))
            self._turns.begin(session, session.resend(), instead=broken)

    def regenerate(self) -> None:
        """Answer the last question anew; the answer it has stays as another version."""
        self._again(lambda session: session.regenerate(), "There is no answer yet")

    def go_on(self) -> None:
        """Have the last answer continued where it ends."""
        self._again(lambda session: session.go_on(), "There is no answer to continue yet")

    def _again(self, events: "Callable[[ChatSession], AsyncGenerator[TurnEvent]]", otherwise: str) -> None:
        session = self.session
        if session is None or self.busy:
            self._view.say("Not now: the model is busy")
        elif not session.messages or session.messages[-1].role != "assistant":
            self._view.say(otherwise)
        else:
            self._conversation.show_asked(len(session.messages) - 1)
            self._turns.begin(session, events(session), instead=session.messages[-1].id)

    def toggle_thoughts(self) -> None:
        """Open or fold what the models thought before they answered."""
        self._turns.thoughts_opened = self._conversation.toggle_thoughts()
        if not self.running:
            self.show_conversation()

    def show_conversation(self) -> None:
        """Put the conversation as it now is onto the screen, with the question that waits behind it."""
        self._conversation.show(self.model)
        if self.pending is not None and self._pending_shown:
            self._conversation.add_question(self.pending)

    def _ask(self, text: str, *, shown: bool = False) -> None:
        if (session := self.session) is None:
            return
        if not shown:
            self._conversation.add_question(text)
        self._turns.begin(session, session.send(text))

    async def _stop_turn(self) -> None:
        """Stop the running answer for something else; the question that waits goes on waiting."""
        self._held = True
        try:
            await self._turns.stop()
        finally:
            self._held = False

    def _turn_ended(self, *, well: bool) -> None:
        if self.pending is None or self._held or self.loading is not None:
            return
        if well:
            self._send_pending()
        else:
            self._take_pending_back()

    def _send_pending(self) -> None:
        if self.pending is not None:
            text, self.pending = self.pending, None
            self._ask(text, shown=self._pending_shown)

    def _take_pending_back(self) -> None:
        if self.pending is not None:
            text, self.pending = self.pending, None
            self._view.give_back(text)
            if self._pending_shown:
                self._conversation.show(self.model)

    # Conversations

    async def new_chat(self) -> None:
        """Begin an empty conversation; the one before stays in the history."""
        await self._adopt(self._conversation.new_session())

    async def reopen(self, path: Path) -> LlmtuiError | None:
        """Go on with a chat from the history; what stood in the way is returned, and the present chat stays."""
        if self.session is not None and self.session.path == path:
            return None
        session = await self._conversation.past_session(path)
        if isinstance(session, LlmtuiError):
            return session
        await self._adopt(session)
        return None

    async def _adopt(self, session: "ChatSession") -> None:
        await self._stop_turn()
        if not self._pending_shown:
            self._take_pending_back()  # it was to follow the answer that is left behind
        self.figures.forget()
        await self._conversation.adopt(session, waiting=self.pending)
        self._pending_shown = True
        self._view.state_changed()
