"""LoRA adapters on the model that answers: attach, detach, how strongly."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from llmtui.app import format as fmt
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.limits import MAX_SCALE
from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Adapter
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.wiring import Services

STEP = 0.1
_COLUMNS = (
    Column(name="adapter", flexible=True),
    Column(name="scale", right=True, rank=3),
    Column(name="size", right=True, rank=1),
    Column(name="architecture", rank=2),
)
_KEYS = "Enter attaches or detaches · ← → scale · Esc closes"
_NONE = "No LoRA adapter (.gguf) was found: type the path of one"


class AdaptersScreen(PickerScreen[str]):
    """Lists the adapters that are found, those first that act; changes take effect at once. Dismisses with None.

    Args:
        services: find adapters, and hold the model that answers.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "scale(-1)", show=False, priority=True),
        Binding("right", "scale(1)", show=False, priority=True),
    ]

    def __init__(self, services: "Services") -> None:
        super().__init__("LoRA adapters", "type to filter, or a path to an adapter", _COLUMNS)
        self._services = services
        self._found: dict[str, ModelInfo] = {}
        loaded = services.host.loaded
        self._scales = {one.path: one.scale for one in loaded.adapters} if loaded else {}
        self._set = dict(self._scales)
        self._changing = False

    def on_mount(self) -> None:
        """Look for adapters without holding up the screen."""
        super().on_mount()
        self.run_worker(self._list(), group="list", exit_on_error=False)

    async def _list(self) -> None:
        try:
            found = await asyncio.to_thread(self._scan)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self._found = found
        self._show()
        self._tell()

    def _scan(self) -> dict[str, ModelInfo]:
        found = (info for info in self._services.catalogue.scan() if info.kind == "adapter")
        return {str(Path(info.path).absolute()): info for info in found}

    def _show(self) -> None:
        paths = [*self._scales, *(path for path in self._found if path not in self._scales)]
        info = self._services.host.info
        rows = [
            adapter_row(path, self._found.get(path), self._scales.get(path), info.architecture if info else None)
            for path in paths
        ]
        marked = self.marked
        self.fill(rows, paths, preferred=marked)

    def _tell(self) -> None:
        host = self._services.host
        if host.loaded is None or host.info is None or not host.alive:
            self.remark("No model is loaded: load one first · Esc closes")
        elif host.info.server is not None:
            self.remark(f"{host.info.name} runs on a server, which loads its adapters itself · Esc closes")
        else:
            self.remark(_KEYS if self._found or self._scales else _NONE)

    def chosen(self, choice: str) -> None:
        """Attach it as it was trained, or detach it."""
        if choice in self._scales:
            del self._scales[choice]
        else:
            self._scales[choice] = 1.0
        self._apply()

    def typed(self, text: str) -> None:
        """Attach a file that is not in the list."""
        self.run_worker(self._attach_typed(text), group="typed", exclusive=True, exit_on_error=False)

    async def _attach_typed(self, text: str) -> None:
        from llmtui.services.adapters import parse_adapter  # noqa: PLC0415 - not needed for the first paint

        try:
            adapter = await asyncio.to_thread(parse_adapter, self._services.catalogue, text)
        except LlmtuiError as error:
            self.remark(str(error), error=True)
            return
        self._scales[adapter.path] = adapter.scale
        self._apply()

    def action_scale(self, direction: int) -> None:
        """Make the marked adapter act more or less strongly."""
        path = self.marked
        if path is None or path not in self._scales:
            return
        scale = round(self._scales[path] + direction * STEP, 3)
        self._scales[path] = max(-MAX_SCALE, min(MAX_SCALE, scale)) or 0.0
        self._apply()

    def _apply(self) -> None:
        """Show what is wanted now; the model follows, and skips what was wanted only for a moment."""
        self._show()
        if not self._changing:
            self._changing = True
            self.run_worker(self._follow(), group="attach", exit_on_error=False)

    async def _follow(self) -> None:
        from llmtui.services.adapters import attach  # noqa: PLC0415 - as above

        try:
            while self._set != self._scales:
                wanted = dict(self._scales)
                self.remark("attaching … a running answer ends as it began")
                adapters = [Adapter(path=path, scale=scale) for path, scale in wanted.items()]
                await attach(self._services.host, adapters)
                self._set = wanted
            self._tell()
        except LlmtuiError as error:
            self._scales = dict(self._set)
            self._show()
            self.remark(str(error), error=True)
        finally:
            self._changing = False
            self.app.chat.state_changed()


def adapter_row(path: str, info: ModelInfo | None, scale: float | None, architecture: str | None) -> Row:
    """An adapter as a row; one for another architecture cannot be chosen."""
    name = fmt.name(info.name if info else Path(path).stem)
    problem = None
    if info is not None and info.problem:
        problem = fmt.name(info.problem)
    elif info is not None and scale is None and architecture is None:
        problem = "no model is loaded"
    elif info is not None and scale is None and info.architecture != architecture:
        problem = f"for {fmt.name(info.architecture)}; the model is {fmt.name(architecture)}"
    shown = fmt.UNKNOWN if scale is None else f"×{scale:g}" if scale else "off"
    return Row(
        key=path,
        cells=(name, shown, fmt.size(info.size_bytes if info else None), fmt.name(info.architecture if info else None)),
        search=name,
        problem=problem,
        styles={0: "bold $primary", 1: "bold $primary"} if scale else {},
    )
