"""Changing the system message of a chat: what is in force and where it comes from, in an editor of several lines."""

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from llmtui.app import format as fmt
from llmtui.app.actions import ACTIONS, bindings, footer_actions
from llmtui.app.screens.scoped import ScopedScreen
from llmtui.app.widgets.bar import FooterBar
from llmtui.app.widgets.edited_area import EditedArea
from llmtui.domain.text import UNSAFE, visible
from llmtui.errors import UsageError

if TYPE_CHECKING:
    from llmtui.services.session import ChatSession

_FROM = {
    "chat": "this chat began with it",
    "config": "from the configuration",
    "edit": "changed by you in this chat",
    "flag": "from the command line",
    "model": "from the model's publisher",
}
_NONE = "None is sent; the model's template may write one of its own"


class SystemScreen(ModalScreen[str | None], ScopedScreen[str | None]):
    """Dismisses with what there is to say of the change; None when there was none.

    Args:
        session: whose system message it is.
        loaded_origin: where the message in force comes from, as `Layer.origin`; None when there is none.
        text: of the message in force.
    """

    SCOPE = "system"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "system")]
    DEFAULT_CSS = """
    SystemScreen {
        align: center middle; background: $background 60%;
        #box { width: 96%; max-width: 100; height: 70%; max-height: 24; min-height: 10; padding: 0 1;
               background: $surface; border: round $primary; border-title-color: $primary; }
        #origin { width: 1fr; height: auto; max-height: 2; color: $text-muted; }
        #text { height: 1fr; border: none; padding: 0; margin: 1 0; background: $panel; scrollbar-size-vertical: 1; }
        #remark { width: 1fr; height: auto; max-height: 3; color: $text-muted; }
        #remark.-error { color: $error; }
        #keys { padding: 0; }
    }
    """

    def __init__(self, session: "ChatSession", text: str, origin: str | None) -> None:
        super().__init__()
        self._session = session
        self._text = visible(text) if UNSAFE.search(text) else text
        self._origin = origin
        self._warned = False

    def compose(self) -> ComposeResult:
        """Where it comes from, the text, a remark, the keys."""
        with Vertical(id="box") as box:
            box.border_title = Content("System message")
            yield Static(_described(self._origin), id="origin", markup=False)
            area = EditedArea(self._text, id="text", tab_behavior="focus")
            area.cursor_blink = False
            yield area
            yield Static("It counts from the next turn on; empty, none is sent", id="remark", markup=False)
            yield FooterBar(footer_actions(self.app.actions, "system"), id="keys")

    def on_mount(self) -> None:
        """Write at the end."""
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._warned = False

    def action_save_system(self) -> None:
        """Take it as it is written."""
        text = self.query_one(TextArea).text
        if text == self._text:
            self.dismiss(None)
            return
        said = "The system message counts from the next turn on" if text.strip() else "No system message is sent now"
        self._do(text, said)

    def action_own_system(self) -> None:
        """Take the user's own back."""
        if self._session.thread.system_edit is None:
            self._tell("Nothing was changed in this chat")
        else:
            self._do(None, "The system message is the one from before the change again")

    def action_leave_system(self) -> None:
        """Close; what was written is given up at the second time only."""
        if self.query_one(TextArea).text != self._text and not self._warned:
            self._warned = True
            leave, save = self.key("leave_system"), self.key("save_system")
            self._tell(f"It was changed: {leave} again gives the change up, {save} saves it")
            return
        self.dismiss(None)

    def _do(self, text: str | None, said: str) -> None:
        try:
            self._session.thread.edit_system(text)
        except UsageError as error:
            self._tell(str(error))
            return
        self.dismiss(said)

    def _tell(self, text: str) -> None:
        remark = self.query_one("#remark", Static)
        remark.add_class("-error")
        remark.update(fmt.name(text))


def _described(origin: str | None) -> str:
    """Where the message in force comes from, in words."""
    if origin is None:
        return _NONE
    told = _FROM.get(origin)
    return fmt.name(f"In force: {told or f'from the {origin}'}")
