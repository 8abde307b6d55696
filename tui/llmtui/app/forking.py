"""What a forked turn does, apart from how it looks: the other model is brought in, answers, and is stopped."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from llmtui.app.writing import Writing
from llmtui.domain.events import Failed, LoadProgress
from llmtui.errors import LlmtuiError
from llmtui.services.answers import ShownAnswer, beside, of_message, of_running

if TYPE_CHECKING:
    from llmtui.domain.messages import ChatMessage, Message
    from llmtui.domain.models import ModelInfo
    from llmtui.domain.profile import Profile, Wanted
    from llmtui.services.companion import Companion
    from llmtui.services.fork import Fork
    from llmtui.services.session import ChatSession
    from llmtui.services.wiring import Services

Spawn = Callable[[Coroutine[object, object, None], str], None]


class Forking:
    """One question that another model answers beside the conversation. All of it runs on one event loop.

    Attributes:
        info: the other model.
        profile: that it answers with; None is the chat's.
        answers: those that the question has already; the new one is shown behind them.
        remark: what the user is to be told; not safe to show.

    Args:
        services: the parts of the program.
        chat: the conversation.
        question: of the user.
        info: as above.
        profile: as above.
        slow: called when stopping takes longer than people expect.
    """

    def __init__(
        self,
        services: "Services",
        chat: "ChatSession",
        question: "Message",
        info: "ModelInfo",
        profile: "Profile | None",
        *,
        slow: Callable[[], None],
    ) -> None:
        self.info = info
        self.profile = profile
        self.remark = ""
        self.answers, _ = beside(chat.thread.tree, chat.turns, question.id, system=chat.system)
        self._services = services
        self._chat = chat
        self._question = question
        self._prompt = self._conversation()
        self._stage = "opening"
        self._task: asyncio.Task[object] | None = None
        self._host: Companion | None = None
        self._fork: Fork | None = None
        self._wanted: Wanted | None = None
        self._failure: Failed | LlmtuiError | None = None
        self._stopped = False
        self._writing = Writing(self._give_up, slow)
        self._writing.begin()

    @property
    def running(self) -> bool:
        """Whether it loads or writes."""
        return self._writing.running

    async def run(self) -> None:
        """Load the model and have it answer; what goes wrong is part of what is shown."""
        self._task = asyncio.current_task()
        if self._stopped:
            return
        try:
            await self._load()
            await self._answer()
        except LlmtuiError as error:
            self._failure = error
        finally:
            self._writing.end()
            if self._host is not None:
                await self._host.close()

    async def stop(self) -> None:
        """Give up the load, or stop the answer and keep what has come; an engine that hangs is ended by force."""
        if not self.running:
            return
        self._stopped = True
        if self._fork is not None and self._host is not None:
            await self._writing.stop(self._fork.cancel)
        elif self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._writing.end()

    def shown(self) -> ShownAnswer:
        """The answer as it is now."""
        name = self.info.name
        if self.running:
            turn = self._fork.running if self._fork is not None else None
            if turn is not None:
                note = "reads the prompt" if not turn.fold.text and not turn.fold.reasoning else self._named
                return of_running(turn, name, note=note, prompt=self._prompt)
            return ShownAnswer(label=name, note=self._stage, prompt=self._prompt, running=True)
        answer = self._ended()
        if answer is not None:
            return answer
        return ShownAnswer(label=name, note=self._named, prompt=self._prompt, error=self._why)

    @property
    def kept(self) -> bool:
        """Whether an answer of it stands in the chat, with which that can go on."""
        return not self.running and self._ended() is not None

    async def _load(self) -> None:
        from llmtui.services.fork import companion_for  # noqa: PLC0415 - not needed before one is wanted

        host, self._wanted = await asyncio.to_thread(companion_for, self._services, self.info, self.profile)
        self._host = host
        async with contextlib.aclosing(host.load(self.info)) as events:
            async for event in events:
                if isinstance(event, LoadProgress):
                    share = "" if event.fraction is None else f" {event.fraction:.0%}"
                    self._stage = f"loading: {event.stage}{share}"

    async def _answer(self) -> None:
        from llmtui.services.fork import Fork  # noqa: PLC0415 - as above

        if self._host is None:
            return
        self._fork = Fork(self._chat, self._host, self._question, wanted=self._wanted)
        end = await self._writing.follow(self._fork.answer())
        self._failure = end.failure
        for told in end.remarks:
            self.remark = f"{told.text}. {told.remedy}"

    async def _give_up(self) -> None:
        if self._host is not None:
            await self._host.give_up()

    @property
    def _named(self) -> str:
        return f"profile {self.profile.name}" if self.profile is not None else ""

    @property
    def _why(self) -> str:
        """Why there is no answer."""
        failure = self._writing.hung or self._failure
        if failure is None:
            return "stopped before any text came" if self._stopped else "the model wrote nothing"
        return "\n".join(part for part in (failure.title, failure.cause, failure.remedy) if part)

    def _ended(self) -> ShownAnswer | None:
        """The answer as the chat has it."""
        fork, tree = self._fork, self._chat.thread.tree
        turn = fork.turns[-1] if fork is not None and fork.turns else None
        if fork is None or turn is None or tree.get(turn.message.id) is None:
            return None
        return of_message(turn.message, turn, tree, system=fork.system)

    def _conversation(self) -> "tuple[ChatMessage, ...]":
        from llmtui.domain.messages import ChatMessage  # noqa: PLC0415 - as above

        if self.answers:
            return self.answers[-1].prompt
        said = self._chat.thread.tree.at(self._question.id).path
        return tuple(ChatMessage(each.role, each.content) for each in said if each.role != "system")
