"""A run's grid: samples down, models across. Only what is on the screen is drawn, however many rows there are."""

from bisect import bisect_left
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from llmtui.app import format as fmt
from llmtui.app.run_cells import CELL, Part, heading_parts, sample_parts, totals_parts
from llmtui.services.runs.grid import Grid, GridRow

if TYPE_CHECKING:
    from textual.style import Style

GAP = 2
WIDEST_CELL = 22
LEAST_LABEL = 18
_FIXED = 2
"""Lines that do not scroll: the models above, the totals below."""
_MEASURED = 500
"""Samples whose names are measured; the others are cut to fit."""


class Shape(NamedTuple):
    """How the grid lies in a width: cells of the samples' names and of each model, and which models fit."""

    label: int
    cell: int
    shown: int


class GridView(ScrollView, can_focus=False):
    """Shows a grid with one cell marked. It never takes the keyboard: its screen moves the mark."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid-view--marked", "grid-view--row", "grid-view--fixed"}
    DEFAULT_CSS = """
    GridView {
        height: 1fr; background: $background; scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: scroll;
        & > .grid-view--marked { background: $block-cursor-background; color: $block-cursor-foreground; }
        & > .grid-view--row { background: $block-cursor-blurred-background; }
        & > .grid-view--fixed { background: $surface; }
    }
    """

    class Moved(Message):
        """Another cell is marked."""

    class Chosen(Message):
        """The marked cell was clicked."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._grid = Grid()
        self._lines: list[GridRow | str] = []
        self._places: list[int] = []
        self._row = 0
        self._column = 0
        self._first = 0
        self._shape: tuple[int, Shape] | None = None

    # What goes in

    @property
    def row(self) -> GridRow | None:
        """The marked sample."""
        return self._grid.rows[self._row] if self._row < len(self._grid.rows) else None

    @property
    def model(self) -> str | None:
        """The marked model."""
        return self._grid.columns[self._column].model if self._column < len(self._grid.columns) else None

    def show(self, grid: Grid) -> None:
        """Show a grid; the mark stays on its sample and model."""
        if grid is self._grid:
            return
        row, before = self.row, self._grid
        self._grid = grid
        if grid.rows is not before.rows:
            self._shape = None
            self._set_lines(row)
        self.refresh()

    def go_to(self, row: GridRow, model: str) -> None:
        """Mark a cell."""
        self._row = self._number_of(row)
        self._column = next((at for at, one in enumerate(self._grid.columns) if one.model == model), self._column)
        self._bring()

    def step(self, rows: int = 0, columns: int = 0) -> bool:
        """Move the mark by rows and columns; whether it moved."""
        before = (self._row, self._column)
        self._row = max(0, min(self._row + rows, len(self._grid.rows) - 1))
        self._column = max(0, min(self._column + columns, len(self._grid.columns) - 1))
        self._bring()
        return before != (self._row, self._column)

    def move(self, how: str) -> None:
        """Move the mark: `up`, `down`, `left`, `right`, `page_up`, `page_down`, `first` or `last`."""
        page, many = max(1, self.size.height - _FIXED - 1), len(self._grid.rows)
        rows = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "first": -many, "last": many}
        self.step(rows.get(how, 0), {"left": -1, "right": 1}.get(how, 0))

    def _set_lines(self, marked: GridRow | None) -> None:
        self._lines, self._places = [], []
        heading: str | None = None
        for row in self._grid.rows:
            if row.set != heading:
                heading = row.set
                self._lines.append(heading)
            self._places.append(len(self._lines))
            self._lines.append(row)
        self.virtual_size = Size(self.columns, len(self._lines) + _FIXED)
        self._row = self._number_of(marked)

    def _number_of(self, wanted: GridRow | None) -> int:
        if wanted is None:
            return 0
        same = (at for at, row in enumerate(self._grid.rows) if (row.set, row.sample) == (wanted.set, wanted.sample))
        return next(same, 0)

    def _bring(self) -> None:
        """Scroll so that the mark is in view, the heading above it too where it is the first of its set."""
        shape = self.shape
        self._first = max(min(self._first, self._column), self._column - shape.shown + 1, 0)
        if self._row < len(self._places):
            line, room, top = self._places[self._row], max(1, self.size.height - _FIXED), round(self.scroll_y)
            above = line - 1 if line and isinstance(self._lines[line - 1], str) else line
            if above < top:
                self.scroll_to(y=above, animate=False, force=True)
            elif line >= top + room:
                self.scroll_to(y=line - room + 1, animate=False, force=True)
        self.refresh()
        self.post_message(self.Moved())

    # How it lies

    @property
    def columns(self) -> int:
        """Cells beside the scroll bar."""
        return max(1, self.size.width - self.styles.scrollbar_size_vertical)

    @property
    def shape(self) -> Shape:
        """As many models as fit beside the samples' names."""
        if self._shape is None or self._shape[0] != self.columns:
            self._shape = self.columns, self._lay_out(self.columns)
        return self._shape[1]

    def _lay_out(self, width: int) -> Shape:
        models = len(self._grid.columns)
        longest = max((cell_len(row.sample) for row in self._grid.rows[:_MEASURED]), default=0) + 4
        label = max(LEAST_LABEL, min(longest, width * 2 // 5))
        shown = max(1, min(models, (width - label) // (CELL + GAP)))
        named = max((cell_len(fmt.name(column.model)) for column in self._grid.columns), default=0)
        cell = max(1, min(max(WIDEST_CELL, named), (width - label) // shown - GAP))
        return Shape(min(width - shown * (cell + GAP), max(LEAST_LABEL, longest)), cell, shown)

    @property
    def beyond(self) -> tuple[int, int]:
        """How many models stand left and right of what is shown."""
        return self._first, max(0, len(self._grid.columns) - self._first - self.shape.shown)

    def on_resize(self) -> None:
        """Keep the mark in view."""
        self.virtual_size = Size(self.columns, len(self._lines) + _FIXED)
        self._bring()

    # Painting

    def render_line(self, y: int) -> Strip:
        """The models, a line of the grid, or the totals."""
        style, shape, grid = self.visual_style, self.shape, self._grid
        shown = grid.columns[self._first : self._first + shape.shown]
        if y == 0:
            style += self.get_visual_style("grid-view--fixed")
            before, after = self.beyond
            label = f"{f'‹ {before} ' if before else ''}{f'{after} ›' if after else ''}"
            parts = [(fmt.fitted(label, shape.label), "$text-muted")]
            for column in shown:
                parts += [(" " * GAP, ""), *heading_parts(column, shape.cell)]
            return self._strip(parts, style)
        if y == self.size.height - 1:
            style += self.get_visual_style("grid-view--fixed")
            parts = [(fmt.fitted(" all", shape.label), "bold")]
            for column in shown:
                parts += [(" " * GAP, ""), *totals_parts(grid.totals.get((None, column.model)), shape.cell)]
            return self._strip(parts, style)
        at = y - 1 + round(self.scroll_y)
        if at >= len(self._lines):
            return Strip.blank(self.size.width, style.rich_style)
        line = self._lines[at]
        return self._heading(line, shape, style) if isinstance(line, str) else self._sample(line, at, shape, style)

    def _heading(self, name: str, shape: Shape, style: "Style") -> Strip:
        parts = [(fmt.fitted(f" {fmt.name(name)}", shape.label), "bold $secondary")]
        for column in self._grid.columns[self._first : self._first + shape.shown]:
            parts += [(" " * GAP, ""), *totals_parts(self._grid.totals.get((name, column.model)), shape.cell)]
        return self._strip(parts, style)

    def _sample(self, row: GridRow, at: int, shape: Shape, style: "Style") -> Strip:
        label = (fmt.fitted(f"   {fmt.name(row.sample)}", shape.label), "")
        cells = [
            sample_parts(self._grid.cell(row, column.model), shape.cell)
            for column in self._grid.columns[self._first : self._first + shape.shown]
        ]
        if self._row >= len(self._places) or self._places[self._row] != at:
            return self._strip([label, *(part for cell in cells for part in ((" " * GAP, ""), *cell))], style)
        under = style + self.get_visual_style("grid-view--row")
        strips = [self._piece([label], shape.label, under)]
        for number, parts in enumerate(cells, self._first):
            is_marked = number == self._column
            on = style + self.get_visual_style("grid-view--marked") if is_marked else under
            shown = [(text, "") for text, _ in parts] if is_marked else parts
            strips += [self._piece([(" " * GAP, "")], GAP, under), self._piece(shown, shape.cell, on)]
        return Strip.join(strips).adjust_cell_length(self.size.width, under.rich_style)

    def _piece(self, parts: list[Part], width: int, style: "Style") -> Strip:
        content = Content.assemble(*((text, part) if part else text for text, part in parts))
        strips = Visual.to_strips(self, content, width, 1, style, pad=True, apply_selection=False)
        return strips[0] if strips else Strip.blank(width, style.rich_style)

    def _strip(self, parts: list[Part], style: "Style") -> Strip:
        return self._piece(parts, self.size.width, style)

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Mark the cell under the pointer; one that is marked is chosen."""
        at, shape = event.y - 1 + round(self.scroll_y), self.shape
        if not 0 < event.y < self.size.height - 1 or at >= len(self._lines) or isinstance(self._lines[at], str):
            return
        number = bisect_left(self._places, at)
        column = self._column
        if shape.label <= event.x:
            column = self._first + min((event.x - shape.label) // (shape.cell + GAP), shape.shown - 1)
        if (number, column) == (self._row, self._column):
            self.post_message(self.Chosen())
            return
        self._row, self._column = number, column
        self._bring()
