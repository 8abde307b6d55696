"""Runs side by side: samples down, the models of every run across, held against a baseline."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from llmtui.app import comparison_captions as captions
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.screens.scoped import GridScreen
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.grid_view import GridView
from llmtui.domain.text import visible_line
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.comparing import OpenComparison
    from llmtui.services.runs.grid import GridRow, Mark


class ComparisonScreen(GridScreen[None]):
    """Lies over the history.

    Args:
        paths: the runs' files; the first one is the baseline.
        actions: the registry with the user's keys.
    """

    SCOPE = "comparison"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "comparison")]
    DEFAULT_CSS = """
    ComparisonScreen {
        #comparison-header { background: $surface; padding: 0 1; }
        #comparison-column, #comparison-remark { padding: 0 1; }
    }
    """

    def __init__(self, paths: Sequence[Path], actions: Sequence[Action]) -> None:
        super().__init__()
        self._paths = tuple(paths)
        self._actions = tuple(actions)
        self._runs: OpenComparison | None = None
        self._epoch = 0
        self._note = ""
        self._place: tuple[GridRow | None, str | None] = (None, None)

    def compose(self) -> ComposeResult:
        """What is compared, the marked column in figures, the grid, the marked cell in words, the keys."""
        yield Bar(id="comparison-header")
        yield Bar(id="comparison-column")
        yield GridView(id="comparison")
        yield Bar(id="comparison-remark")
        yield FooterBar(footer_actions(self._actions, "comparison"))

    def on_mount(self) -> None:
        """Read the runs without holding up the screen."""
        self._view = self.query_one(GridView)
        self.say(f"reading {len(self._paths):,} runs …")
        self.run_worker(self._read(), group="read", exit_on_error=False)

    async def _read(self) -> None:
        from llmtui.services.comparing import OpenComparison  # noqa: PLC0415 - not needed for the first paint

        try:
            self._runs = await asyncio.to_thread(OpenComparison, self._paths)
        except LlmtuiError as error:
            self.say(str(error))
            return
        self._note = ""
        self._show()

    def _show(self) -> None:
        if self._runs is None:
            return
        self._view.show(self._runs.grid)
        self.query_one("#comparison-header", Bar).show(*captions.header(self._runs))
        self._captions()

    def _captions(self) -> None:
        runs, model = self._runs, self._view.model
        if runs is not None and model is not None:
            self.query_one("#comparison-column", Bar).show(captions.column(runs.comparison, runs.number(model), model))
        row = self._view.row
        told = captions.cell_line(row, model, self._mark, self._epoch)
        self.query_one("#comparison-remark", Bar).show(Content.styled(self._note, "$warning") if self._note else told)

    @property
    def _mark(self) -> "Mark | None":
        """The marked cell in the epoch that is looked at."""
        row, model = self._view.row, self._view.model
        if self._runs is None or row is None or model is None:
            return None
        marks = self._runs.grid.cell(row, model).marks
        return marks[self._epoch] if self._epoch < len(marks) else None

    def say(self, text: str) -> None:
        """Show a remark until the mark moves."""
        self._note = visible_line(text)
        self._captions()

    # Keys

    @on(GridView.Moved)
    def _moved(self) -> None:
        row, place = self._view.row, (self._view.row, self._view.model)
        if place != self._place:  # a resize tells of a move, too
            self._place, self._note = place, ""
        if row is not None and self._epoch >= row.epochs:
            self._epoch = 0
        self._captions()

    @on(GridView.Chosen)
    def action_comparison_beside(self) -> None:
        """Lay the marked sample's answers side by side."""
        self.run_worker(self._beside(), group="beside", exclusive=True, exit_on_error=False)

    async def _beside(self) -> None:
        from llmtui.app.screens.side_by_side import SideBySideScreen  # noqa: PLC0415 - opened from here only

        runs, row, model = self._runs, self._view.row, self._view.model
        if runs is None or row is None or model is None:
            self.say("There is no sample to open")
            return
        try:
            answers = await asyncio.to_thread(runs.answers, row, self._epoch)
        except LlmtuiError as error:
            self.say(str(error))
            return
        title = f"{row.set}/{row.sample}{f' · epoch {self._epoch + 1}' if row.epochs > 1 else ''}"
        self.app.push_screen(SideBySideScreen(title, answers, mark=runs.number(model)))

    def action_comparison_next(self) -> None:
        """Go to the next sample that flips in the marked column, from the top after the last."""
        runs, row, model = self._runs, self._view.row, self._view.model
        if runs is None or row is None or model is None:
            return
        rows = runs.grid.rows
        at = next(number for number, one in enumerate(rows) if one is row)
        order = [*rows[at + 1 :], *rows[: at + 1]]

        def flipped(number: int) -> int | None:
            marks = runs.grid.cell(order[number], model).marks
            return next((epoch for epoch, mark in enumerate(marks) if mark and mark.mended is not None), None)

        found = next((number for number in range(len(order)) if flipped(number) is not None), None)
        if found is None:
            self.say("Nothing flips in this column")
            return
        self._epoch = flipped(found) or 0
        self._view.go_to(order[found], model)

    def action_comparison_epoch(self) -> None:
        """Look at the sample's next epoch."""
        row = self._view.row
        if row is not None:
            self._epoch = (self._epoch + 1) % row.epochs
            self._captions()

    def action_comparison_baseline(self) -> None:
        """Hold the others against the marked column's run."""
        runs, model = self._runs, self._view.model
        if runs is not None and model is not None:
            self.run_worker(self._hold(runs.file_of(model)), group="hold", exclusive=True, exit_on_error=False)

    async def _hold(self, path: Path) -> None:
        if self._runs is not None:
            await asyncio.to_thread(self._runs.hold_against, path)
            self._show()

    def action_comparison_export(self) -> None:
        """Write the comparison as Markdown into a new file."""
        if self._runs is not None:
            self.run_worker(self._export(self._runs), group="export", exclusive=True, exit_on_error=False)

    async def _export(self, runs: "OpenComparison") -> None:
        try:
            path = await asyncio.to_thread(partial(runs.export, self.app.services.folders))
        except LlmtuiError as error:
            self.say(str(error))
        else:
            self.say(f"written: {path}")

    def action_comparison_leave(self) -> None:
        """Back to the history."""
        self.dismiss(None)
