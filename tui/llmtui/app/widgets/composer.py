"""The input line: grows with the text, sends on Enter, remembers what was sent, folds long pastes."""

from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import TextArea
from textual.widgets.text_area import EditResult, Location, Selection

from llmtui.app.actions import NEWLINE_KEYS
from llmtui.app.widgets.edited_area import EditedArea, editing_bindings
from llmtui.app.widgets.paste import Pastes, is_long
from llmtui.domain.text import visible

MOST_ROWS: Final = 6
HISTORY: Final = 200
"""Sent texts that are remembered."""
_FREE_KEYS: Final = {"ctrl+y", "super+y", "up", "down", "pageup", "pagedown", "f6", "f7"}
"""Keys of a text area that the program needs for itself, or that mean something else here."""


class Composer(EditedArea, inherit_bindings=False):
    """A text area that sends.

    Enter sends; Ctrl+J, Shift+Enter and Alt+Enter break the line. Up on the first row and Down on the last walk
    through what was sent; the draft waits at the end of them.
    """

    DEFAULT_CSS = """
    Composer {
        height: auto;
        min-height: 1;
        max-height: 6;
        border: none;
        padding: 0;
        background: $background;
        scrollbar-size-vertical: 1;
    }
    Composer:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *editing_bindings(_FREE_KEYS),
        Binding("up", "up", "Up, or an earlier message", show=False),
        Binding("down", "down", "Down, or a later message", show=False),
        Binding("ctrl+shift+z", "redo", "Redo", show=False),
    ]

    class Submitted(Message):
        """Enter was pressed on a text that is not blank; the composer is empty again.

        Attributes:
            text: with pastes expanded.
        """

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class DraftChanged(Message):
        """The text changed.

        Attributes:
            text: with pastes expanded.
        """

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(
        self,
        *,
        placeholder: str = "",
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        self._pastes = Pastes()  # the cursor's first position is checked against it
        super().__init__(
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            tab_behavior="focus",
            placeholder=Content(placeholder),
            id=id,
            classes=classes,
        )
        self.cursor_blink = False
        self.match_cursor_bracket = False
        self._sent: list[str] = []
        self._at = 0
        self._waiting_draft = ""
        self._most_rows = 0

    # What goes in and out

    @property
    def draft(self) -> str:
        """The text, with pastes expanded."""
        return self._pastes.expand(self.text)

    def set_draft(self, text: str) -> None:
        """Put a text into the input line, long ones folded, the cursor behind it."""
        self._at = len(self._sent)
        self._show(text)

    def set_history(self, texts: list[str]) -> None:
        """What was sent before, oldest first."""
        self._sent = texts[-HISTORY:]
        self._at = len(self._sent)

    def action_submit(self) -> None:
        """Send the text, unless it is blank."""
        text = self.draft
        if not text.strip():
            return
        if not self._sent or self._sent[-1] != text:
            self._sent = [*self._sent, text][-HISTORY:]
        self._at = len(self._sent)
        self._waiting_draft = ""
        self._pastes.clear()
        self.load_text("")
        self.post_message(self.Submitted(text))

    def action_newline(self) -> None:
        """Break the line."""
        self._replace_via_keyboard("\n", *self.selection)

    def insert_pasted(self, text: str) -> None:
        """Insert a text from the clipboard: line ends unified, controls made visible, folded when it is long."""
        text = visible(text)
        if is_long(text):
            text = self._pastes.fold(text)
        self._replace_via_keyboard(text, *self.selection)

    def _show(self, text: str) -> None:
        self._pastes.clear()
        text = visible(text)
        self.load_text(self._pastes.fold(text) if is_long(text) else text)
        self.move_cursor(self.document.end)

    # Walking through what was sent

    def action_up(self) -> None:
        """A row up; from the first one, the text sent before."""
        if not self.navigator.is_first_wrapped_line(self.cursor_location):
            self.action_cursor_up()
        elif self._at > 0:
            if self._at == len(self._sent):
                self._waiting_draft = self.draft
            self._at -= 1
            self._show(self._sent[self._at])
        else:
            self.action_cursor_line_start()

    def action_down(self) -> None:
        """A row down; from the last one, the text sent after, and at last the draft."""
        if not self.navigator.is_last_wrapped_line(self.cursor_location):
            self.action_cursor_down()
        elif self._at < len(self._sent):
            self._at += 1
            self._show(self._waiting_draft if self._at == len(self._sent) else self._sent[self._at])
        else:
            self.action_cursor_line_end()

    # Editing by what people see as one character

    def get_cursor_left_location(self) -> Location:
        """Past a grapheme or a folded paste."""
        row, column = self.cursor_location
        for start, end in self._pastes.chips_in(self.document.get_line(row)):
            if start < column <= end:
                return row, start
        return super().get_cursor_left_location()

    def get_cursor_right_location(self) -> Location:
        """Past a grapheme or a folded paste."""
        row, column = self.cursor_location
        for start, end in self._pastes.chips_in(self.document.get_line(row)):
            if start <= column < end:
                return row, end
        return super().get_cursor_right_location()

    def get_cursor_word_left_location(self) -> Location:
        """A word to the left, or a folded paste."""
        return self._outside_chip(super().get_cursor_word_left_location(), last=False)

    def get_cursor_word_right_location(self) -> Location:
        """A word to the right, or a folded paste."""
        return self._outside_chip(super().get_cursor_word_right_location(), last=True)

    def _outside_chip(self, location: Location, *, last: bool) -> Location:
        row, column = location
        for start, end in self._pastes.chips_in(self.document.get_line(row)):
            if start < column < end:
                return row, end if last else start
        return location

    def _validate_selection(self, selection: Selection) -> Selection:
        """Keep the cursor out of folded pastes: typing into one would break it."""
        start, end = super()._validate_selection(selection)
        return Selection(self._outside_chip(start, last=start > end), self._outside_chip(end, last=end >= start))

    def _delete_via_keyboard(self, start: Location, end: Location) -> EditResult | None:
        """A deletion takes a folded paste as a whole or not at all."""
        text_end = self.document.end  # deleting the last line as a whole reaches past it
        first, last = sorted((min(start, text_end), min(end, text_end)))
        if first == last:
            return None
        return super()._delete_via_keyboard(self._outside_chip(first, last=False), self._outside_chip(last, last=True))

    # Events

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.action_submit()
        elif event.key in NEWLINE_KEYS:
            event.stop()
            event.prevent_default()
            self.action_newline()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Tell the new text."""
        event.stop()
        self.post_message(self.DraftChanged(self.draft))

    def on_mount(self) -> None:
        """Never take more than a third of the screen, nor more than six rows."""
        self.screen.screen_layout_refresh_signal.subscribe(self, self._screen_laid_out, immediate=True)

    def _screen_laid_out(self, screen: Screen[object]) -> None:
        most = max(1, min(MOST_ROWS, screen.size.height // 3))
        if self._most_rows != most:
            self._most_rows = most
            self.styles.max_height = most
