"""One answer of a run: prompt, answer, scores and figures, and the ways to the answers beside it."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen

from llmtui.app import run_captions as captions
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.entries import error_entry
from llmtui.app.run_entries import answer_entries, no_answer
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.transcript_view import TranscriptView
from llmtui.domain.text import visible
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp
    from llmtui.services.runs.grid import GridRow, Mark
    from llmtui.services.runs.open_run import Answer, OpenRun

REFRESH_S = 0.5


class AnswerScreen(Screen[tuple["GridRow", str]]):
    """Lies over the grid; dismisses with the sample and the model that were shown last.

    Args:
        run: whose answers they are.
        row: the sample.
        model: the model.
        actions: the registry with the user's keys.
    """

    app: "LlmtuiApp"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS, "answer"),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("pageup,ctrl+u", "page(-1)", show=False),
        Binding("pagedown,space,ctrl+d", "page(1)", show=False),
        Binding("home,g,ctrl+home", "end(0)", show=False),
        Binding("end,G,ctrl+end", "end(1)", show=False),
    ]
    DEFAULT_CSS = """
    AnswerScreen {
        layout: vertical; background: $background; overflow: hidden;
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
        self._text = self.query_one(TranscriptView)
        self.set_interval(REFRESH_S, self._look_again)
        self.call_after_refresh(self._load)

    def on_resize(self, event: events.Resize) -> None:
        """Say so when the terminal is too small."""
        self.app.fit_to(event.size.width, event.size.height)

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

    def _say(self, text: str) -> None:
        self.query_one("#answer-remark", Bar).show(Content.styled(text, "$text-muted"))

    def _go(self, rows: int = 0, columns: int = 0) -> None:
        grid = self._run.grid
        models = [column.model for column in grid.columns]
        here = next((at for at, row in enumerate(grid.rows) if row == self._row), 0)
        at, column = here + rows, models.index(self._model) + columns
        if not (0 <= at < len(grid.rows) and 0 <= column < len(models)):
            self._say("There is no other in this direction")
            return
        if rows:
            self._epoch = 0
        self._row, self._model = grid.rows[at], models[column]
        self._say("")
        self._load()

    # Keys

    @on(FooterBar.Pressed)
    async def _pressed(self, message: FooterBar.Pressed) -> None:
        await self.run_action(message.action.call)

    def action_scroll(self, rows: int) -> None:
        """Scroll by rows."""
        self._text.scroll_relative(y=rows, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by a screen, less a row."""
        (self._text.action_page_down if pages > 0 else self._text.action_page_up)()

    def action_end(self, end: int) -> None:
        """Go to the start or the end."""
        (self._text.action_scroll_end if end else self._text.action_scroll_home)()

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
            self._say("This sample is asked once")
            return
        self._epoch = (self._epoch + 1) % self._row.epochs
        self._load()

    def action_answer_thoughts(self) -> None:
        """Open or fold what the model thought."""
        if self._answer is None or not self._answer.record.reasoning:
            self._say("The model told no thoughts")
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
            self._say("There is no answer to copy")
            return
        text = visible(self._answer.record.content)
        self.app.copy_to_clipboard(text)
        self._say(f"copied {len(text):,} characters")

    def action_answer_leave(self) -> None:
        """Back to the grid, to the cell that was shown last."""
        self.dismiss((self._row, self._model))
