"""Removing a model: every file that would go, and a key to say so."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from llmtui.app import format as fmt
from llmtui.domain.models import ModelInfo
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp
    from llmtui.services.ollama_servers import Target
    from llmtui.services.removal import Removal
    from llmtui.services.wiring import Services


class RemoveScreen(ModalScreen[bool]):
    """Dismisses with whether the model is gone.

    Args:
        services: the parts that do the work.
        info: the model, as listed.
    """

    app: "LlmtuiApp"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(False)", show=False, priority=True),
        Binding("y", "remove", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    RemoveScreen {
        align: center middle; background: $background 60%;
        #box { width: 96%; max-width: 100; height: auto; max-height: 90%; padding: 0 1;
               background: $surface; border: round $error; border-title-color: $error; }
        #files { height: auto; max-height: 12; scrollbar-size-vertical: 1; }
        Static { width: 1fr; height: auto; }
        #keys { margin-top: 1; }
    }
    """

    def __init__(self, services: "Services", info: ModelInfo) -> None:
        super().__init__()
        self._services = services
        self._info = info
        self._plan: Removal | Target | None = None
        self._removing = False

    def compose(self) -> ComposeResult:
        """Files, notes, keys."""
        with Vertical(id="box") as box:
            box.border_title = Content(f"Remove {fmt.name(self._info.name)}")
            with VerticalScroll(id="files"):
                yield Static("looking …", id="list", markup=False)
            yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Look at the files without holding up the screen."""
        self.run_worker(self._look(), exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error that background work did not foresee, instead of a traceback."""
        if event.state is WorkerState.ERROR:
            self._refuse(f"{type(event.worker.error).__name__}: {event.worker.error}")

    async def _look(self) -> None:
        from llmtui.services.ollama_servers import kept_by  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.removal import plan_removal  # noqa: PLC0415 - as above

        services = self._services
        own = services.host.pids
        try:
            kept = await kept_by(self._info.name, services.catalogue.servers)
            if kept is not None:
                self._plan, text = kept[0], _served(kept[1])
            else:
                self._plan = await asyncio.to_thread(plan_removal, self._info, services.catalogue.places, own)
                text = _described(self._plan)
        except LlmtuiError as error:
            self._refuse(str(error))
            return
        if any(info.path == self._info.path for info in services.host.warm):
            text = Content("\n").join([text, Content.styled("it is loaded here, and is unloaded first", "$warning")])
        self.query_one("#list", Static).update(text)
        self.query_one("#keys", Static).update(Content.assemble(("y", "bold $error"), " removes   Esc keeps it"))

    def _refuse(self, why: str) -> None:
        self._plan = None
        self.query_one("#list", Static).update(Content.styled(fmt.name(why), "$error"))
        self.query_one("#keys", Static).update("Esc closes")

    def action_remove(self) -> None:
        """Remove what is shown."""
        if self._plan is not None and not self._removing:
            self._removing = True
            self.run_worker(self._remove(self._plan), exit_on_error=False)

    async def _remove(self, plan: "Removal | Target") -> None:
        from llmtui.services.ollama_servers import Target, delete_through  # noqa: PLC0415 - loaded by the look
        from llmtui.services.removal import remove  # noqa: PLC0415 - as above

        services = self._services
        try:
            await services.host.unload(self._info)
            if isinstance(plan, Target):
                await delete_through(plan)
            else:
                await asyncio.to_thread(remove, plan, [services.folders.models_dir])
            await self._forget()
        except LlmtuiError as error:
            self._refuse(str(error))
            return
        finally:
            self._removing = False
            self.app.chat.state_changed()
        self.dismiss(True)  # noqa: FBT003 - Textual's signature

    async def _forget(self) -> None:
        """Nothing leads to the model any more: no key, no reload."""
        await self._services.host.forget(self._info)
        bookmarks = self.app.chat.controller.bookmarks
        if bookmarks.pin_of(self._info) is not None:
            with contextlib.suppress(LlmtuiError):  # the model is gone; a state file that cannot be written is not news
                await asyncio.to_thread(bookmarks.toggle_pin, self._info)


def _served(info: ModelInfo) -> Content:
    """A model that an Ollama server keeps."""
    size = Content.styled(f"{fmt.size(info.size_bytes)} on the server", "bold")
    shared = Content.styled("what other models of the server share stays", "$text-muted")
    return Content("\n").join([Content(fmt.name(info.name)), size, shared])


def _described(plan: "Removal") -> Content:
    lines = []
    for file in plan.files:
        size = fmt.size(file.size_bytes) if file.size_bytes else fmt.UNKNOWN
        note = f"  {fmt.name(file.note)}" if file.note else ""
        lines.append(Content.assemble((f"{size:>9}  ", "$text-muted"), fmt.name(file.path), (note, "$text-muted")))
    lines.append(Content.styled(f"{fmt.size(plan.freed_bytes)} would be free again", "bold"))
    lines += [Content.styled(fmt.name(note), "$warning") for note in plan.notes]
    return Content("\n").join(lines)
