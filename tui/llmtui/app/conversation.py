"""Which conversation the window holds: a new one, or one from the history, and how it comes onto the screen."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from llmtui.app import entries as build
from llmtui.app.actions import Action
from llmtui.app.notices import Notices
from llmtui.app.view import ChatView
from llmtui.app.widgets.transcript_view import Entry
from llmtui.domain.models import ModelInfo
from llmtui.domain.profile import Profile, Wanted
from llmtui.errors import LlmtuiError
from llmtui.services.profiles import Setting, runtime_layers, runtime_of, settings_with, template_of, wanted

if TYPE_CHECKING:
    from llmtui.services.session import ChatSession
    from llmtui.services.wiring import Services


class Conversation:
    """The present conversation; none until the program is up.

    Attributes:
        session: the conversation with its file.
        thoughts_opened: what the models thought is shown, not only how much.
        profile: in use for the turns to come.
        edits: fields of `Sampling` that were changed over the profile's.

    Args:
        services: the parts of the program.
        view: shows it.
        notices: says what is missing of it.
        actions: the registry with the user's keys, for the welcome.
    """

    def __init__(self, services: "Services", view: ChatView, notices: Notices, actions: Sequence[Action]) -> None:
        self.session: ChatSession | None = None
        self.thoughts_opened = False
        self.profile = services.profile
        self.edits: dict[str, Any] = {}
        self._template = services.template
        self._services = services
        self._view = view
        self._notices = notices
        self._actions = tuple(actions)

    @property
    def last_model(self) -> str | None:
        """Name of the model that answered last."""
        messages = self.session.messages if self.session else ()
        return next((message.model for message in reversed(messages) if message.model), None)

    @property
    def last_answer(self) -> str | None:
        """Text of the newest answer that ended."""
        messages = self.session.messages if self.session else ()
        return next((message.content for message in reversed(messages) if message.role == "assistant"), None)

    @property
    def wanted(self) -> Wanted:
        """Settings of the turns to come."""
        return wanted(
            self._services.config, self._services.own, self.profile, edits=self.edits, template=self._template
        )

    def use(self, profile: Profile, edits: Mapping[str, Any], *, reload_key: str) -> LlmtuiError | None:
        """Take a profile for the turns to come; what stood in the way is returned, and the one before stays.

        Args:
            profile: to be used.
            edits: fields of `Sampling` that were changed over it.
            reload_key: loads the model again, as people write it.
        """
        services, host = self._services, self._services.host
        try:
            template = template_of(services.folders, profile)
            runtime = runtime_of(runtime_layers(services.config, profile, services.runtime_flags))
        except LlmtuiError as error:
            return error
        self.profile, self.edits, self._template = profile, dict(edits), template
        if not runtime.adapters:
            runtime = msgspec.structs.replace(runtime, adapters=host.runtime.adapters)
        if runtime != host.runtime and host.alive:
            self._view.say(f"How the model is loaded counts from the next load; {reload_key} loads it again now")
        host.runtime = runtime
        if self.session is not None:
            self.session.take(self.wanted)
            if not any(message.role == "user" for message in self.session.messages):
                self.show(host.info)
        return None

    def settings_with(self, profile: Profile) -> tuple[Setting, ...]:
        """Every setting as it would be used with a profile and the present model, and where it comes from."""
        services, loaded, info = self._services, self._services.host.loaded, self._services.host.info
        theirs = loaded.defaults if loaded and loaded.defaults else info.defaults if info else None
        return settings_with(
            services.config, services.own, profile, defaults=theirs, runtime_flags=services.runtime_flags
        )

    def new_session(self) -> "ChatSession":
        """An empty conversation, not shown yet."""
        from llmtui.services.session import ChatSession  # noqa: PLC0415 - after the first paint

        services = self._services
        return ChatSession.new(services.host, services.folders, wanted=self.wanted)

    async def past_session(self, path: Path) -> "ChatSession | LlmtuiError":
        """A conversation from the history, not shown yet; or what stands in the way."""
        from llmtui.services.session import ChatSession  # noqa: PLC0415 - after the first paint

        services = self._services
        try:
            return await asyncio.to_thread(
                ChatSession.reopen, services.host, services.folders, path, wanted=self.wanted
            )
        except LlmtuiError as error:
            return error

    async def adopt(self, session: "ChatSession", *, waiting: str | None = None) -> None:
        """Put the conversation before away and show this one.

        Args:
            session: from here on the present one.
            waiting: a question that waits for the model, shown behind it.
        """
        old, self.session = self.session, session
        if old is not None:
            await old.close()
        self.show(self._services.host.info)
        if waiting is not None:
            self._notices.question(waiting)
        if session.messages:
            if session.damaged:
                self._notices.damaged(session.damaged)
            self._view.recall([message.content for message in session.messages if message.role == "user"])

    def show(self, model: ModelInfo | None) -> None:
        """Put the whole conversation on the screen, or the welcome when there is nothing in it yet."""
        session = self.session
        if session is None or not session.messages:
            self._view.show_entries([*self._head(), build.welcome(model, self._actions)])
        else:
            shown, opened = session.thread.shown, self.thoughts_opened
            self._view.show_entries(build.conversation(shown, session.turns, session.thread.tree, opened=opened))

    def greet(self, model: ModelInfo | None) -> None:
        """Have the welcome tell of this model; what went wrong meanwhile stays below it."""
        self._view.change_entry(build.welcome(model, self._actions))

    def _head(self) -> list[Entry]:
        """What stands above the first message."""
        edit = self.session.thread.system_edit if self.session is not None else None
        return [] if edit is None else [build.system_entry(edit)]

    def show_asked(self, messages: int) -> None:
        """Show so many messages of the conversation, the last of which is being answered."""
        if self.session is not None:
            thread = self.session.thread
            shown = thread.shown[: len(thread.shown) - len(thread.messages) + messages]
            self._view.show_entries(
                build.conversation(shown, self.session.turns, thread.tree, asked=True, opened=self.thoughts_opened)
            )

    def toggle_thoughts(self) -> bool:
        """Show what the models thought, or only how much, from the next showing on; returns which."""
        self.thoughts_opened = not self.thoughts_opened
        return self.thoughts_opened

    @property
    def answer_so_far(self) -> str:
        """The running answer's text."""
        turn = self.session.running if self.session else None
        return turn.text if turn else ""

    @property
    def running_text(self) -> str:
        """The running answer as it is shown, with the model's thoughts."""
        turn = self.session.running if self.session else None
        return build.with_thoughts(turn.fold.reasoning, turn.text, opened=self.thoughts_opened) if turn else ""

    def add_question(self, text: str) -> None:
        """Show a question that is being sent, or that waits for the model."""
        if self.session is None or not self.session.messages:
            self._view.show_entries(self._head())
        self._notices.question(text)
