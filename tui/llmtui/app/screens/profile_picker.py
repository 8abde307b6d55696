"""Choosing a profile."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from llmtui.app import format as fmt
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.bar import FooterBar
from llmtui.app.widgets.table import Column, Row
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.app.controller import ChatController
    from llmtui.domain.profile import Profile
    from llmtui.services.profiles import ProfileSummary

_COLUMNS = (
    Column(name="profile", kept=True),
    Column(name="mode", rank=3),
    Column(name="language", rank=1),
    Column(name="what it is", flexible=True),
    Column(name="from", rank=2),
)


class ProfilePicker(PickerScreen[str]):
    """Lists the profiles; Enter uses one from the next turn on. Dismisses with its name once it is in use.

    Args:
        controller: whose conversation takes the profile.
        list_profiles: reads them; runs in a thread.
        actions: the registry with the user's keys.
    """

    SCOPE = "profiles"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "profiles")]
    TITLE = "Profiles"
    HINT = "Enter uses it from now on · text, infill: {notebook} · Esc closes"
    DEFAULT_CSS = "ProfilePicker #keys { padding: 0; }"

    def __init__(
        self,
        controller: "ChatController",
        list_profiles: "Callable[[], Sequence[ProfileSummary]]",
        actions: Sequence[Action] = ACTIONS,
    ) -> None:
        super().__init__(self.TITLE, "type to filter", _COLUMNS)
        self._controller = controller
        self._list_profiles = list_profiles
        self._actions = tuple(actions)
        self._found: dict[str, Profile] = {}

    def compose_below(self) -> ComposeResult:
        """The keys."""
        yield FooterBar(footer_actions(self._actions, "profiles"), id="keys")

    def on_mount(self) -> None:
        """Read the files without holding up the screen."""
        super().on_mount()
        self.look_again()

    def look_again(self, mark: str | None = None) -> None:
        """Read the profiles, again after one was saved; `mark` names the row to be marked."""
        self.run_worker(self._list(mark or self._controller.profile.name), group="list", exclusive=True)

    def chosen(self, choice: str) -> None:
        """Use it."""
        problem = self._controller.use_profile(self._found[choice])
        if problem is None:
            self.dismiss(choice)
        else:
            self.remark(str(problem), error=True)

    def action_edit_profile(self) -> None:
        """Open the marked profile in the editor."""
        from llmtui.app.screens.profile_editor import ProfileEditor  # noqa: PLC0415 - not needed for the first paint

        profile = self._found.get(self.marked or "")
        if profile is None:
            self.remark("This file is not valid; correct it with a text editor", error=True)
            return

        def left(name: str | None) -> None:
            if name is not None and self.is_attached:
                self.query_one(Input).value = ""
                self.look_again(name)

        self.app.push_screen(ProfileEditor(self._controller, profile), left)

    async def _list(self, mark: str) -> None:
        try:
            found = await asyncio.to_thread(self._list_profiles)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self._found = {summary.name: summary.profile for summary in found if summary.profile is not None}
        rows = [profile_row(summary, in_use=self._controller.profile.name) for summary in found]
        self.fill(rows, [summary.name for summary in found], preferred=mark)
        self.remark(self.HINT.format(notebook=f"{self._controller.key('open_notebook')} notebook"))


def profile_row(summary: "ProfileSummary", *, in_use: str) -> Row:
    """A profile as a row of the list; the one in use is stressed."""
    profile, name = summary.profile, fmt.name(summary.name)
    origin = {"shipped": "comes along", "user": "yours"}.get(summary.origin, "file")
    problem = (summary.problem or "").removeprefix(summary.path).lstrip(", :")  # the row names the file already
    cells = (name, "", "", "", origin)
    if profile is not None:
        cells = (name, profile.mode, fmt.name(profile.language or ""), fmt.name(profile.description), origin)
    return Row(
        key=summary.name,
        cells=cells,
        search=" ".join(cells),
        problem=None if profile else f"not valid: {fmt.name(problem)}",
        styles={0: "bold $secondary"} if summary.name == in_use else {0: ""},
    )
