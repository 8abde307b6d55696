"""Answers side by side, drawn row by row: one widget, however long they are and however many."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.theme import Theme

from llmtui.app.render import columns
from llmtui.app.render.columns import EMPTY, HEAD_ROWS
from llmtui.app.render.lines import Line
from llmtui.app.render.palette import Palette
from llmtui.app.render.stream import MarkdownStream
from llmtui.app.render.strips import strip_of
from llmtui.services.answer_table import figures, settings
from llmtui.services.answers import ShownAnswer
from llmtui.services.word_diff import Stretch

LEAST_WIDTH: Final = 34
"""Cells of a column: of as many as fit, none is narrower."""
STACKED_BELOW: Final = 60
"""Cells of the view below which answers stand beneath one another."""
_BETWEEN: Final = " │ "


class AnswerColumns(ScrollView, can_focus=False):
    """Answers in, `Marked` out. It never takes the keyboard: its screen calls what the keys do.

    The labels stay at the top while the rest scrolls. Scores, figures and settings begin in the same row everywhere.

    Attributes:
        linked: all columns scroll together; else only the marked one does.
    """

    DEFAULT_CSS = """
    AnswerColumns { height: 1fr; width: 1fr; background: $background; color: $foreground; overflow-x: hidden;
                    overflow-y: scroll; scrollbar-size-vertical: 1; scrollbar-background: $background;
                    scrollbar-background-hover: $background; scrollbar-background-active: $background;
                    scrollbar-color: $panel; }
    """

    class Marked(Message):
        """Another answer is marked, or others are in view."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.linked = True
        self._answers: tuple[ShownAnswer, ...] = ()
        self._mark = self._first = 0
        self._opened = self._whole_prompt = False
        self._following = True
        self._diff: Mapping[int, Sequence[Stretch]] = {}
        self._streams: dict[int, MarkdownStream] = {}
        self._bodies: dict[int, list[Line]] = {}
        self._offsets: list[int] = []
        self._prompt: list[Line] = []
        self._heads: list[columns.Head] = []
        self._grid: list[list[Line]] = []
        self._tops: list[int] = []
        self._details_at = 0
        self._palette = Palette.from_theme({}, ansi=True)

    # What goes in

    def show(self, answers: Sequence[ShownAnswer], *, mark: int = 0) -> None:
        """Show these from their beginning."""
        self._answers = tuple(answers)
        self._mark = max(0, min(mark, len(answers) - 1))
        self._offsets = [0] * len(self._answers)
        self._diff = {}
        self._forget()
        self._lay_out()
        self.scroll_to(y=0, animate=False, force=True)

    def replace(self, at: int, answer: ShownAnswer) -> None:
        """An answer has grown, or has ended. Only rows that change are painted."""
        self._answers = (*self._answers[:at], answer, *self._answers[at + 1 :])
        self._bodies.pop(at, None)
        if not answer.running:
            self._streams.pop(at, None)
        self._lay_out()
        if answer.running and self._following:
            self._follow(at)

    def compare(self, diff: Mapping[int, Sequence[Stretch]]) -> None:
        """Show how answers differ from another one, by their numbers; none shows all as they are."""
        self._diff = diff
        self._forget()
        self._lay_out()

    # What it tells

    @property
    def answers(self) -> tuple[ShownAnswer, ...]:
        """Those shown, first to last."""
        return self._answers

    @property
    def mark(self) -> int:
        """Number of the marked answer."""
        return self._mark

    @property
    def in_view(self) -> range:
        """Numbers of the answers that are in view."""
        fit = len(self._answers) if self._stacked else min(self._fit, len(self._answers))
        return range(self._first, self._first + fit) if not self._stacked else range(fit)

    # What the keys do

    def move_mark(self, by: int) -> None:
        """Mark the answer before or after, and bring it into view."""
        at = max(0, min(self._mark + by, len(self._answers) - 1))
        if at == self._mark:
            return
        self._mark = at
        self._lay_out()
        if self._stacked:
            self.scroll_to(y=self._tops[at], animate=False, force=True)
        self.refresh()
        self.post_message(self.Marked())

    def scroll_rows(self, rows: int) -> None:
        """Scroll all, or the marked answer alone."""
        self._following = False
        if self.linked or self._stacked:
            self.scroll_relative(y=rows, animate=False)
            return
        top = max(0, round(self.scroll_y) - len(self._prompt))
        length = len(self._bodies.get(self._mark, ()))
        reach = max(0, length - 1)
        self._offsets[self._mark] = max(0, min(top + self._offsets[self._mark] + rows, reach)) - top
        self._measure()
        self.refresh()

    def scroll_page(self, pages: int) -> None:
        """A screen up or down, less a row."""
        self.scroll_rows(pages * max(1, self.size.height - HEAD_ROWS - 1))

    def scroll_end_of(self, end: int) -> None:
        """To the start, where all columns stand level again, or to the end, which is followed while one grows."""
        self._following = bool(end)
        if not end:
            self._offsets = [0] * len(self._answers)
            self._measure()
        self.scroll_to(y=self.max_scroll_y if end else 0, animate=False, force=True)
        self.refresh()

    def toggle_details(self) -> None:
        """Go to the scores, figures and settings beneath the answers, or back to the start."""
        at = len(self._prompt) + self._details_at
        self._following = False
        here = round(self.scroll_y)
        self.scroll_to(y=0 if here >= min(at, self.max_scroll_y) and here else at, animate=False, force=True)

    def toggle_thoughts(self) -> None:
        """Open or fold what the models thought."""
        self._opened = not self._opened
        self._forget()
        self._lay_out()

    def toggle_prompt(self) -> None:
        """Show the whole prompt, or its end."""
        self._whole_prompt = not self._whole_prompt
        self._lay_out()
        self.scroll_to(y=0, animate=False, force=True)

    # Layout

    @property
    def _width(self) -> int:
        return max(0, self.size.width - self.styles.scrollbar_size_vertical)

    @property
    def _stacked(self) -> bool:
        return self._width < STACKED_BELOW

    @property
    def _fit(self) -> int:
        return max(1, (self._width + len(_BETWEEN)) // (LEAST_WIDTH + len(_BETWEEN)))

    @property
    def _column_width(self) -> int:
        if self._stacked:
            return max(2, self._width)
        count = max(1, len(self.in_view))
        return (self._width - len(_BETWEEN) * (count - 1)) // count

    def _forget(self) -> None:
        self._bodies.clear()
        self._streams.clear()

    def _body(self, at: int) -> list[Line]:
        """Rows of an answer's text, laid out once."""
        rows = self._bodies.get(at)
        if rows is None:
            answer, width = self._answers[at], self._column_width
            if at in self._diff:
                rows = columns.difference(self._diff[at], width, self._palette)
            elif answer.running and answer.content.strip():
                stream = self._streams.setdefault(at, MarkdownStream(width, self._palette))
                stream.update(answer.content[: columns.MOST_SHOWN])
                rows = list(stream.rows)
            else:
                rows = columns.body(answer, width, self._palette, opened=self._opened)
            self._bodies[at] = rows
        return rows

    def _lay_out(self) -> None:
        """Lay out what is in view; paint the rows that differ from those before."""
        if not self._width or not self._answers:
            return
        if not self._stacked:
            last = max(0, len(self._answers) - self._fit)
            self._first = min(max(self._first, self._mark - self._fit + 1), self._mark, last)
        before = (self._prompt, self._heads, self._grid)
        palette, width = self._palette, self._column_width
        marked = self._answers[self._mark]
        differ = any(answer.prompt != marked.prompt for answer in self._answers)
        self._prompt = columns.prompt(marked, self._width, palette, opened=self._whole_prompt, differ=differ)
        shown = self.in_view
        self._heads = [columns.head(self._answers[at], width, palette, marked=at == self._mark) for at in shown]
        self._grid = self._columns_of(shown, width)
        if self._stacked:
            self._stack()
        self._measure()
        if before[:2] != (self._prompt, self._heads) or len(before[2]) != len(self._grid):
            self.refresh()
        else:
            self._refresh_changed(before[2])

    def _columns_of(self, shown: range, width: int) -> list[list[Line]]:
        palette = self._palette
        grid = [list(self._body(at)) for at in shown]
        self._details_at = max(map(len, grid), default=0)
        told = [columns.scores(self._answers[at], width, palette) for at in shown]
        if any(told):
            self._level(grid)
            for column, rows in zip(grid, told, strict=True):
                column.extend([EMPTY, *rows])
        self._level(grid)
        for lines in (figures(self._answers), settings(self._answers)):
            for column in grid:
                column.append(EMPTY)
            for line in lines:
                for at, column in zip(shown, grid, strict=True):
                    column.extend(columns.figure(line, at, width, palette))
                self._level(grid)
        return grid

    def _level(self, grid: list[list[Line]]) -> None:
        """Make all columns as long as the longest, unless they stand beneath one another."""
        longest = 0 if self._stacked else max(map(len, grid), default=0)
        for column in grid:
            column.extend([EMPTY] * (longest - len(column)))

    def _stack(self) -> None:
        """Put the columns beneath one another."""
        rows: list[Line] = []
        self._tops = []
        for head, column in zip(self._heads, self._grid, strict=True):
            self._tops.append(len(self._prompt) + len(rows))
            rows += [head.label, head.figures, *column, EMPTY]
        self._grid = [rows]

    @property
    def _head_rows(self) -> int:
        return 0 if self._stacked else HEAD_ROWS

    def _offset(self, at: int) -> int:
        return 0 if self._stacked else self._offsets[self._first + at]

    def _measure(self) -> None:
        longest = max((len(column) - self._offset(at) for at, column in enumerate(self._grid)), default=0)
        self.virtual_size = Size(self._width, len(self._prompt) + self._head_rows + longest)

    def _refresh_changed(self, before: list[list[Line]]) -> None:
        top = len(self._prompt) + self._head_rows - round(self.scroll_y)
        width = self._column_width
        for at, (old, new) in enumerate(zip(before, self._grid, strict=True)):
            x = at * (width + len(_BETWEEN))
            rows = (
                top + number - self._offset(at)
                for number, pair in enumerate(zip_longest(old, new))
                if pair[0] != pair[1]
            )
            regions = [Region(x, y, width, 1) for y in rows if self._head_rows <= y < self.size.height]
            if regions:
                self.refresh(*regions)

    def _follow(self, at: int) -> None:
        """Scroll half a screen on when the end of an answer that grows has left the view."""
        if at not in self.in_view or self._stacked:
            return
        end = len(self._prompt) + HEAD_ROWS + len(self._bodies.get(at, ())) - self._offsets[at]
        if end > round(self.scroll_y) + self.size.height:
            self.scroll_to(y=end - (self.size.height + 1) // 2, animate=False, force=True)

    # Events

    def on_mount(self) -> None:
        """Take the theme's colours, now and whenever they change."""
        self._take_theme(self.app.current_theme)
        self.app.theme_changed_signal.subscribe(self, self._take_theme)

    def _take_theme(self, theme: Theme) -> None:
        self._palette = Palette.from_theme(theme.to_color_system().generate(), ansi=theme.ansi)
        self._forget()
        self._lay_out()

    def on_resize(self) -> None:
        """Wrap again."""
        self._forget()
        self._lay_out()
        self.refresh()
        self.post_message(self.Marked())

    def on_mouse_scroll_up(self) -> None:
        """The user reads: the end is not followed any more."""
        self._following = False

    # Painting

    def render_line(self, y: int) -> Strip:
        """One row of the view."""
        width, base = self.size.width, self.rich_style
        top, prompt = round(self.scroll_y), len(self._prompt)
        at = y + top - prompt
        if at < 0 and y + top < prompt:
            return strip_of(self._prompt[y + top], width, base)
        if self._head_rows and (at < HEAD_ROWS or (top > prompt and y < HEAD_ROWS)):
            row = at if at < HEAD_ROWS else y
            return self._joined([(head.label, head.figures)[row] for head in self._heads], width)
        number = at - self._head_rows
        rows = [
            column[number + self._offset(which)] if 0 <= number + self._offset(which) < len(column) else EMPTY
            for which, column in enumerate(self._grid)
        ]
        return self._joined(rows, width)

    def _joined(self, rows: Sequence[Line], width: int) -> Strip:
        base = self.rich_style
        between = Segment(_BETWEEN, base + self._palette.muted)
        segments: list[Segment] = []
        for number, row in enumerate(rows):
            if number:
                segments.append(between)
            segments.extend(strip_of(row, self._column_width, base))
        return Strip(segments).adjust_cell_length(width, base)
