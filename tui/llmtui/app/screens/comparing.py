"""What the chat screen does with answers that stand for one another: laying them side by side."""

from typing import TYPE_CHECKING

from llmtui.app.screens.messages import MessageScreen
from llmtui.errors import UsageError

if TYPE_CHECKING:
    from llmtui.domain.messages import Message
    from llmtui.services.answers import ShownAnswer


class ComparingScreen(MessageScreen):
    """The chat screen's part that compares."""

    def action_compare_answers(self) -> None:
        """Lay the versions of the marked or last answer side by side."""
        from llmtui.app.screens.side_by_side import SideBySideScreen  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.answers import beside  # noqa: PLC0415 - as above

        session = self.controller.session
        meant = self._meant()
        if session is None or meant is None:
            self.say("There is no answer yet")
            return
        thread = session.thread
        answers, mark = beside(thread.tree, session.turns, meant.id, system=session.system)
        if len(answers) < 2:
            self.say(f"There is one version only; {self.controller.key('resend')} answers again")
            return
        title = f"{len(answers)} answers to the same question"
        screen = SideBySideScreen(title, answers, mark=mark, may_go_on=True)
        self.app.push_screen(screen, lambda answer: self.go_on_with(answer, with_model=screen.with_model))

    def go_on_with(self, answer: "ShownAnswer | None", *, with_model: bool = False) -> None:  # noqa: ARG002 - for those that load
        """Let the conversation go on from an answer that was laid beside others."""
        session = self.controller.session
        if session is None or answer is None or answer.message_id is None:
            return
        try:
            session.thread.show_version(answer.message_id)
        except UsageError as error:
            self.say(str(error))
            return
        self._browser.end()
        self.controller.show_conversation()

    def _meant(self) -> "Message | None":
        """The marked message, else the last answer, or the last question."""
        session = self.controller.session
        messages = session.messages if session is not None else ()
        marked = next((message for message in messages if message.id == self._browser.marked), None)
        answers = [message for message in messages if message.role == "assistant"]
        return marked or (answers[-1] if answers else None)
