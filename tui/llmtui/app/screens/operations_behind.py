"""What goes on behind the chat: downloads and quantisations begun here, shown, and told of when they end."""

from typing import TYPE_CHECKING

from llmtui.app import format as fmt
from llmtui.app.actions import key_of
from llmtui.app.entries import error_entry, failure_entry
from llmtui.app.screens.chat_part import ChatPart

if TYPE_CHECKING:
    from llmtui.app.operations import Operation


class OperationsBehind(ChatPart):
    """The chat screen's part that begins operations and tells their end."""

    def tell_end(self, operation: "Operation") -> None:
        """Say how an operation ended that went on behind the chat."""
        if operation.state == "done":
            self.say(f"Done: {fmt.name(operation.title)}")
        elif operation.error is not None:
            self.add_entry(error_entry(f"operation-{id(operation)}", operation.error))
        elif operation.defect is not None:
            self.add_entry(failure_entry(f"operation-{id(operation)}", operation.defect))

    def action_show_operation(self) -> None:
        """Show the oldest operation that is under way."""
        from llmtui.app.screens.progress import ProgressScreen  # noqa: PLC0415 - not needed for the first paint

        running = self.app.operations.running
        if running and running[0].show is not None:
            running[0].show()
        elif running:
            self.app.push_screen(ProgressScreen(running[0]))
        else:
            self.say("Nothing is being pulled or made")

    def action_pull_model(self) -> None:
        """Pull a model; what was pulled can be opened then."""
        from llmtui.app.screens.pull import PullScreen  # noqa: PLC0415 - not needed for the first paint

        key = key_of(self.app.actions, "pick_model")

        def pulled(path: str | None) -> None:
            if path is not None:
                self.say(f"The model is here. {key} opens it.")

        self.app.push_screen(PullScreen(self.app.services), pulled)
