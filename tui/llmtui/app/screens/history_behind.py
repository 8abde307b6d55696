"""What the chat screen has to do with the history, which holds chats, notebooks and runs."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from llmtui.app.screens.notebook_behind import NotebookBehind
from llmtui.app.screens.running import RunningScreen

if TYPE_CHECKING:
    from llmtui.services.history import Past, RunRows


class HistoryBehind(NotebookBehind, RunningScreen):
    """The chat screen's part that goes back to what was done earlier."""

    _run_rows: "RunRows | None" = None

    def action_open_history(self) -> None:
        """Go back to an earlier chat, notebook or run."""
        from llmtui.app.screens.history import HistoryScreen  # noqa: PLC0415 - not needed for the first paint
        from llmtui.app.screens.notebook import NotebookScreen  # noqa: PLC0415 - as above
        from llmtui.services.chats import past_chats  # noqa: PLC0415 - as above
        from llmtui.services.history import RunRows  # noqa: PLC0415 - as above

        shown = self.app.screen

        def opened(past: "Past | None") -> None:
            if past is None:
                return
            if past.kind == "run":
                self.spawn(self.open_run(Path(past.path)), "run")
                return
            notebook = self.desk.holds(Path(past.path))
            if not isinstance(shown, NotebookScreen):
                if notebook:
                    self.action_open_notebook()
            elif notebook:
                shown.show_notebook()
            else:
                shown.dismiss(None)

        folders = self.controller.services.folders
        self._run_rows = self._run_rows or RunRows(folders)
        history = HistoryScreen(
            partial(past_chats, folders), self._run_rows, self.reopen, self.compare_runs, self.actions
        )
        self.app.push_screen(history, opened)

    def compare_runs(self, paths: Sequence[Path]) -> None:
        """Lay runs side by side, the first as the baseline."""
        from llmtui.app.screens.comparison import ComparisonScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(ComparisonScreen(paths, self.actions))
