"""What the chat screen does with runs: beginning one, opening its grid."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from llmtui.app.screens.switching import SwitchingScreen
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp


class RunningScreen(SwitchingScreen):
    """The chat screen's part that works on runs."""

    app: "LlmtuiApp"

    def say(self, text: str) -> None:
        """Show a short remark."""
        raise NotImplementedError

    def action_past_runs(self) -> None:
        """Show the runs of the past."""
        from llmtui.app.screens.past_runs import PastRuns  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.runs.past import list_runs, remove_run  # noqa: PLC0415 - as above

        def picked(path: str | None) -> None:
            if path is not None:
                self.spawn(self.open_run(Path(path)), "run")

        folders = self.controller.services.folders
        self.app.push_screen(PastRuns(partial(list_runs, folders), remove_run, self.actions), picked)

    async def open_run(self, path: Path) -> None:
        """Open the grid of a run by its file; what stands in the way is told."""
        from llmtui.app.screens.run_grid import RunGridScreen  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.runs.open_run import OpenRun  # noqa: PLC0415 - as above

        try:
            run = await asyncio.to_thread(OpenRun.read, path)
        except LlmtuiError as error:
            self.say(str(error))
            return
        await self.app.push_screen(RunGridScreen(run, self.actions))
