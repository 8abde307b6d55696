"""The profiler beside the conversation. Takes snapshots in, paints only the lines that changed."""

from itertools import takewhile

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from llmtui.app.widgets.panel_lines import Line, panel_lines
from llmtui.domain.snapshot import ProfilerSnapshot

_ROLES = ("label", "value", "unit", "bar", "track", "spark", "alarm")


class ProfilerPanel(Widget):
    """Rows of figures; see `panel_lines`."""

    COMPONENT_CLASSES = {f"panel--{role}" for role in _ROLES}  # noqa: RUF012 - Textual's own declaration is a plain set
    DEFAULT_CSS = """
    ProfilerPanel {
        width: 40; height: 1fr; padding: 0 1; border-left: vkey $border; background: $background;
        & > .panel--label, & > .panel--unit { color: $text-muted; background: $background; }
        & > .panel--value { color: $foreground; background: $background; }
        & > .panel--bar, & > .panel--spark { color: $primary; background: $background; }
        & > .panel--track { color: $border; background: $background; }
        & > .panel--alarm { color: $warning; background: $background; text-style: bold; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._snapshot = ProfilerSnapshot()
        self._lines: list[Line] = []
        self._lines_size = Size(0, 0)

    def show(self, snapshot: ProfilerSnapshot) -> None:
        """Take a snapshot; repaint the lines that differ from what stands."""
        self._snapshot = snapshot
        if self._lines_size != self.content_size:
            return
        old = self._lines
        self._lay_out()
        width = self.content_size.width
        for y in range(max(len(old), len(self._lines))):
            before, now = _at(old, y), _at(self._lines, y)
            if before != now:
                self.refresh(Region(0, y, width - unchanged_cells(before, now), 1))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lay the rows out again after a resize: the table of turns takes the room there is."""
        if self._lines_size != self.content_size:
            self._lay_out()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One row as a strip."""
        styles = {role: self.get_component_rich_style(f"panel--{role}") for role in _ROLES}
        return _strip(_at(self._lines, y), self.content_size.width, styles)

    def _lay_out(self) -> None:
        size = self._lines_size = self.content_size
        self._lines = panel_lines(self._snapshot, size.width, size.height)


def unchanged_cells(before: Line, now: Line) -> int:
    """How many cells at the right end look the same: Textual need not send them again.

    What stands unchanged at the left is sent whatever is marked, up to the edge of the widget.
    """
    cells = 0
    for (text, role), (other, other_role) in zip(reversed(before), reversed(now), strict=False):
        if role != other_role:
            return cells
        pairs = zip(reversed(text), reversed(other), strict=False)
        cells += sum(cell_len(a) for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if text != other:
            return cells
    return cells


def _at(lines: list[Line], y: int) -> Line:
    return lines[y] if y < len(lines) else []


def _strip(line: Line, width: int, styles: dict[str, Style]) -> Strip:
    segments = [Segment(text, styles[role]) for text, role in line]
    return Strip(segments).adjust_cell_length(width, styles["label"]).simplify()
