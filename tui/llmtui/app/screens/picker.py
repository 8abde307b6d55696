"""A list to choose from by typing: what the model picker and the history have in common."""

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.fuzzy import Matcher
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from llmtui.app import format as fmt
from llmtui.app.widgets.table import Column, Row, heading, lay_out, line
from llmtui.domain.text import UNSAFE_RANGES

Choice = TypeVar("Choice")
_PRINTABLE = rf"[^\t\n{UNSAFE_RANGES}]*"
"""What the filter takes: a paste may hold anything, and an input line writes it to the terminal as it is."""


class PickerScreen(ModalScreen[Choice | None], Generic[Choice]):
    """Opens at once; the rows may come later. The keyboard stays in the filter, the arrows move in the list.

    Args:
        title: above the filter.
        placeholder: in the empty filter.
        columns: headings of the list.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", show=False),
        Binding("up", "move('cursor_up')", show=False, priority=True),
        Binding("down", "move('cursor_down')", show=False, priority=True),
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
        #heading, #remark { height: 1; color: $text-muted; }
        #remark.-error { height: auto; max-height: 4; color: $error; }
        OptionList { height: 1fr; border: none; padding: 0; background: $surface; scrollbar-size-vertical: 1; }
        OptionList > .option-list--option { padding: 0; }
        OptionList > .option-list--option-disabled { color: $text-muted; text-style: none; }
    }
    """

    def __init__(self, title: str, placeholder: str, columns: Sequence[Column]) -> None:
        super().__init__()
        self._title = title
        self._placeholder = placeholder
        self._columns = tuple(columns)
        self._rows: list[Row] = []
        self._choices: list[Choice] = []
        self._shown: list[int] = []
        self._preferred: int | None = None
        self._marked: int | None = None

    def compose(self) -> ComposeResult:
        """Filter, headings, list, remark."""
        with Vertical(id="box") as box:
            box.border_title = Content(self._title)
            filter_input = Input(placeholder=self._placeholder, id="filter", compact=True, restrict=_PRINTABLE)
            filter_input.cursor_blink = False
            yield filter_input
            yield Static(id="heading", markup=False)
            options = OptionList(id="rows", markup=False)
            options.can_focus = False
            yield options
            yield Static(id="remark", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()
        self.remark("reading …")

    def on_resize(self) -> None:
        """The columns depend on the width."""
        self.call_after_refresh(self._refill)

    def fill(self, rows: Sequence[Row], choices: Sequence[Choice], *, preferred: int | None = None) -> None:
        """Set the rows and what each stands for; `preferred` is marked first."""
        self._rows, self._choices = list(rows), list(choices)
        self._preferred = preferred
        self._refill()

    def grow(self, rows: Sequence[Row], choices: Sequence[Choice], *, preferred: int | None = None) -> None:
        """Like `fill` with the same rows and more behind them; a row that the user marked stays marked.

        While the list is filtered the best match is marked first, not `preferred`.
        """
        if self.query_one(Input).value:
            preferred = None
        at = self.query_one(OptionList).highlighted
        if at is not None and at != self._marked and at < len(self._shown):
            preferred = self._shown[at]
        self.fill(rows, choices, preferred=preferred)

    def remark(self, text: str, *, error: bool = False) -> None:
        """Set the line below the list; it may name files, so control characters are made visible."""
        remark = self.query_one("#remark", Static)
        remark.set_class(error, "-error")
        remark.update(fmt.name(text))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error that background work did not foresee, instead of a traceback."""
        if event.state is WorkerState.ERROR:
            self.remark(f"{type(event.worker.error).__name__}: {event.worker.error}", error=True)

    def chosen(self, choice: Choice) -> None:
        """A row was chosen."""
        self.dismiss(choice)

    def typed(self, text: str) -> None:
        """Enter was pressed and no row matches the text."""

    def action_move(self, how: str) -> None:
        """Move the mark in the list."""
        getattr(self.query_one(OptionList), f"action_{how}")()

    @on(Input.Changed)
    def _filter(self) -> None:
        self._preferred = None
        self._refill()

    @on(Input.Submitted)
    def _enter(self, event: Input.Submitted) -> None:
        event.stop()
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._shown):
            self.chosen(self._choices[self._shown[at]])
        elif event.value.strip():
            self.typed(event.value.strip())

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.chosen(self._choices[self._shown[event.option_index]])

    def _refill(self) -> None:
        options = self.query_one(OptionList)
        layout = lay_out(self._columns, self._rows, max(1, options.content_size.width - 1))
        self._shown = self._matching(self.query_one(Input).value.strip())
        self.query_one("#heading", Static).update(heading(layout))
        options.set_options(
            Option(line(self._rows[index], layout), disabled=self._rows[index].problem is not None)
            for index in self._shown
        )
        marked = self._shown.index(self._preferred) if self._preferred in self._shown else None
        first = next((at for at, index in enumerate(self._shown) if self._rows[index].problem is None), None)
        self._marked = marked if marked is not None else first
        options.highlighted = self._marked

    def _matching(self, query: str) -> list[int]:
        if not query:
            return list(range(len(self._rows)))
        matcher = Matcher(query)
        scores = [(matcher.match(row.search), index) for index, row in enumerate(self._rows)]
        return [index for score, index in sorted(scores, key=lambda pair: (-pair[0], pair[1])) if score > 0]
