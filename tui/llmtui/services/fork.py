"""A question of a chat put to another model or profile, too: its answer stands beside those there are."""

import contextlib
import time
from collections.abc import AsyncGenerator

import msgspec

from llmtui.domain.events import TurnEvent
from llmtui.domain.messages import Message
from llmtui.domain.models import ModelInfo
from llmtui.domain.profile import Profile, Wanted
from llmtui.domain.settings import Runtime
from llmtui.errors import UsageError
from llmtui.services.companion import Companion
from llmtui.services.conversation import RunningTurn, Turn
from llmtui.services.host import ModelHost
from llmtui.services.profiles import runtime_layers, runtime_of, template_of, wanted
from llmtui.services.session import ChatSession
from llmtui.services.wiring import Services

_WITHOUT_NOTES = {"compact": "slide"}
"""A note would be sent in place of the conversation's oldest messages from then on, whichever model answers."""


class Fork(ChatSession):
    """One question of a chat for another model. The chat itself goes on from where it is.

    Args:
        chat: whose question it is; its file takes the answer.
        host: of the other model.
        question: of the user.
        wanted: other settings; None takes the chat's.
    """

    def __init__(self, chat: ChatSession, host: ModelHost, question: Message, *, wanted: Wanted | None = None) -> None:
        super().__init__(host, chat.folders, chat.journal, chat.thread, wanted=_without_notes(wanted or chat.wanted))
        self.question = question
        self._chat = chat
        self._own_system = chat.system if wanted is None else _system(chat, wanted)

    @property
    def system(self) -> str | None:
        """The system message of this answer."""
        return self._own_system

    async def answer(self) -> AsyncGenerator[TurnEvent]:
        """Answer the question, and yield what the engine does; see `ChatSession.send`.

        Raises:
            UsageError: a turn of the chat is running, or no model is.
        """
        thread = self.thread
        thread.refuse_if_busy()
        self._refuse_without_model()
        answers = [each for each in thread.tree.messages if each.parent_id == self.question.id]
        head, refused = thread.tree.head or self.question.id, thread.refused
        turn = RunningTurn(
            self.question, time.perf_counter_ns(), instead=answers[-1].id if answers else None, head=head
        )
        thread.point_at(self.question.id)
        try:
            async with contextlib.aclosing(self._answer(turn, add=False)) as events:
                async for event in events:
                    yield event
        finally:
            thread.refused = refused

    def note(self, turn: Turn) -> None:
        """Keep the turn, here and with the chat."""
        super().note(turn)
        self._chat.note(turn)


def question_of(chat: ChatSession, marked: str | None) -> Message:
    """The question that is meant: of the marked message, else the last one.

    Args:
        chat: whose.
        marked: id of a question or an answer.

    Raises:
        UsageError: there is none, or the chat cannot be forked now.
    """
    thread = chat.thread
    thread.refuse_if_busy()
    message = thread.tree.get(marked) if marked is not None else None
    if message is not None and message.role == "assistant":
        message = thread.tree.get(message.parent_id or "")
    if marked is None:
        message = next((each for each in reversed(chat.messages) if each.role == "user"), None)
    if message is None or message.role != "user":
        raise UsageError(
            "There is no question that another model could answer" if marked else "There is no question yet",
            remedy="Mark a question or its answer" if marked else "Ask something first",
        )
    return message


def companion_for(services: Services, info: ModelInfo, profile: Profile | None) -> tuple[Companion, Wanted | None]:
    """A host for the model that answers, too, and its settings where a profile brings others. Reads from disk.

    Args:
        services: of the program.
        info: the model.
        profile: None goes on with the chat's.

    Raises:
        UsageError, ConfigError: the profile cannot be used.
    """
    host = services.host
    if profile is None:
        return host.companion(_for_model(host, info)), None
    template = template_of(services.folders, profile)
    runtime = runtime_of(runtime_layers(services.config, profile, services.runtime_flags))
    return host.companion(runtime), wanted(services.config, services.own, profile, template=template)


def _for_model(host: ModelHost, info: ModelInfo) -> Runtime:
    """The chat's, without adapters where those are another model's."""
    same = host.info is not None and host.info.path == info.path
    return host.runtime if same else msgspec.structs.replace(host.runtime, adapters=())


def _system(chat: ChatSession, wanted: Wanted) -> str | None:
    """As `ChatSession.take` would have it: a system message that the user made gives way to new ones only."""
    before = chat.wanted.system if chat.thread.system_edit is not None else chat.system
    return wanted.system if wanted.system != before else chat.system


def _without_notes(wanted: Wanted) -> Wanted:
    overflow = wanted.profile.overflow
    profile = msgspec.structs.replace(wanted.profile, overflow=_WITHOUT_NOTES.get(overflow, overflow))
    return msgspec.structs.replace(wanted, profile=profile)
