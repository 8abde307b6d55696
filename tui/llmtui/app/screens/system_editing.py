"""The way from the chat to its system message."""

from llmtui.app.screens.chat_part import ChatPart


class SystemEditing(ChatPart):
    """The chat screen's part that changes the system message."""

    def action_edit_system(self) -> None:
        """Show the system message in force, to be changed."""
        from llmtui.app.screens.system_message import SystemScreen  # noqa: PLC0415 - not needed for the first paint

        session = self.controller.session
        if session is None:
            return
        settled = session.settled(self.controller.loaded)

        def done(said: str | None) -> None:
            if said is not None:
                self.say(said)
                self.controller.show_conversation()
                self.recount()

        text = session.system or settled.system or ""
        self.app.push_screen(SystemScreen(session, text, settled.origins.get("system")), done)
