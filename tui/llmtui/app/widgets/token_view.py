"""Rows of tokens: only those on the screen are drawn, so that a hundred thousand tokens scroll like ten."""

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from llmtui.app.render.token_rows import CACHED, FAINT, GONE, MARKED, MISS, NEW, ODD, SPLIT, Row, Sheet

if TYPE_CHECKING:
    from textual.theme import Theme

GUTTER = 2
FEW_COLOURS = frozenset({None, "standard", "windows"})
"""Of these, none is free to shade tokens with: every other one is underlined."""


class TokenView(ScrollView, can_focus=False):
    """Shows a sheet. It never takes the keyboard: its screen scrolls it."""

    DEFAULT_CSS = """
    TokenView { height: 1fr; width: 1fr; background: $background; color: $foreground;
                overflow-x: hidden; overflow-y: scroll; scrollbar-size-vertical: 1; }
    """

    class Clicked(Message):
        """A token was clicked.

        Attributes:
            place: of it.
        """

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._sheet: Sheet | None = None
        self._found: range = range(0)
        self._styles: dict[tuple[int, bool], Style] = {}

    @property
    def columns(self) -> int:
        """Cells for tokens."""
        return max(2, self.size.width - GUTTER - self.styles.scrollbar_size_vertical)

    @property
    def rows(self) -> list[str]:
        """What stands on the screen now, for tests."""
        sheet, top = self._sheet, round(self.scroll_y)
        shown = range(top, min(top + self.size.height, sheet.height)) if sheet else ()
        return [_plain(sheet.row(at)) for at in shown] if sheet else []

    def show(self, sheet: Sheet | None, *, place: int = 0) -> None:
        """Show a sheet from its top, or from a token."""
        self._sheet = sheet
        self._found = range(0)
        self.grown()
        self.scroll_to(y=sheet.row_of(place) if sheet and place else 0, animate=False, force=True)
        self.refresh()

    def grown(self) -> None:
        """The sheet has more rows."""
        self.virtual_size = Size(self.columns + GUTTER, self._sheet.height if self._sheet else 0)

    def find(self, places: range) -> None:
        """Mark tokens and bring them into view."""
        self._found = places
        if self._sheet is not None and places:
            self.bring(places.start)
        self.refresh()

    def go_to(self, place: int) -> None:
        """Put a token, with the title above it, at the top."""
        if self._sheet is not None:
            row = self._sheet.row_of(place)
            titled = row > 0 and not self._sheet.row(row - 1).cells
            self.scroll_to(y=row - titled, animate=False, force=True)

    def bring(self, place: int) -> None:
        """Bring a token into view, a third down the screen if it is not there."""
        if self._sheet is None:
            return
        row, top, height = self._sheet.row_of(place), round(self.scroll_y), self.size.height
        if not top <= row < top + height:
            self.scroll_to(y=max(0, row - height // 3), animate=False, force=True)

    def scroll_rows(self, rows: int) -> None:
        """Scroll down, or up where `rows` is negative."""
        self.scroll_relative(y=rows, animate=False)

    def scroll_page(self, pages: int) -> None:
        """A screen down or up, less a row."""
        self.scroll_rows(pages * max(1, self.size.height - 1))

    def scroll_end_of(self, end: int) -> None:
        """To the first row, or to the last."""
        self.scroll_to(y=self.max_scroll_y if end else 0, animate=False)

    @property
    def first_place(self) -> int:
        """The first token in view."""
        sheet = self._sheet
        if sheet is None:
            return 0
        for at in range(round(self.scroll_y), sheet.height):
            if cells := sheet.row(at).cells:
                return cells[0].place
        return 0

    def on_mount(self) -> None:
        """Take the theme's colours, now and whenever they change."""
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, _theme: "Theme") -> None:
        self._styles.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Tell which token."""
        sheet, at = self._sheet, round(self.scroll_y) + event.y
        if sheet is None or at >= sheet.height:
            return
        x = GUTTER
        for cell in sheet.row(at).cells:
            x += Segment(cell.text).cell_length
            if event.x < x:
                self.post_message(self.Clicked(cell.place))
                return

    def render_line(self, y: int) -> Strip:
        """A row of the view."""
        width, at = self.size.width, round(self.scroll_y) + y
        base = self.rich_style
        if self._sheet is None or at >= self._sheet.height:
            return Strip.blank(width, base)
        row = self._sheet.row(at)
        if not row.cells:
            rule = f"── {row.title} "
            text = rule + "─" * max(0, self.columns - Segment(rule).cell_length)
            segments = [Segment(" " * GUTTER, base), Segment(text, base + self._style(FAINT))]
        else:
            segments = [self._gutter(row, base)]
            segments += [
                Segment(cell.text, base + self._style(cell.look, found=cell.place in self._found)) for cell in row.cells
            ]
        return Strip(segments).adjust_cell_length(width, base)

    def _gutter(self, row: Row, base: Style) -> Segment:
        looks = [cell.look for cell in row.cells]
        for bit, sign in ((MISS, "≠"), (GONE, "-"), (NEW, "+")):
            if any(look & bit for look in looks):
                return Segment(f"{sign} ", base + self._style(bit if bit != MISS else FAINT | MARKED))
        cached = all(look & CACHED for look in looks if not look & FAINT)
        return Segment("│ " if cached and any(look & CACHED for look in looks) else "  ", base + self._style(FAINT))

    def _style(self, look: int, *, found: bool = False) -> Style:
        style = self._styles.get((look, found))
        if style is None:
            style = self._styles[look, found] = self._made(look) + Style(reverse=True if found else None)
        return style

    def _made(self, look: int) -> Style:
        theme = self.app.theme_variables
        few = self.app.console.color_system in FEW_COLOURS or self.app.current_theme.ansi
        style = Style(
            bold=bool(look & MARKED) or None,
            strike=bool(look & GONE) or None,
            reverse=bool(look & MISS) or None,
            underline=bool((look & ODD and few) or (look & SPLIT and not few)) or None,
            italic=bool(look & SPLIT and few) or None,
        )
        if few:
            names = ((MISS | GONE, "red"), (NEW, "green"), (MARKED, "yellow"))
            colour = next((name for bits, name in names if look & bits), None)
            return style + Style(color=colour, dim=bool(look & (CACHED | FAINT)) or None)
        foreground, background = Color.parse(theme["foreground"]), Color.parse(theme["background"])
        grey = background.blend(foreground, 0.6)
        names = ((MISS | GONE, "error"), (NEW, "success"), (MARKED, "accent"))
        named = next((Color.parse(theme[name]) for bits, name in names if look & bits), None)
        if look & (CACHED | FAINT) and not look & MISS:
            named = grey if named is None else background.blend(named, 0.75)
        ground = background.blend(foreground, 0.14) if look & ODD else background
        return style + Style(color=(named or foreground).rich_color, bgcolor=ground.rich_color)


def _plain(row: Row) -> str:
    return "".join(cell.text for cell in row.cells) or row.title
