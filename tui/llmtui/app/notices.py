"""Remarks and errors in the conversation view, each under an id of its own."""

from collections.abc import Callable

from llmtui.app import entries as build
from llmtui.app.view import ChatView
from llmtui.app.widgets.transcript_view import Entry
from llmtui.domain.events import Failed
from llmtui.errors import LlmtuiError


class Notices:
    """Puts entries into the conversation that are no messages.

    Args:
        view: shows them.
        hint: what an error's text ends with, as things stand when it is shown; empty for nothing.
    """

    def __init__(self, view: ChatView, hint: Callable[[], str]) -> None:
        self._view = view
        self._hint = hint
        self._numbers = iter(range(1, 1 << 62))

    def new_id(self, kind: str) -> str:
        """An id that no other entry of this window has."""
        return f"{kind}-{next(self._numbers)}"

    def question(self, text: str) -> None:
        """A question that is being sent, or that waits for the model."""
        self._view.add_entry(Entry(self.new_id("question"), "user", "you", text, None))

    def error(self, error: LlmtuiError | Failed) -> None:
        """Something that went wrong."""
        self._view.add_entry(build.error_entry(self.new_id("error"), error, hint=self._hint()))

    def remark(self, text: str) -> None:
        """What an engine remarked on a turn."""
        self._view.add_entry(build.remark(self.new_id("notice"), text))

    def two_begins(self, name: str) -> None:
        """A model's prompt begins with two begin tokens."""
        self._view.add_entry(build.two_begins(self.new_id("notice"), name))

    def guessed(self, name: str, warning: str) -> None:
        """A model's chat template is a guess."""
        self._view.add_entry(build.guessed(self.new_id("notice"), name, warning))

    def damaged(self, lines: int) -> None:
        """Lines of the chat's file cannot be read."""
        self._view.add_entry(build.damaged(self.new_id("notice"), lines))
