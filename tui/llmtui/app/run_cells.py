"""What stands in the cells of a run's grid. Pure."""

from rich.cells import cell_len

from llmtui.app import format as fmt
from llmtui.services.runs.grid import Cell, CellState, Column, Totals

GLYPHS: dict[CellState, tuple[str, str]] = {
    "open": ("·", "$text-muted"),
    "asking": ("▸", "bold $primary"),
    "queued": ("↻", "bold $primary"),
    "passed": ("✓", "$success"),
    "failed": ("✗", "$error"),
    "waiting": ("…", "$warning"),
    "unscored": ("=", "$text-muted"),
    "error": ("!", "bold $error"),
    "cancelled": ("□", "$text-muted"),
    "skipped": ("»", "$text-muted"),
}
"""Sign and style of what became of a sample."""
WORDS: dict[CellState, str] = {
    "open": "not asked yet",
    "asking": "being asked",
    "queued": "to be asked again",
    "passed": "passed",
    "failed": "failed",
    "waiting": "waits to be scored",
    "unscored": "answered; the sample has no scorer",
    "error": "no answer",
    "cancelled": "stopped",
    "skipped": "skipped until the run is taken up again",
}
MENDED, BROKEN = "▲", "▼"
"""Better and worse than a baseline."""
CELL = 13
"""Columns of the terminal that a cell takes at least: sign, score, tokens a second."""
_FIGURE = 5
Part = tuple[str, str]
"""Text and its style."""


def score(value: float | None) -> str:
    """A score of 0 to 1 in four characters; nothing where there is none."""
    return "" if value is None else f"{value:.2f}"


def sample_parts(cell: Cell, width: int) -> list[Part]:
    """A sample on a model; of several epochs it tells how many passed."""
    sign, style = GLYPHS[cell.state]
    several = len(cell.marks) > 1
    told = f"{cell.passed}/{len(cell.marks)}" if several and any(cell.marks) else score(cell.value)
    rate = fmt.short_rate(cell.decode_tps) if cell.decode_tps is not None else ""
    if cell.mended is not None:
        told = (MENDED if cell.mended else BROKEN) + told
    return [
        (sign, style),
        (fmt.fitted(told, _FIGURE + 1, right=True), style if cell.state in {"passed", "failed"} else ""),
        (fmt.fitted(rate, max(0, width - _FIGURE - 2), right=True), "$text-muted"),
    ]


def totals_parts(totals: Totals | None, width: int) -> list[Part]:
    """A set, or everything, on a model: how many passed of those that are decided, and tokens a second.

    Where none is decided, how many have an answer of all.
    """
    if totals is None:
        return [(" " * width, "")]
    decided = totals.passed + totals.failed
    rate = fmt.short_rate(totals.decode_tps) if totals.decode_tps is not None else ""
    sign, told, style = "✓", f"{totals.passed}/{decided}", "bold"
    if not decided:
        sign, told, style = "", f"{totals.done}/{totals.planned}", "$text-muted"
    return [
        (fmt.fitted(sign, 1), "bold $success"),
        (fmt.fitted(told, max(_FIGURE + 1, cell_len(told)), right=True), style),
        (fmt.fitted(rate, max(0, width - _FIGURE - 2), right=True), "$text-muted"),
    ]


def heading_parts(column: Column, width: int) -> list[Part]:
    """A model's name, with what it does."""
    styles = {"loading": "bold $warning", "answering": "bold $primary", "failed": "bold $error", "done": "bold"}
    marks = {"loading": "↻", "answering": "▸", "failed": "!"}
    name = fmt.name(column.model)
    mark = marks.get(column.state, "")
    if mark:
        return [(f"{mark} {fmt.fitted(name, width - 2)}", styles[column.state])]
    return [(fmt.fitted(name, width), styles.get(column.state, "$text-muted"))]
