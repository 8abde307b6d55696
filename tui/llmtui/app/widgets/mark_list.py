"""A list of which several rows are marked, with a filter that has the keyboard."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
from textual import on
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from llmtui.app import format as fmt
from llmtui.app.matching import best_first, fold
from llmtui.app.widgets.line_input import LineInput
from llmtui.app.widgets.row_list import RowList
from llmtui.app.widgets.table import Column, Row, heading, lay_out

if TYPE_CHECKING:
    from textual.app import ComposeResult

_MARK = "✓"


class MarkList(Vertical):
    """Rows in, marks out. Enter in the filter marks the row under the cursor, or takes its mark away.

    Args:
        title: above the filter.
        placeholder: in the empty filter.
        columns: headings of the list.
    """

    DEFAULT_CSS = """
    MarkList {
        width: 1fr; height: 1fr;
        .title { height: 1; color: $text-muted; }
        &:focus-within .title { color: $primary; text-style: bold; }
        Input { background: $panel; }
        .columns { height: 1; color: $text-muted; }
        RowList { background: $background; }
        &:focus-within RowList > .row-list--marked {
            background: $block-cursor-background; color: $block-cursor-foreground;
        }
    }
    """

    class Changed(Message):
        """Marks were set or taken away."""

    class Typed(Message):
        """Enter was pressed and no row matches the text."""

        def __init__(self, sender: "MarkList", text: str) -> None:
            super().__init__()
            self.sender = sender
            self.text = text

    class Refused(Message):
        """A row with a problem was chosen."""

        def __init__(self, problem: str) -> None:
            super().__init__()
            self.problem = problem

    def __init__(self, title: str, placeholder: str, columns: Sequence[Column], *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._title = title
        self._placeholder = placeholder
        self._columns = (Column(name="", rank=9), *columns)
        self._rows: list[Row] = []
        self._searched: list[str] = []
        self._chosen: dict[str, None] = {}

    def compose(self) -> "ComposeResult":
        """Title, filter, headings, rows."""
        yield Static(classes="title", markup=False)
        yield LineInput(placeholder=self._placeholder)
        yield Static(classes="columns", markup=False)
        yield RowList()

    def on_mount(self) -> None:
        """An empty list has a title, too."""
        self._show()

    def on_resize(self) -> None:
        """The columns depend on the width."""
        self.call_after_refresh(self._show)

    @property
    def chosen(self) -> tuple[str, ...]:
        """Keys of the marked rows that are there, in the order of the list."""
        return tuple(row.key for row in self._rows if row.key in self._chosen and row.problem is None)

    def choose(self, keys: Iterable[str]) -> None:
        """Mark rows, also those that are still to come."""
        self._chosen |= dict.fromkeys(keys)
        self._show()

    def fill(self, rows: Sequence[Row]) -> None:
        """Set the rows; the cursor stays on its row."""
        self._rows = list(rows)
        self._searched = [fold(row.search) for row in rows]
        self._show()

    def move(self, how: str) -> None:
        """Move the cursor."""
        self.query_one(RowList).move(how)

    def _show(self) -> None:
        view = self.query_one(RowList)
        before = view.rows[view.mark].key if view.mark is not None and view.mark < len(view.rows) else None
        rows = [
            msgspec.structs.replace(
                row,
                cells=(_MARK if row.key in self._chosen and row.problem is None else " ", *row.cells),
                styles={0: "bold $success", 1: "", **{at + 1: style for at, style in row.styles.items()}},
            )
            for row in self._rows
        ]
        shown = [rows[at] for at in best_first(self.query_one(Input).value, self._searched)]
        layout = lay_out(self._columns, rows, view.row_width)
        self.query_one(".columns", Static).update(heading(layout))
        many = len(self.chosen)
        told = f"{self._title} · {many} marked" if many else self._title
        self.query_one(".title", Static).update(Content(fmt.name(told)))
        at = next((number for number, row in enumerate(shown) if row.key == before), 0 if shown else None)
        view.show(shown, layout, mark=at)

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        event.stop()
        view = self.query_one(RowList)
        self._show()
        if view.rows and event.value:
            view.move("first")

    @on(Input.Submitted)
    def _enter(self, event: Input.Submitted) -> None:
        event.stop()
        view = self.query_one(RowList)
        if view.mark is not None and view.mark < len(view.rows):
            self._toggle(view.mark)
        elif event.value.strip():
            self.post_message(self.Typed(self, event.value.strip()))

    @on(RowList.Clicked)
    def _clicked(self, event: RowList.Clicked) -> None:
        event.stop()
        self.query_one(Input).focus()
        self._toggle(event.number)

    def _toggle(self, number: int) -> None:
        row = self.query_one(RowList).rows[number]
        if row.problem is not None:
            self.post_message(self.Refused(row.problem))
            return
        if row.key in self._chosen:
            del self._chosen[row.key]
        else:
            self._chosen[row.key] = None
        self._show()
        self.clear_filter()
        self.post_message(self.Changed())

    def clear_filter(self) -> None:
        """Show all rows again."""
        self.query_one(Input).value = ""
