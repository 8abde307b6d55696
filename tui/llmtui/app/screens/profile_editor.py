"""Changing a profile: a line for each field, checked while it is typed, with what is used and where it comes from."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static, TextArea

from llmtui.app import format as fmt
from llmtui.app.actions import ACTIONS, bindings, footer_actions
from llmtui.app.screens.scoped import ScopedScreen
from llmtui.app.widgets.bar import FooterBar
from llmtui.app.widgets.edited_area import EditedArea
from llmtui.app.widgets.line_input import LineInput
from llmtui.domain.profile import Profile
from llmtui.domain.profile_fields import FIELDS, Field, check, profile_of, texts_of
from llmtui.domain.text import UNSAFE, visible
from llmtui.errors import LlmtuiError
from llmtui.services.profiles import is_taken, save_profile

if TYPE_CHECKING:
    from llmtui.app.controller import ChatController

_HEADINGS = {
    "profile": "Profile",
    "character": "Character · in the modes chat and chat-instruct",
    "generation": "Generation · what is used now stands at the right",
    "runtime": "Runtime · counts from the next load of a model",
}


_SETTINGS = frozenset({"generation", "runtime"})
"""Headings under which each field shows what is used."""
_DEFAULTS = {"mode": "instruct", "overflow": "stop", "character.name": "AI", "character.user_name": "You"}


class _Form(VerticalScroll, inherit_bindings=False, can_focus=False):
    """Scrolls with the field that has the keyboard; Up and Down belong to the fields."""


class ProfileEditor(ModalScreen[str | None], ScopedScreen[str | None]):
    """Dismisses with the name under which the profile was saved, or None.

    Args:
        controller: whose conversation the profile can be tried in.
        profile: to begin with.
    """

    SCOPE = "editor"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS, "editor"),
        Binding("escape", "leave", show=False, priority=True),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]
    DEFAULT_CSS = """
    ProfileEditor {
        align: center middle; background: $background 60%;
        #box { width: 96%; max-width: 124; height: 94%; padding: 0 1;
               background: $surface; border: round $primary; border-title-color: $primary; }
        #form { height: 1fr; scrollbar-size-vertical: 1; }
        .heading { color: $primary; text-style: bold; margin-top: 1; height: 1; }
        .field { height: auto; }
        .field Horizontal { height: auto; }
        .label { width: 20; color: $text-muted; }
        .used { width: 28; height: 1; color: $text-muted; padding-left: 1; }
        .field Input { width: 1fr; background: $panel; }
        .field TextArea { width: 1fr; height: 4; border: none; padding: 0; background: $panel; }
        .error { display: none; color: $error; height: auto; padding-left: 20; }
        .field.-wrong .error { display: block; }
        #remark { height: auto; max-height: 3; color: $text-muted; }
        #remark.-error { color: $error; }
        #keys { padding: 0; }
    }
    """

    def __init__(self, controller: "ChatController", profile: Profile) -> None:
        super().__init__()
        self._controller = controller
        self._original = profile
        self._texts = texts_of(profile)
        self._saved = dict(self._texts)
        self._saved_as: str | None = None
        self._warned = ""
        self._wrong: dict[str, None] = {}

    def compose(self) -> ComposeResult:
        """The fields under their headings, a remark, the keys."""
        with Vertical(id="box") as box:
            box.border_title = Content(f"Profile {fmt.name(self._original.name)}")
            with _Form(id="form"):
                group = ""
                for field in FIELDS:
                    if field.group != group:
                        group = field.group
                        yield Static(_HEADINGS[group], classes="heading", markup=False)
                    yield from self._line(field)
            yield Static(id="remark", markup=False)
            yield FooterBar(footer_actions(self.app.actions, "editor"), id="keys")

    def _line(self, field: Field) -> Iterator[Vertical]:
        text, name = self._texts[field.path], _widget_id(field)
        entry: Input | TextArea
        if field.kind == "prose":
            entry = EditedArea(visible(text) if UNSAFE.search(text) else text, id=name, tab_behavior="focus")
            entry.cursor_blink = False
        else:
            suggester = SuggestFromList(field.choices) if field.choices else None
            hint = _DEFAULTS.get(field.path, "")
            entry = LineInput(text, hint, id=name, suggester=suggester, select_on_focus=False)
        error = Static(id=f"error-{name}", classes="error", markup=False)
        label = Static(field.label, classes="label", markup=False)
        used = [Static(id=f"used-{name}", classes="used", markup=False)] if field.group in _SETTINGS else []
        yield Vertical(Horizontal(label, entry, *used), error, classes="field", id=f"line-{name}")

    def on_mount(self) -> None:
        """Begin with the description; the name is known."""
        self.query_one("#f-description").focus()
        self._show_used()
        self._tell()

    # Typing

    @on(Input.Changed)
    @on(TextArea.Changed)
    def _changed(self, event: Input.Changed | TextArea.Changed) -> None:
        widget = event.control
        text = widget.text if isinstance(widget, TextArea) else widget.value
        field = next(field for field in FIELDS if _widget_id(field) == widget.id)
        if widget.id is None or text == self._texts[field.path]:
            return
        self._texts[field.path] = text
        self._warned = ""
        wrong = check(field, text)
        self._wrong.pop(field.path, None)
        if wrong is not None:
            self._wrong[field.path] = None
        self.query_one(f"#error-{widget.id}", Static).update(fmt.name(wrong or ""))
        self.query_one(f"#line-{widget.id}").set_class(wrong is not None, "-wrong")
        self._show_used()
        self._tell()

    def _show_used(self) -> None:
        """What each setting would be with the form as it is, and where it comes from."""
        try:
            settings = self._controller.settings_with(profile_of(self._texts))
        except (ValueError, LlmtuiError):  # told when it is saved or tried
            return
        for setting in settings:
            path = setting.name if setting.name.startswith("runtime.") else f"generation.{setting.name}"
            origin = "profile" if setting.origin.startswith("profile ") else setting.origin
            value = fmt.name(setting.text)
            value = value if len(value) <= 12 else f"{value[:11]}…"
            self.query_one(f"#used-{_id_of(path)}", Static).update(Content(f"{value} · {origin}"))

    def _profile(self) -> Profile | None:
        """The profile of the form; None, with the reason told, when it is not valid."""
        try:
            return profile_of(self._texts)
        except ValueError as error:
            wrong = next((field for field in FIELDS if check(field, self._texts[field.path])), None)
            if wrong is not None:
                self.query_one(f"#{_widget_id(wrong)}").focus()
            self._tell(f"{wrong.path}: {check(wrong, self._texts[wrong.path])}" if wrong else str(error), error=True)
            return None

    def _tell(self, text: str | None = None, *, error: bool = False) -> None:
        remark = self.query_one("#remark", Static)
        idle = "Tab and ↑↓ go from field to field; what is empty is not set · Esc closes"
        invalid = f" · not valid: {', '.join(self._wrong)}" if self._wrong else ""
        changed = idle if self._texts == self._saved else f"changed, not saved{invalid}"
        remark.set_class(error, "-error")
        remark.update(fmt.name(text or changed))

    # Keys

    def action_leave(self) -> None:
        """Close; unsaved changes are discarded at the second time only."""
        if self._texts != self._saved and self._warned != "leave":
            self._warned = "leave"
            self._tell(
                f"There are unsaved changes: Esc again discards them, {self.key('save_profile')} saves", error=True
            )
            return
        self.dismiss(self._saved_as)

    def action_try_profile(self) -> None:
        """Use the form as it is from the next turn on, without saving it."""
        profile = self._profile()
        if profile is None:
            return
        saved = self._original.generation
        edits = {name: value for name, value in profile.generation.items() if name not in saved or saved[name] != value}
        kept = {name: value for name, value in profile.generation.items() if name not in edits}
        problem = self._controller.use_profile(msgspec.structs.replace(profile, generation=kept), edits)
        self._tell(str(problem) if problem else "in use from the next turn on, not saved", error=problem is not None)

    async def action_save_profile(self) -> None:
        """Write it into the user's folder, under the name in the form."""
        profile = self._profile()
        if profile is None:
            return
        folders = self._controller.services.folders
        name = profile.name
        if name != self._saved["name"] and self._warned != "save" and await asyncio.to_thread(is_taken, folders, name):
            self._warned = "save"
            self._tell(
                f"A profile of yours is called {name} already: {self.key('save_profile')} again replaces it", error=True
            )
            return
        try:
            path = await asyncio.to_thread(partial(save_profile, folders, profile))
        except LlmtuiError as error:
            self._tell(str(error), error=True)
            return
        self._saved, self._saved_as, self._original = dict(self._texts), name, profile
        problem = self._controller.use_profile(profile) if self._controller.profile.name == name else None
        self.query_one("#box").border_title = Content(f"Profile {fmt.name(name)}")
        self._tell(f"saved in {path}" + (f", not in use: {problem}" if problem else ""), error=problem is not None)


def _id_of(path: str) -> str:
    return "f-" + path.replace(".", "-")


def _widget_id(field: Field) -> str:
    return _id_of(field.path)
