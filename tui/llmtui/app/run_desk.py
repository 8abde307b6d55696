"""The run that goes on behind the chat: begun, taken up, stopped, and found again by its file."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llmtui.app.operations import Operation, Operations
from llmtui.domain.text import visible_line

if TYPE_CHECKING:
    from llmtui.domain.models import ModelInfo
    from llmtui.services.runs.open_run import Manner, OpenRun
    from llmtui.services.wiring import Services

STOP_S = 3.0
"""What a run may take to end in order when the program is left; what is lost then is asked again."""


class RunDesk:
    """One run at a time: two would take each other's memory and speed.

    Args:
        services: the parts of the program.
        operations: where it shows while other screens are open.
        show: opens the grid of a run.
        reload: loads the chat's model again that has made room for a run.

    Attributes:
        run: the one under way; None when there is none.
        operation: of it, also when it is over.
        interrupted: ids of runs that were stopped by leaving the program.
    """

    def __init__(
        self,
        services: "Services",
        operations: Operations,
        *,
        show: Callable[["OpenRun"], None],
        reload: Callable[["ModelInfo"], None],
    ) -> None:
        self.run: OpenRun | None = None
        self._last: OpenRun | None = None
        self.operation: Operation | None = None
        self.interrupted: list[str] = []
        self._services = services
        self._operations = operations
        self._show = show
        self._reload = reload
        self._watch: asyncio.Task[None] | None = None

    def holds(self, path: Path) -> "OpenRun | None":
        """The run under way, when it is the one in a file."""
        run = self.run
        return run if run is not None and run.path.resolve() == path.resolve() else None

    def operation_of(self, run: "OpenRun") -> Operation | None:
        """The operation of a run that goes on, or was the last to."""
        return self.operation if run is self._last else None

    def start(
        self, run: "OpenRun", manner: "Manner", *, only_wishes: bool = False, away: "ModelInfo | None" = None
    ) -> None:
        """Let a run go on; whoever calls has seen to it that none is under way.

        Args:
            run: new or of the past.
            manner: how.
            only_wishes: ask nothing but what is to be asked again.
            away: the chat's model, which has been unloaded to make room; it comes back in the end.
        """
        host = self._services.host.sibling()
        events = run.go_on(self._services, host, manner, only_wishes=only_wishes)
        self.run = self._last = run
        title = f"Run {visible_line(', '.join(planned.name for planned in run.plan.sets))}"
        self.operation = self._operations.start(title, events, show=lambda: self._show(run))
        self.operation.alone = away is not None
        self._watch = asyncio.create_task(self._until_over(run, self.operation, away))

    async def _until_over(self, run: "OpenRun", operation: Operation, away: "ModelInfo | None") -> None:
        await operation.wait()
        self.run = None
        if run.wished and operation.state == "done" and not run.cut_short:
            self.start(run, run.manner, only_wishes=True, away=away)
        elif away is not None:
            self._reload(away)

    async def close(self) -> None:
        """End the run in order, as when the program is left; what is under way is asked again when it is taken up."""
        run, operation = self.run, self.operation
        if run is None or operation is None:
            return
        run.stop()
        done, _ = await asyncio.wait({asyncio.ensure_future(operation.wait())}, timeout=STOP_S)
        if not done:
            operation.cancel()
            await operation.wait()
        if run.cut_short:
            self.interrupted.append(run.run.id)
