"""A list to choose from by typing: what the model picker and the history have in common."""

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from llmtui.app import format as fmt
from llmtui.app.matching import best_first, fold
from llmtui.app.screens.scoped import ScopedScreen
from llmtui.app.widgets.line_input import LineInput
from llmtui.app.widgets.row_list import RowList
from llmtui.app.widgets.table import Column, Layout, Row, heading, lay_out

Choice = TypeVar("Choice")


class PickerScreen(ModalScreen[Choice | None], ScopedScreen[Choice | None], Generic[Choice]):
    """Opens at once; the rows may come later. The keyboard stays in the filter, the arrows move in the list.

    Args:
        title: above the filter.
        placeholder: in the empty filter.
        columns: headings of the list.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", show=False),
        Binding("up", "move('up')", show=False, priority=True),
        Binding("down", "move('down')", show=False, priority=True),
        Binding("pageup", "move('page_up')", show=False, priority=True),
        Binding("pagedown", "move('page_down')", show=False, priority=True),
        Binding("ctrl+home", "move('first')", show=False, priority=True),
        Binding("ctrl+end", "move('last')", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    PickerScreen {
        align: center middle; background: $background 60%;
        #box { width: 96%; max-width: 110; height: 80%; min-height: 8; padding: 0 1;
               background: $surface; border: round $primary; border-title-color: $primary; }
        #filter { background: $panel; }
        #body { height: 1fr; }
        #list { width: 1fr; height: 1fr; }
        #heading { height: 1; color: $text-muted; }
        #remark { height: auto; max-height: 2; color: $text-muted; }
        #remark.-error { height: auto; max-height: 4; color: $error; }
    }
    """

    def __init__(self, title: str, placeholder: str, columns: Sequence[Column]) -> None:
        super().__init__()
        self._title = title
        self._placeholder = placeholder
        self._columns = tuple(columns)
        self._rows: list[Row] = []
        self._searched: list[str] = []
        self._layouts: dict[int, Layout] = {}
        self._choices: list[Choice] = []
        self._shown: list[int] = []
        self._preferred: str | None = None
        self._moved = False

    def compose(self) -> ComposeResult:
        """Filter, headings and list with what stands beside them, remark."""
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            yield LineInput(placeholder=self._placeholder, id="filter")
            with Container(id="body"):
                with Vertical(id="list"):
                    yield Static(id="heading", markup=False)
                    yield RowList(id="rows")
                yield from self.compose_beside()
            yield Static(id="remark", markup=False)
            yield from self.compose_below()

    def compose_beside(self) -> ComposeResult:
        """What stands beside or beneath the list; nothing."""
        yield from ()

    def compose_below(self) -> ComposeResult:
        """What stands below the remark; nothing."""
        yield from ()

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()
        self.remark("reading …")

    def on_resize(self) -> None:
        """The columns depend on the width."""
        self.call_after_refresh(self.lay_out_again)

    def fill(self, rows: Sequence[Row], choices: Sequence[Choice], *, preferred: str | None = None) -> None:
        """Set the rows and what each stands for; `preferred`, the key of one, is marked first."""
        self._rows, self._choices = list(rows), list(choices)
        self._searched = [fold(row.search) for row in rows]
        self._layouts.clear()
        self._preferred = preferred
        self._refill()

    def grow(self, rows: Sequence[Row], choices: Sequence[Choice], *, preferred: str | None = None) -> None:
        """Like `fill`, with rows that may stand elsewhere now; the one that the user marked stays marked.

        While the list is filtered the best match is marked first, not `preferred`.
        """
        if self.query_one(Input).value:
            preferred = None
        self.fill(rows, choices, preferred=self._key_marked() if self._moved else preferred)

    def lay_out_again(self) -> None:
        """The width of the list differs."""
        self._preferred = self._key_marked() or self._preferred
        self._refill()

    def remark(self, text: str, *, error: bool = False) -> None:
        """Set the line below the list; it may name files, so control characters are made visible."""
        remark = self.query_one("#remark", Static)
        remark.set_class(error, "-error")
        remark.update(fmt.name(text))

    @property
    def marked(self) -> Choice | None:
        """What the marked row stands for."""
        at = self.query_one(RowList).mark
        return self._choices[self._shown[at]] if at is not None and at < len(self._shown) else None

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error that background work did not foresee, instead of a traceback."""
        if event.state is WorkerState.ERROR:
            self.remark(f"{type(event.worker.error).__name__}: {event.worker.error}", error=True)

    def chosen(self, choice: Choice) -> None:
        """A row without a problem was chosen."""
        self.dismiss(choice)

    def typed(self, text: str) -> None:
        """Enter was pressed and no row matches the text."""

    def action_move(self, how: str) -> None:
        """Move the mark in the list."""
        self._moved = True
        self.query_one(RowList).move(how)

    @on(Input.Changed)
    def _filter(self) -> None:
        self._preferred = None
        self._moved = False
        self._refill()

    @on(Input.Submitted)
    def _enter(self, event: Input.Submitted) -> None:
        event.stop()
        at = self.query_one(RowList).mark
        if at is not None and at < len(self._shown):
            self._choose(at)
        elif event.value.strip():
            self.typed(event.value.strip())

    @on(RowList.Clicked)
    def _clicked(self, event: RowList.Clicked) -> None:
        self._choose(event.number)

    def _choose(self, at: int) -> None:
        row = self._rows[self._shown[at]]
        if row.problem is None:
            self.chosen(self._choices[self._shown[at]])
        else:
            self.remark(row.problem, error=True)

    def _key_marked(self) -> str | None:
        at = self.query_one(RowList).mark
        shown = self.query_one(RowList).rows
        return shown[at].key if at is not None and at < len(shown) else None

    def _refill(self) -> None:
        rows = self.query_one(RowList)
        width = rows.row_width
        layout = self._layouts.get(width)
        if layout is None:
            layout = self._layouts[width] = lay_out(self._columns, self._rows, width)
        self._shown = best_first(self.query_one(Input).value, self._searched)
        self.query_one("#heading", Static).update(heading(layout))
        shown = [self._rows[index] for index in self._shown]
        marked = next((at for at, row in enumerate(shown) if row.key == self._preferred), None)
        if marked is None:
            marked = next((at for at, row in enumerate(shown) if row.problem is None), 0 if shown else None)
        rows.show(shown, layout, mark=marked)
