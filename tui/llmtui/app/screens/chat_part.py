"""What the parts of the chat screen, a file each, need of the whole."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING

from textual.screen import Screen

from llmtui.app.actions import Action
from llmtui.app.browsing import Browser
from llmtui.app.controller import ChatController
from llmtui.app.notebook import NotebookDesk
from llmtui.app.widgets.composer import Composer
from llmtui.app.widgets.transcript_view import Entry, TranscriptView

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp


class ChatPart(Screen[None]):
    """`ChatScreen` has all of it."""

    app: "LlmtuiApp"
    controller: ChatController
    actions: tuple[Action, ...]
    desk: NotebookDesk
    _browser: Browser
    _transcript: TranscriptView
    _composer: Composer

    @property
    def draft(self) -> str:
        """What stands in the input line."""
        raise NotImplementedError

    def spawn(self, work: Coroutine[object, object, None], group: str) -> None:
        """Run work in the background."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """Show a short remark."""
        raise NotImplementedError

    def add_entry(self, entry: Entry) -> None:
        """Append to the conversation."""
        raise NotImplementedError

    def recount(self) -> None:
        """Count the draft again."""
        raise NotImplementedError

    def messages_changed(self) -> None:
        """The mark came or went, or an edit began or ended."""
        raise NotImplementedError
