"""A run's grid: samples down, models across, live while it goes on."""

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
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.grid_view import GridView
from llmtui.domain.text import visible_line

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp
    from llmtui.services.runs.grid import GridRow, Mark
    from llmtui.services.runs.open_run import OpenRun

REPAINT_S = 0.4
"""Seldom enough to leave the processor to the model."""


class RunGridScreen(Screen[None]):
    """Lies over the chat, which goes on below it.

    Args:
        run: of the past, or under way.
        actions: the registry with the user's keys.
    """

    app: "LlmtuiApp"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS, "grid"),
        Binding("up,k", "move('up')", show=False),
        Binding("down,j", "move('down')", show=False),
        Binding("left,h", "move('left')", show=False),
        Binding("right,l", "move('right')", show=False),
        Binding("pageup,ctrl+u", "move('page_up')", show=False),
        Binding("pagedown,space,ctrl+d", "move('page_down')", show=False),
        Binding("home,g,ctrl+home", "move('first')", show=False),
        Binding("end,G,ctrl+end", "move('last')", show=False),
    ]
    DEFAULT_CSS = """
    RunGridScreen {
        layout: vertical; background: $background; overflow: hidden;
        #grid-header { background: $surface; padding: 0 1; }
        #grid-activity, #grid-remark { padding: 0 1; }
    }
    """

    def __init__(self, run: "OpenRun", actions: Sequence[Action]) -> None:
        super().__init__()
        self.run = run
        self._actions = tuple(actions)
        self._note = ""

    def compose(self) -> ComposeResult:
        """Which run and how far, what goes on, the grid, the marked cell in words, the keys."""
        yield Bar(id="grid-header")
        yield Bar(id="grid-activity")
        yield GridView(id="grid")
        yield Bar(id="grid-remark")
        yield FooterBar(footer_actions(self._actions, "grid"))

    def on_mount(self) -> None:
        """Show what is known; the samples without an answer come once their sets have been read."""
        self._view = self.query_one(GridView)
        self.set_interval(REPAINT_S, self._repaint)
        self._repaint()
        self.run_worker(self._read_rows(), exit_on_error=False)

    def on_resize(self, event: events.Resize) -> None:
        """Say so when the terminal is too small."""
        self.app.fit_to(event.size.width, event.size.height)

    async def _read_rows(self) -> None:
        rows, problem = await asyncio.to_thread(self.run.rows)
        self.run.take_rows(rows)
        self._repaint()
        if problem is not None:
            self.say(f"not all samples are known any more: {problem}")

    def _repaint(self) -> None:
        grid = self.run.grid
        self._view.show(grid)
        self.query_one("#grid-header", Bar).show(*captions.grid_header(self.run.run, grid, running=False))
        self.query_one("#grid-activity", Bar).show(captions.activity(grid, running=False))
        self._show_remark()

    @property
    def _mark(self) -> "Mark | None":
        """Of the marked cell, the epoch that most calls for a look."""
        row, model = self._view.row, self._view.model
        if row is None or model is None:
            return None
        cell = self.run.grid.cell(row, model)
        return next((mark for mark in cell.marks if mark is not None and mark.state == cell.state), None)

    def _show_remark(self) -> None:
        told = captions.cell_line(self._view.row, self._view.model, self._mark)
        self.query_one("#grid-remark", Bar).show(Content.styled(self._note, "$warning") if self._note else told)

    def say(self, text: str) -> None:
        """Show a remark until the mark moves."""
        self._note = visible_line(text)
        self._show_remark()

    # Keys

    @on(FooterBar.Pressed)
    async def _pressed(self, message: FooterBar.Pressed) -> None:
        await self.run_action(message.action.call)

    @on(GridView.Moved)
    def _moved(self) -> None:
        self._note = ""
        self._show_remark()

    def action_move(self, how: str) -> None:
        """Move the mark."""
        self._view.move(how)

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

    def action_grid_leave(self) -> None:
        """Back to where the grid was opened."""
        self.dismiss(None)
