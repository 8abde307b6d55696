"""Numbers as the screen writes them: thousands separated, units spelled, unknown as an en dash."""

from llmtui.domain.text import visible_line

UNKNOWN = "–"
GIB = 1024**3
MIB = 1024**2


def integer(value: int | None) -> str:
    """`12,345`."""
    return UNKNOWN if value is None else f"{value:,}"


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


def size(value: int | None) -> str:
    """Bytes as `5.1 GiB`, `37 MiB` or `12 KiB`."""
    if value is None:
        return UNKNOWN
    if value >= GIB:
        return f"{value / GIB:,.1f} GiB"
    if value >= MIB:
        amount = value / MIB
        return f"{amount:.0f} MiB" if amount >= 9.95 else f"{amount:.1f} MiB"
    return f"{value / 1024:.0f} KiB"


def short_size(value: int | None) -> str:
    """Bytes as `5.1G` or `37M`, for narrow columns."""
    if value is None:
        return UNKNOWN
    return f"{value / GIB:.1f}G" if value >= GIB else f"{value / MIB:.0f}M"


def count(value: int | None) -> str:
    """Parameters as `7.6B`, `494M` or `12K`; tokens of a context as they are."""
    if value is None:
        return UNKNOWN
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if value >= unit:
            amount = value / unit
            return f"{amount:.1f}{letter}" if amount < 10 else f"{amount:.0f}{letter}"
    return str(value)


def percent(fraction: float | None) -> str:
    """`19 %`."""
    return UNKNOWN if fraction is None else f"{fraction * 100:.0f} %"


def name(text: str | None) -> str:
    """A name from a file or server on one line, without control characters."""
    return UNKNOWN if text is None else visible_line(text)
