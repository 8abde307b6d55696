"""The way from the chat to the answers that wait for a person."""

from llmtui.app.screens.chat_part import ChatPart


class GradingStart(ChatPart):
    """The chat screen's part that opens grading."""

    def action_grade_answers(self) -> None:
        """Grade answers that wait for a person."""
        from llmtui.app.screens.grading import GradingScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(GradingScreen(self.app.services, self.app.actions))
