"""Numbers and names as the screen writes them: thousands separated, units spelled, unknown as an en dash."""

from rich.cells import cell_len, set_cell_size

from llmtui.domain.quantities import UNKNOWN, count, percent, size
from llmtui.domain.quantities import whole as integer
from llmtui.domain.text import visible_line

__all__ = [
    "UNKNOWN",
    "count",
    "cut",
    "fitted",
    "integer",
    "milliseconds",
    "name",
    "percent",
    "rate",
    "seconds",
    "short_rate",
    "short_size",
    "size",
]


def rate(value: float | None) -> str:
    """Tokens or characters a second: one decimal below 100, none above."""
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if value < 99.95 else f"{value:,.0f}"


def short_rate(value: float | None) -> str:
    """A rate in at most five characters, for narrow columns."""
    return f"{value / 1000:.0f}k" if value is not None and value >= 9999.5 else rate(value)


def seconds(value: float | None) -> str:
    """Seconds with two decimals below ten, one below a hundred, none above."""
    if value is None:
        return UNKNOWN
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def milliseconds(value: float | None) -> str:
    """Milliseconds with one decimal below ten."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def short_size(value: int | None) -> str:
    """Bytes as `5.1G` or `37M`, for narrow columns."""
    if value is None:
        return UNKNOWN
    return f"{value / (1 << 30):.1f}G" if value >= 1 << 30 else f"{value / (1 << 20):.0f}M"


def name(text: str | None) -> str:
    """A name from a file or server on one line, without control characters."""
    return UNKNOWN if text is None else visible_line(text)


def cut(text: str, cells: int) -> str:
    """Text in at most so many cells, cut with an ellipsis."""
    return text if cell_len(text) <= cells else set_cell_size(text, max(0, cells - 1)).rstrip() + "…"


def fitted(text: str, cells: int, *, right: bool = False) -> str:
    """Text in exactly so many cells, cut with an ellipsis."""
    text = cut(text, cells)
    pad = " " * (cells - cell_len(text))
    return pad + text if right else text + pad
