"""One answer of a run: prompt, answer, scores and figures, and the ways to the answers beside it."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app import run_captions as captions
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.entries import error_entry
from llmtui.app.run_entries import answer_entries, no_answer
from llmtui.app.screens.scoped import ReadingScreen
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.transcript_view import TranscriptView
from llmtui.domain.text import visible
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.runs.grid import GridRow, Mark
    from llmtui.services.runs.open_run import Answer, OpenRun

REFRESH_S = 0.5


class AnswerScreen(ReadingScreen[tuple["GridRow", str]]):
    """Lies over the grid; dismisses with the sample and the model that were shown last.

    Args:
        run: whose answers they are.
        row: the sample.
        model: the model.
        actions: the registry with the user's keys.
    """

    SCOPE = "answer"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "answer")]
    DEFAULT_CSS = """
    AnswerScreen {
        #answer-header { background: $surface; padding: 0 1; }
        #answer-text { height: 1fr; }
        #answer-remark { padding: 0 1; color: $text-muted; }
    }
    """

    def __init__(self, run: "OpenRun", row: "GridRow", model: str, actions: Sequence[Action]) -> None:
        super().__init__()
        self._run = run
        self._row = row
        self._model = model
        self._epoch = 0
        self._actions = tuple(actions)
        self._answer: Answer | None = None
        self._shown: Mark | None = None
        self._opened = False
        self._settings = False

    def compose(self) -> ComposeResult:
        """Which answer, its text, a remark, the keys."""
        yield Bar(id="answer-header")
        yield TranscriptView(id="answer-text")
        yield Bar(id="answer-remark")
        yield FooterBar(footer_actions(self._actions, "answer"))

    def on_mount(self) -> None:
        """Read the answer; one that is still to come is shown when it does."""
        self._text = self.pane = self.query_one(TranscriptView)
        self.set_interval(REFRESH_S, self._look_again)
        self.call_after_refresh(self._load)

    # What is shown

    @property
    def mark(self) -> "Mark | None":
        """What the answer came to."""
        return self._run.grid.cell(self._row, self._model).marks[self._epoch]

    def _look_again(self) -> None:
        if self.mark != self._shown:
            self._load()

    def _load(self) -> None:
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        self._shown = mark = self.mark
        self.query_one("#answer-header", Bar).show(*captions.answer_header(self._row, self._model, self._epoch, mark))
        self._answer = None
        if mark is not None and mark.key is not None:
            try:
                self._answer = await asyncio.to_thread(self._run.answer, mark.key)
            except LlmtuiError as error:
                self._text.set_entries([error_entry("unreadable", error)])
                return
        self._lay_out()
        self.action_end(0)

    def _lay_out(self) -> None:
        if self._answer is None:
            self._text.set_entries(no_answer(self._shown))
        else:
            self._text.set_entries(answer_entries(self._answer, opened=self._opened, settings=self._settings))

    def say(self, text: str) -> None:
        """Show a remark below the answer, until another one is shown."""
        self.query_one("#answer-remark", Bar).show(Content.styled(fmt.name(text), "$text-muted"))

    def _go(self, rows: int = 0, columns: int = 0) -> None:
        grid = self._run.grid
        models = [column.model for column in grid.columns]
        here = next((at for at, row in enumerate(grid.rows) if row == self._row), 0)
        at, column = here + rows, models.index(self._model) + columns
        if not (0 <= at < len(grid.rows) and 0 <= column < len(models)):
            self.say("There is no other in this direction")
            return
        if rows:
            self._epoch = 0
        self._row, self._model = grid.rows[at], models[column]
        self.say("")
        self._load()

    # Keys

    def action_answer_before(self) -> None:
        """The sample before."""
        self._go(rows=-1)

    def action_answer_after(self) -> None:
        """The sample after."""
        self._go(rows=1)

    def action_answer_left(self) -> None:
        """The model to the left."""
        self._go(columns=-1)

    def action_answer_right(self) -> None:
        """The model to the right."""
        self._go(columns=1)

    def action_answer_epoch(self) -> None:
        """The next epoch, the first after the last."""
        if self._row.epochs == 1:
            self.say("This sample is asked once")
            return
        self._epoch = (self._epoch + 1) % self._row.epochs
        self._load()

    def action_answer_thoughts(self) -> None:
        """Open or fold what the model thought."""
        if self._answer is None or not self._answer.record.reasoning:
            self.say("The model told no thoughts")
            return
        self._opened = not self._opened
        self._lay_out()
        self.action_end(0)

    def action_answer_settings(self) -> None:
        """Show or hide what the answer came from; they stand at the end."""
        self._settings = not self._settings
        self._lay_out()
        self.action_end(int(self._settings))

    def action_answer_copy(self) -> None:
        """Copy the answer."""
        if self._answer is None or not self._answer.record.content:
            self.say("There is no answer to copy")
            return
        text = visible(self._answer.record.content)
        self.app.copy_to_clipboard(text)
        self.say(f"copied {len(text):,} characters")

    def action_answer_leave(self) -> None:
        """Back to the grid, to the cell that was shown last."""
        self.dismiss((self._row, self._model))
