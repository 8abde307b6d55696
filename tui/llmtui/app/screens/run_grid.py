"""A run's grid: samples down, models across, live while it goes on."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from llmtui.app import run_captions as captions
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.screens.scoped import GridScreen
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.grid_view import GridView
from llmtui.domain.text import visible_line
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.app.run_desk import RunDesk
    from llmtui.services.runs.grid import GridRow, Mark
    from llmtui.services.runs.open_run import OpenRun

REPAINT_S = 0.4
"""Seldom enough to leave the processor to the model."""


class RunGridScreen(GridScreen[None]):
    """Lies over the chat, which goes on below it.

    Args:
        run: of the past, or under way.
        desk: lets runs go on.
        actions: the registry with the user's keys.
    """

    SCOPE = "grid"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "grid")]
    DEFAULT_CSS = """
    RunGridScreen {
        #grid-header { background: $surface; padding: 0 1; }
        #grid-activity, #grid-remark { padding: 0 1; }
        #grid-note { padding: 0 1; height: auto; max-height: 3; color: $warning; display: none; }
    }
    """

    def __init__(self, run: "OpenRun", desk: "RunDesk", actions: Sequence[Action]) -> None:
        super().__init__()
        self.run = run
        self._desk = desk
        self._actions = tuple(actions)
        self._note = self._noted = ""
        self._stop_asked = False
        self._place: tuple[GridRow | None, str | None] = (None, None)
        self._told: LlmtuiError | None = None

    def compose(self) -> ComposeResult:
        """Which run and how far, what goes on, the grid, the marked cell in words, the keys."""
        yield Bar(id="grid-header")
        yield Bar(id="grid-activity")
        yield GridView(id="grid")
        yield Bar(id="grid-remark")
        yield Static(id="grid-note", markup=False)
        yield FooterBar(self._keys())

    @property
    def _goes_on(self) -> bool:
        return self._desk.run is self.run

    def _keys(self) -> list[Action]:
        """Those that mean something now."""
        grid = self.run.grid
        useless = {"grid_resume"} if self._goes_on or grid.done >= grid.planned else set()
        useless |= set() if self._goes_on else {"grid_stop", "grid_skip"}
        return [action for action in footer_actions(self._actions, "grid") if action.id not in useless]

    def on_mount(self) -> None:
        """Show what is known; the samples without an answer come once their sets have been read."""
        self._view = self.query_one(GridView)
        self.set_interval(REPAINT_S, self._repaint)
        self._repaint()
        self.run_worker(self._read_rows(), exit_on_error=False)

    async def _read_rows(self) -> None:
        rows, problem = await asyncio.to_thread(self.run.rows)
        self.run.take_rows(rows)
        self._repaint()
        if problem is not None:
            self.say(f"not all samples are known any more: {problem}")

    def _repaint(self) -> None:
        grid, running = self.run.grid, self._goes_on
        self._view.show(grid)
        self.query_one("#grid-header", Bar).show(*captions.grid_header(self.run.run, grid, running=running))
        activity = captions.STOPPING if self.run.stopping else captions.activity(self.run.run, grid, running=running)
        self.query_one("#grid-activity", Bar).show(activity)
        self.query_one(FooterBar).show(self._keys())
        operation = self._desk.operation_of(self.run)
        if operation is not None:
            operation.watched = self.is_current
            if operation.error is not None and operation.error is not self._told:
                self._told = operation.error
                self.say(str(operation.error))
        self._show_remark()

    def on_screen_suspend(self) -> None:
        """The end of the run is told elsewhere while another screen is on top."""
        operation = self._desk.operation_of(self.run)
        if operation is not None:
            operation.watched = False

    def on_unmount(self) -> None:
        """As above."""
        self.on_screen_suspend()

    @property
    def _mark(self) -> "Mark | None":
        """Of the marked cell, the epoch that most calls for a look."""
        row, model = self._view.row, self._view.model
        return self.run.mark_of(row, model)[1] if row is not None and model is not None else None

    def _show_remark(self) -> None:
        told = captions.cell_line(self._view.row, self._view.model, self._mark)
        remark, note = self.query_one("#grid-remark", Bar), self.query_one("#grid-note", Static)
        remark.show(told)
        if self._note != self._noted:
            self._noted = self._note
            note.update(self._note)
        remark.display, note.display = not self._note, bool(self._note)

    def say(self, text: str) -> None:
        """Show a remark until the mark moves."""
        self._note, self._place = visible_line(text), (self._view.row, self._view.model)
        self._show_remark()

    # Keys

    @on(GridView.Moved)
    def _moved(self) -> None:
        place = (self._view.row, self._view.model)
        if place != self._place:  # a resize tells of a move, too
            self._place, self._note, self._stop_asked = place, "", False
        self._show_remark()

    @on(GridView.Chosen)
    def action_grid_answer(self) -> None:
        """Open the marked cell's answer."""
        from llmtui.app.screens.run_answer import AnswerScreen  # noqa: PLC0415 - opened from here only

        row, model = self._view.row, self._view.model
        if row is None or model is None:
            self.say("There is no sample to open")
            return

        def left(shown: "tuple[GridRow, str] | None") -> None:
            if shown is not None:
                self._view.go_to(*shown)

        self.app.push_screen(AnswerScreen(self.run, row, model, self._actions), left)

    def action_grid_next(self) -> None:
        """Go to the next failure on the marked model, from the top after the last."""
        grid, row, model = self.run.grid, self._view.row, self._view.model
        if row is None or model is None:
            return
        at = grid.rows.index(row)
        order = [*grid.rows[at + 1 :], *grid.rows[: at + 1]]
        bad = {"failed", "error", "cancelled"}
        found = next((one for one in order if grid.cell(one, model).state in bad), None)
        if found is None:
            self.say("Nothing has failed on this model")
        else:
            self._view.go_to(found, model)

    def action_grid_again(self) -> None:
        """Ask the marked sample again: next where the run goes on, else now."""
        row, model = self._view.row, self._view.model
        if row is None or model is None or not self._is_free():
            return
        if not self.run.ask_again(row, model):
            self.say("It is being asked now")
        elif not self._goes_on:
            self._begin(only_wishes=True)
        self._repaint()

    def action_grid_skip(self) -> None:
        """Leave the marked sample out, or take it in again."""
        row, model = self._view.row, self._view.model
        if row is None or model is None:
            return
        if not self._goes_on:
            self.say("Samples are left out while a run goes on; this one is not asked by itself")
            return
        left_out = self.run.skip(row, model)
        if left_out is None:
            self.say("It has its answer, or is being asked now")
        self._repaint()

    def action_grid_stop(self) -> None:
        """Stop the run, at the second press."""
        if not self._goes_on:
            self.say("This run does not go on now")
        elif self._stop_asked or self.run.stopping:
            self.run.stop()
            self._note = ""
            self._repaint()
        else:
            self.say(f"{self.key('grid_stop')} again stops the run; what is being asked then is asked anew later")
            self._stop_asked = True

    def action_grid_resume(self) -> None:
        """Take the run up again."""
        grid = self.run.grid
        if self._goes_on:
            self.say("This run goes on already")
        elif grid.done >= grid.planned:
            self.say(f"Every sample has its answer; {self.key('grid_again')} asks the marked one again")
        elif self._is_free():
            self._begin()
            self._repaint()

    def _begin(self, *, only_wishes: bool = False) -> None:
        self._note, self._stop_asked = "", False
        self._desk.start(self.run, self.run.manner, only_wishes=only_wishes)

    def action_grid_runs(self) -> None:
        """Show the runs of the past."""
        self.dismiss(None)
        self.app.chat.action_past_runs()

    def _is_free(self) -> bool:
        """Whether this run may go on, or does already; another one may be under way."""
        other = self._desk.run
        if other is None or other is self.run:
            return True
        self.say(f"Run {other.run.id} is under way; two would take each other's memory")
        return False

    def action_grid_grade(self) -> None:
        """Grade what waits for a person."""
        from llmtui.app.screens.grading import GradingScreen  # noqa: PLC0415 - opened from here only

        def graded(_: None) -> None:
            self.run_worker(self._read_again(), group="again", exclusive=True, exit_on_error=False)

        self.app.push_screen(GradingScreen(self.app.services, self._actions, self.run.path), graded)

    async def _read_again(self) -> None:
        try:
            await self.run.read_again()
        except LlmtuiError as error:
            self.say(str(error))
        self._repaint()

    def action_grid_compare(self) -> None:
        """Lay the row's answers side by side."""
        self.run_worker(self._compare(), group="compare", exclusive=True, exit_on_error=False)

    async def _compare(self) -> None:
        from llmtui.app.screens.side_by_side import SideBySideScreen  # noqa: PLC0415 - opened from here only
        from llmtui.services.answers import of_sample  # noqa: PLC0415 - as above

        row, marked = self._view.row, self._view.model
        if row is None:
            return
        marks = [(column.model, self.run.mark_of(row, column.model)[1]) for column in self.run.grid.columns]
        keys = [(model, mark.key) for model, mark in marks if mark is not None and mark.key is not None]
        try:
            found = [(model, await asyncio.to_thread(self.run.answer, key)) for model, key in keys]
        except LlmtuiError as error:
            self.say(str(error))
            return
        answers = [(model, answer) for model, answer in found if answer is not None]
        if not answers:
            self.say("No model has answered this sample yet")
            return
        at = next((number for number, (model, _) in enumerate(answers) if model == marked), 0)
        shown = [of_sample(answer.record, answer.scores) for _, answer in answers]
        self.app.push_screen(SideBySideScreen(f"{row.set}/{row.sample}", shown, mark=at))

    def action_grid_leave(self) -> None:
        """Back to where the grid was opened."""
        self.dismiss(None)
