"""What stands between the chat's controller and its screen."""

from collections.abc import Coroutine, Sequence
from typing import Protocol

from llmtui.app.widgets.transcript_view import Entry


class ChatView(Protocol):
    """What the controller needs of a screen."""

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Replace the whole conversation."""

    def add_entry(self, entry: Entry) -> None:
        """Append one entry."""

    def change_entry(self, entry: Entry) -> None:
        """Show an entry in place of the one with its id; when there is none, nothing happens."""

    def mark(self, entry_id: str | None) -> None:
        """Mark an entry and bring it into view; None takes the mark away."""

    def copy(self, text: str) -> None:
        """Put a text into the clipboard and say so."""

    def begin_answer(self, entry_id: str, label: str) -> None:
        """An answer starts to stream under this label."""

    def end_answer(self, entry: Entry | None) -> None:
        """The answer is complete; None when nothing came of it."""

    def state_changed(self) -> None:
        """Model, load, running turn or warnings differ: bring bars and panel up to date."""

    def give_back(self, text: str) -> None:
        """Put text into the input line that could not be sent."""

    def recall(self, questions: Sequence[str]) -> None:
        """What was asked before, oldest first, for the input line's history."""

    def say(self, text: str) -> None:
        """Show a short remark that goes away by itself."""

    def spawn(self, work: Coroutine[object, object, None], group: str) -> None:
        """Run work in the background; its errors are shown."""
