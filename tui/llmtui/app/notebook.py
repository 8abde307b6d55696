"""What the notebook does, apart from how it looks: which one is open, and the model's writing in it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from llmtui.app.writing import STILL_STOPPING, TurnEnd, Writing
from llmtui.domain.events import Failed, Notice
from llmtui.errors import LlmtuiError, UsageError

if TYPE_CHECKING:
    from llmtui.app.controller import ChatController
    from llmtui.domain.events import TurnEvent
    from llmtui.services.notebook import Notebook
    from llmtui.services.session import ChatSession

Spawn = Callable[[Coroutine[object, object, None], str], None]


class NotebookView(Protocol):
    """What the desk needs of a screen."""

    def writing_ended(self, failure: Failed | LlmtuiError | None, remarks: tuple[Notice, ...]) -> None:
        """The model has stopped writing; the notebook holds what came."""

    def save(self) -> None:
        """Give the notebook the text as it stands on the screen, now."""

    def say(self, text: str) -> None:
        """Show a short remark that goes away by itself."""


class NotebookDesk:
    """The notebook of a window: open, or put aside while the chat is shown.

    Args:
        controller: the chat's, with the model and the settings that hold here, too.
        spawn: runs work in the background, whichever screen is shown.

    Attributes:
        view: the screen; None while the notebook is put aside.
        services: the parts of the program.
    """

    def __init__(self, controller: "ChatController", spawn: Spawn) -> None:
        self.view: NotebookView | None = None
        self.services = controller.services
        self._controller = controller
        self._spawn = spawn
        self._notebook: Notebook | None = None
        self._writing = Writing(controller.services.host.give_up, self._tell_slow)

    @property
    def notebook(self) -> "Notebook":
        """The notebook; an empty one where there is none yet."""
        if self._notebook is None:
            from llmtui.services.notebook import Notebook  # noqa: PLC0415 - not needed for the first paint

            services = self.services
            self._notebook = Notebook.new(services.host, services.folders, wanted=self._controller.wanted)
        return self._notebook

    @property
    def session(self) -> "ChatSession":
        """The conversation that the notebook is; see `Notebook`."""
        return self.notebook.session

    @property
    def running(self) -> bool:
        """Whether the model is writing."""
        return self._writing.running

    def holds(self, path: Path) -> bool:
        """Whether this file is the notebook that is open."""
        return self._notebook is not None and self._notebook.session.path == path

    async def new(self) -> None:
        """Begin an empty one; the one before stays in the history."""
        await self._replace(None)

    async def reopen(self, path: Path) -> LlmtuiError | None:
        """Go on with one from the history; what stood in the way is returned, and the present one stays."""
        from llmtui.services.notebook import Notebook  # noqa: PLC0415 - not needed for the first paint

        if self.holds(path):
            return None
        services, wanted = self.services, self._controller.wanted
        try:
            notebook = await asyncio.to_thread(Notebook.reopen, services.host, services.folders, path, wanted=wanted)
        except LlmtuiError as error:
            return error
        await self._replace(notebook)
        return None

    async def close(self) -> None:
        """Stop the model and put the notebook away, with what was typed last."""
        if self.view is not None:
            self.view.save()
        if self._notebook is not None:
            await self._notebook.close()

    def write(self) -> None:
        """Have the model go on, or fill the gap."""
        self._begin(self.notebook.write())

    def again(self) -> None:
        """Have it written anew."""
        self._begin(self.notebook.again())

    async def stop(self) -> None:
        """Stop the model and wait until what it wrote is put away; one that hangs is ended by force."""
        await self._writing.stop(self.notebook.session.cancel)

    def _tell_slow(self) -> None:
        if self.view is not None:
            self.view.say(STILL_STOPPING)

    async def _replace(self, notebook: "Notebook | None") -> None:
        if self.running:
            await self.stop()
        before, self._notebook = self._notebook, notebook
        if before is not None:
            await before.close()

    def _begin(self, events: "AsyncGenerator[TurnEvent]") -> None:
        self.notebook.take(self._controller.wanted)
        self._writing.begin()
        self._spawn(self._follow(events), "notebook")

    async def _follow(self, events: "AsyncGenerator[TurnEvent]") -> None:
        end = TurnEnd(UsageError("The chat's answer is still being written", remedy="Wait for it, or stop it there"))
        try:
            if not self._controller.running:
                end = TurnEnd()
                end = await self._writing.follow(events)
        finally:
            self._writing.end()
            if self.view is not None:
                self.view.writing_ended(end.failure, end.remarks)
