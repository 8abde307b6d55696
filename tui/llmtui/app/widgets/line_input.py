"""An input line that takes what is safe to show."""

from textual.suggester import Suggester
from textual.widgets import Input

from llmtui.domain.text import UNSAFE_RANGES


class LineInput(Input):
    """One line, of one row, without control characters: a paste may hold anything, and `Input` shows it as it is."""

    def __init__(
        self,
        value: str | None = None,
        placeholder: str = "",
        *,
        suggester: Suggester | None = None,
        max_length: int = 0,
        select_on_focus: bool = True,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(
            value,
            placeholder,
            compact=True,
            restrict=rf"[^\t\n{UNSAFE_RANGES}]*",
            suggester=suggester,
            max_length=max_length,
            select_on_focus=select_on_focus,
            id=id,
        )
        self.cursor_blink = False
