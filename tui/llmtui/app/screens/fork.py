"""A turn that is forked: the other model's answer grows beside those that the question has already."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from llmtui.app import format as fmt
from llmtui.app.screens.profile_picker import ProfilePicker
from llmtui.app.screens.side_by_side import SideBySideScreen
from llmtui.services.answers import ShownAnswer

if TYPE_CHECKING:
    from textual.timer import Timer

    from llmtui.app.forking import Forking
    from llmtui.domain.profile import Profile

STREAM_S = 0.4
"""Between two repaints of the answer that grows."""


class ForkScreen(SideBySideScreen):
    """Begins the fork when it opens. Dismisses as `SideBySideScreen`, never while the answer is being written.

    Args:
        forking: what goes on.
        spawn: runs work in the background, whichever screen is shown.
    """

    def __init__(
        self,
        forking: "Forking",
        spawn: Callable[[Coroutine[object, object, None], str], None],
    ) -> None:
        answers = (*forking.answers, forking.shown())
        super().__init__(f"fork to {forking.info.name}", answers, mark=len(answers) - 1, may_go_on=True)
        self.forking = forking
        self._spawn = spawn
        self._beat: Timer | None = None

    def on_mount(self) -> None:
        """Show the answers there are, and begin."""
        super().on_mount()
        self._beat = self.set_interval(STREAM_S, self._show)
        self._spawn(self.forking.run(), "fork")

    @property
    def legend(self) -> str:
        """How the answer is stopped while it grows."""
        stops = f"{self.key('side_leave')} stops the answer and keeps what has come of it"
        return stops if self.forking.running else super().legend

    def action_side_leave(self) -> None:
        """Stop the answer and keep what has come of it; once it has ended, go back."""
        if self.forking.running:
            self.say("stopping …")
            self._spawn(self._stop(), "fork-stop")
        else:
            self.dismiss(None)

    def action_side_go_on(self) -> None:
        """Let the chat go on with the marked answer, unless it is not there yet, or nothing came of it."""
        if self.forking.running:
            self.with_model = False
            self.say(f"The answer is still being written; {self.key('side_leave')} stops it")
        elif self.marked.message_id is None:
            self.with_model = False
            self.say("Nothing came of this answer; mark another one")
        else:
            self.dismiss(self.marked)

    async def _stop(self) -> None:
        await self.forking.stop()
        self._show()

    def _show(self) -> None:
        at, answer = len(self.forking.answers), self.forking.shown()
        if answer != self.answers[at]:
            self.replace(at, answer)
        if not self.forking.running and self._beat is not None:
            self._beat.stop()
            self._beat = None
            self.say(self._told(answer))

    def _told(self, answer: ShownAnswer) -> str:
        if self.forking.remark:
            return fmt.name(self.forking.remark)
        back, go_on, with_model = map(self.key, ("side_leave", "side_go_on", "side_go_on_model"))
        if answer.message_id is None:
            return f"Nothing came of it; the conversation is as it was. {back} goes back"
        return f"Kept as another version: {go_on} goes on with it, {with_model} with its model, too; {back} goes back"


class ForkProfilePicker(ProfilePicker):
    """Asks with which profile the other model is to answer; the chat's own is marked. Dismisses with its name."""

    TITLE = "Fork: with which profile"
    HINT = "Enter has the model answer with it; the chat keeps its own · Esc closes"

    def chosen(self, choice: str) -> None:
        """Take it."""
        self.dismiss(choice)

    def profile(self, name: str) -> "Profile | None":
        """One that was chosen; None where it is the chat's, with what was changed over it."""
        return None if name == self._controller.profile.name else self._found[name]
