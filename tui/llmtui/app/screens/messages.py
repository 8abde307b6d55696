"""What the chat screen does with messages that stand there already: the mark's keys, editing, copying."""

from textual import events

from llmtui.app.screens.chat_part import ChatPart
from llmtui.domain.text import visible

MOST_COPIED = 100_000
"""Bytes that a terminal is sure to take as a clipboard's content: base64 makes more of them."""


class MessageScreen(ChatPart):
    """The chat screen's part that works on messages."""

    _own_draft = ""
    _editing: str | None = None

    def on_key(self, event: events.Key) -> None:
        """While a message is marked, keys go to it."""
        if self._browser.active and self._browser.run(event.key):
            event.stop()
            event.prevent_default()

    def mark(self, entry_id: str | None) -> None:
        """Mark an entry and bring it into view."""
        self._transcript.mark(entry_id)

    def browsing_changed(self) -> None:
        """The mark came or went, or a message's text is changed in the input line."""
        edited = self._browser.edited
        if self._browser.active:
            self.set_focus(None)
        else:
            self.set_focus(self._composer)
        if edited is not None and edited.id != self._editing:
            if self._editing is None:
                self._own_draft = self._composer.draft
            self._composer.set_draft(edited.content)
        elif edited is None and self._editing is not None:
            self._composer.set_draft(self._own_draft)
        self._editing = edited.id if edited is not None else None
        self.messages_changed()

    def action_browse_messages(self) -> None:
        """Mark the last message."""
        self._browser.begin()

    def action_continue_answer(self) -> None:
        """Have the last answer continued."""
        self.controller.go_on()

    def action_edit_draft(self) -> None:
        """Write the question in the user's own editor."""
        from llmtui.app.editor import edited_outside  # noqa: PLC0415 - not needed for the first paint

        text, problem = edited_outside(self.app, self._composer.draft)
        if problem is not None:
            self.say(problem)
        else:
            self._composer.set_draft(text)

    def copy(self, text: str) -> None:
        """Put a text into the clipboard and say so."""
        text = visible(text)
        self.app.copy_to_clipboard(text)
        much = len(text.encode("utf-8", "replace")) > MOST_COPIED
        warning = "; some terminals take only 100 kB" if much else ""
        self.say(f"copied {len(text):,} characters{warning}")
