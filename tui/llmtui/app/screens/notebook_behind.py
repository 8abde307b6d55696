"""What the chat screen has to do with notebooks: opening one, and the history, which holds both."""

import asyncio
from pathlib import Path

from llmtui.app.screens.chat_part import ChatPart
from llmtui.app.widgets.transcript_view import Entry
from llmtui.errors import LlmtuiError


class NotebookBehind(ChatPart):
    """The chat screen's part that opens notebooks."""

    async def start(self, model: str | None, chat: Path | None) -> None:
        """Open the conversation, or the notebook, and load the model; runs after the first paint."""
        try:
            notebook = chat is not None and await asyncio.to_thread(_is_notebook, chat)
        except LlmtuiError:
            notebook = False  # the controller meets it again, and tells
        if chat is not None and notebook:
            problem = await self.desk.reopen(chat)
            if problem is not None:
                self.say(str(problem))
            else:
                self.action_open_notebook()
            chat = None
        await self.controller.start(model, chat)

    def tell_notebook(self, entry: Entry) -> None:
        """Say above the notebook, too, what went wrong in the chat behind it, e.g. a load."""
        if self.desk.view is not None and entry.kind == "error":
            self.desk.view.say(f"{entry.label} · the chat says more")

    def action_open_notebook(self) -> None:
        """Show the notebook."""
        from llmtui.app.screens.notebook import NotebookScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(NotebookScreen(self.desk, self.controller, self.actions))

    async def reopen(self, path: Path) -> LlmtuiError | None:
        """Go on with a chat or a notebook; what stood in the way is returned."""
        try:
            notebook = await asyncio.to_thread(_is_notebook, path)
        except LlmtuiError as error:
            return error
        return await (self.desk.reopen(path) if notebook else self.controller.reopen(path))


def _is_notebook(path: Path) -> bool:
    """Whether a file holds a notebook, not a chat; reads, so call it from a thread."""
    from llmtui.services.chats import kind_of  # noqa: PLC0415 - not needed for the first paint

    return kind_of(path) == "notebook"
