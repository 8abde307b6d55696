"""Pulling a model: type where it is, see what there is and what fits, choose, follow the download."""

import asyncio
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from llmtui.app import format as fmt
from llmtui.app.screens.progress import ProgressScreen
from llmtui.app.widgets.line_input import LineInput
from llmtui.domain.hub import FLOOR, Offer, fits
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp
    from llmtui.app.operations import Operation
    from llmtui.services.pull import Found
    from llmtui.services.wiring import Services

_HINT = "Enter looks, Esc closes. A repository of GGUF files: ORG/REPO, ORG/REPO:Q4_K_M, or its address"
_GAP = "  "


class PullScreen(ModalScreen[str | None]):
    """Dismisses with the path of the file that was pulled; None when there is none, or it comes in the background.

    Args:
        services: the parts that do the work.
    """

    app: "LlmtuiApp"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", show=False),
        Binding("up", "move('cursor_up')", show=False, priority=True),
        Binding("down", "move('cursor_down')", show=False, priority=True),
        Binding("pageup", "move('page_up')", show=False, priority=True),
        Binding("pagedown", "move('page_down')", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    PullScreen {
        align: center middle; background: $background 60%;
        #box { width: 96%; max-width: 110; height: 80%; min-height: 8; padding: 0 1;
               background: $surface; border: round $primary; border-title-color: $primary; }
        #reference { background: $panel; }
        #heading { height: 1; color: $text-muted; }
        #remark { height: auto; max-height: 4; color: $text-muted; }
        #remark.-error { color: $error; }
        OptionList { height: 1fr; border: none; padding: 0; background: $surface; scrollbar-size-vertical: 1; }
        OptionList > .option-list--option { padding: 0; }
    }
    """

    def __init__(self, services: "Services") -> None:
        super().__init__()
        self._services = services
        self._found: Found | None = None
        self._asked = ""

    def compose(self) -> ComposeResult:
        """Reference, what there is, remark."""
        with Vertical(id="box") as box:
            box.border_title = Content("Pull a model")
            reference = LineInput(placeholder="ORG/REPO", id="reference")
            yield reference
            yield Static(id="heading", markup=False)
            offered = OptionList(id="offered", markup=False)
            offered.can_focus = False
            yield offered
            yield Static(id="remark", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()
        self._remark(_HINT)

    def on_resize(self) -> None:
        """Names are cut to the width."""
        self.call_after_refresh(self._fill)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error that background work did not foresee, instead of a traceback."""
        if event.state is WorkerState.ERROR:
            self._remark(f"{type(event.worker.error).__name__}: {event.worker.error}", error=True)

    def action_move(self, how: str) -> None:
        """Move the mark in the list."""
        getattr(self.query_one(OptionList), f"action_{how}")()

    @on(Input.Submitted)
    def _enter(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value.strip()
        at = self.query_one(OptionList).highlighted
        if self._found is not None and text == self._asked and at is not None:
            self._pull(self._found, self._found.matching[at])
        elif text and not self._through_ollama(text):
            self._asked, self._found = text, None
            self._fill()
            self._remark("asking …")
            self.run_worker(self._look_up(text), exclusive=True, exit_on_error=False)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        if self._found is not None:
            self._pull(self._found, self._found.matching[event.option_index])

    async def _look_up(self, text: str) -> None:
        from llmtui.services.fits import read_room  # noqa: PLC0415 - not needed for the first paint
        from llmtui.services.pull import endpoint_of, look_up  # noqa: PLC0415 - as above

        services = self._services
        try:
            room = await asyncio.to_thread(read_room, services.host.runtime, services.host.pids)
            endpoint = endpoint_of(None, services.config)
            self._remark(f"asking {endpoint} …")
            found = await look_up(text, endpoint=endpoint, room=room)
        except LlmtuiError as error:
            self._remark(str(error), error=True)
            return
        self._found = found
        self._fill()
        self._remark(" · ".join(part for part in (found.reason, "Enter pulls the marked one") if part))

    def _fill(self) -> None:
        offered, found = self.query_one(OptionList), self._found
        rows = [_row(offer, found) for offer in found.matching] if found else []
        widths = [max([cell_len(row[index]) for row in (_HEADING, *rows)]) for index in range(len(_HEADING))]
        widths[-1] = max(1, offered.content_size.width - 1 - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1))
        heading = _line(_HEADING, widths) if rows else ""
        self.query_one("#heading", Static).update(heading)
        at = offered.highlighted
        offered.set_options(Option(_line(row, widths)) for row in rows)
        if found and found.matching:
            best = found.matching.index(found.recommended) if found.recommended else 0
            offered.highlighted = at if at is not None and at < len(rows) else best

    def _pull(self, found: "Found", offer: Offer) -> None:
        from llmtui.services.pull import folder_for, pull  # noqa: PLC0415 - loaded by the look-up

        folder = folder_for(found, self._services.folders)
        title = f"Pull {offer.files[0].path.rpartition('/')[2]}"
        operation = self.app.operations.start(title, pull(found, offer, folder))
        self._follow(operation, "keeping what has come")

    def _through_ollama(self, text: str) -> bool:
        """Have the server fetch what is one of Ollama's; False when it is not."""
        from llmtui.services.ollama_servers import ollama_target, pull_through  # noqa: PLC0415 - as in `_look_up`

        try:
            target = ollama_target(text, self._services.catalogue.servers)
        except LlmtuiError as error:
            self._remark(str(error), error=True)
            return True
        if target is not None:
            operation = self.app.operations.start(f"Pull {fmt.name(target.model)}", pull_through(target))
            self._follow(operation, "the server keeps what has come")
        return target is not None

    def _follow(self, operation: "Operation", kept: str) -> None:
        """Stay when it was cancelled or failed: the user may choose another, or try again."""

        def left(path: str | None) -> None:
            if operation.running or operation.state == "done":
                self.dismiss(path)

        self.app.push_screen(ProgressScreen(operation, kept=kept), left)

    def _remark(self, text: str, *, error: bool = False) -> None:
        remark = self.query_one("#remark", Static)
        remark.set_class(error, "-error")
        remark.update(fmt.name(text))


_HEADING = ("quant.", "size", "", "model")


def _row(offer: Offer, found: "Found") -> tuple[str, ...]:
    """Quantisation, size, whether it fits and is advisable, name."""
    words = {True: "fits", False: "too large", None: ""}[fits(offer, found.memory_bytes)]
    if offer == found.recommended and len(found.matching) > 1:
        words += " · recommended"
    elif 0 < offer.bits < FLOOR:
        words += " · worse answers"
    return fmt.name(offer.quantisation), fmt.size(offer.size_bytes), words.removeprefix(" · "), fmt.name(offer.name)


def _line(cells: tuple[str, ...], widths: list[int]) -> Content:
    """One row; sizes stand right-aligned, the name is cut where it must be."""
    quantisation, amount, words, name = (fmt.cut(cell, width) for cell, width in zip(cells, widths, strict=True))
    padded = (
        set_cell_size(quantisation, widths[0]),
        " " * (widths[1] - cell_len(amount)) + amount,
        set_cell_size(words, widths[2]),
    )
    return Content.assemble(padded[0], (_GAP + _GAP.join(padded[1:]), "$text-muted"), _GAP + name)
