"""A history of numbers as one line of blocks."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values, newest at the right, on a scale from zero to their highest.

    The scale starts at zero so that a steady rate looks steady instead of showing noise at full height.
    """
    recent = values[-width:] if width > 0 else ()
    top = max(recent, default=0.0)
    if top <= 0:
        return "".rjust(max(0, width))
    line = "".join(BLOCKS[min(len(BLOCKS) - 1, int(max(0.0, value) / top * len(BLOCKS)))] for value in recent)
    return line.rjust(width)


def bar(fraction: float | None, width: int) -> tuple[str, str]:
    """A bar as its filled and its empty part, together `width` cells; a fraction above zero fills at least one."""
    if fraction is None or width <= 0:
        return "", "─" * max(0, width)
    filled = min(width, round(min(1.0, max(0.0, fraction)) * width))
    if fraction > 0 and filled == 0:
        filled = 1
    return "━" * filled, "─" * (width - filled)
