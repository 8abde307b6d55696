"""Choosing a model."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llmtui.app import format as fmt
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Server
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.models import Catalogue

REFRESH_S = 0.3
"""Between two additions to the list."""
REST = 5
"""Times that the last addition took, to wait for the next one: laying out thousands of rows takes a while."""
_COLUMNS = (
    Column("model"),
    Column("quant."),
    Column("parameters", right=True),
    Column("size", right=True),
    Column("source"),
    Column("architecture"),
    Column("context", right=True),
)


class ModelPicker(PickerScreen[ModelInfo]):
    """Lists what the catalogue finds; takes a typed path to a `.gguf` too.

    Args:
        catalogue: finds and resolves models.
        current: the model that answers now; marked first.
        servers: asked what they offer while the list is shown already.
    """

    def __init__(
        self, catalogue: "Catalogue", current: ModelInfo | None, servers: Mapping[str, Server] | None = None
    ) -> None:
        super().__init__("Models", "type to filter, or a path to a .gguf file", _COLUMNS)
        self._catalogue = catalogue
        self._servers = servers or {}
        self._current = current
        self._models: list[ModelInfo] = []
        self._read: deque[ModelInfo] = deque()
        self._due = 0.0
        self._gone = threading.Event()

    def on_mount(self) -> None:
        """Read the headers without holding up the screen."""
        super().on_mount()
        self.run_worker(self._list(), exit_on_error=False)

    def on_unmount(self) -> None:
        """Read no further once the list is closed."""
        self._gone.set()

    async def _list(self) -> None:
        timer = self.set_interval(REFRESH_S, self._take_when_due)
        try:
            await asyncio.to_thread(self._scan)
            self._take()
            if self._servers:
                await self._ask_servers()
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        finally:
            timer.stop()
        self.remark(summary(self._models))

    def _scan(self) -> None:
        """In a thread, which the list does not wait for."""
        for info in self._catalogue.scan():
            if self._gone.is_set():
                return
            if info.kind == "model":
                self._read.append(info)

    def _take_when_due(self) -> None:
        started = time.monotonic()
        if started >= self._due:
            self._take()
            self._due = time.monotonic() + REST * (time.monotonic() - started)

    def _take(self) -> None:
        """Show what has been read since."""
        before = len(self._models)
        while self._read:
            self._models.append(self._read.popleft())
        if len(self._models) == before or self._gone.is_set():
            return
        now = self._current.path if self._current else None
        at = next((index for index, info in enumerate(self._models) if info.path == now), None)
        self.grow([model_row(info) for info in self._models], self._models, preferred=at)
        self.remark(f"reading … {len(self._models):,}")

    async def _ask_servers(self) -> None:
        """Add what the configured servers offer, each as it answers."""
        from llmtui.services.ollama_servers import unite  # noqa: PLC0415 - only where there are servers
        from llmtui.services.servers import list_served  # noqa: PLC0415

        waiting = len(self._servers)
        self.remark(_asking(waiting))
        async for found in list_served(self._servers):
            self._models, more = unite(self._models, found)
            self._read.extend(more)
            self._take()
            waiting -= 1
            if waiting:
                self.remark(_asking(waiting))

    def typed(self, text: str) -> None:
        """Open a path that is not in the list."""
        self.remark("reading …")
        self.run_worker(self._open(text), exclusive=True, exit_on_error=False)

    async def _open(self, text: str) -> None:
        try:
            info = await asyncio.to_thread(self._catalogue.resolve, text)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self.dismiss(info)


def model_row(info: ModelInfo) -> Row:
    """A model as a row of the list; names come from files and are made safe."""
    cells = (
        fmt.name(info.name),
        fmt.name(info.quantisation),
        fmt.count(info.parameters),
        fmt.size(info.size_bytes),
        info.source,
        fmt.name(info.architecture),
        fmt.integer(info.trained_context),
    )
    search = " ".join(
        fmt.name(part) for part in (info.name, info.title, info.architecture, info.quantisation, info.source) if part
    )
    return Row(cells, search, fmt.name(info.problem) if info.problem else None)


def _asking(servers: int) -> str:
    return f"asking {servers} server{'' if servers == 1 else 's'} …"


def summary(models: Sequence[ModelInfo]) -> str:
    """The line below the list."""
    bad = sum(1 for info in models if info.problem)
    found = f"{len(models)} model{'' if len(models) == 1 else 's'}"
    if len(models) <= 1:
        found += " · put .gguf files into ./models, or type a path"
    return f"{found}{f' · {bad} cannot be loaded' if bad else ''} · Enter loads, Esc closes"
