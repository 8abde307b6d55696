"""Numbers as people read them; unknown is a dash."""

UNKNOWN = "–"
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_COUNT = ("", "K", "M", "B", "T")


def size(value: float | None) -> str:
    """Bytes with a binary unit and three significant digits, e.g. `4.30 GiB`."""
    return UNKNOWN if value is None else _scaled(value, 1024, _BINARY, " ")


def count(value: float | None) -> str:
    """A large count, e.g. of parameters: `494 M` is written `494M`."""
    return UNKNOWN if value is None else _scaled(value, 1000, _COUNT, "")


def whole(value: int | None) -> str:
    """A whole number with thousands separated."""
    return UNKNOWN if value is None else f"{value:,}"


def number(value: float | None, unit: str, digits: int = 1) -> str:
    """A measured number and its unit."""
    return UNKNOWN if value is None else f"{value:,.{digits}f} {unit}".rstrip()


def _scaled(value: float, base: int, units: tuple[str, ...], gap: str) -> str:
    step = 0
    while value >= base * 0.9995 and step < len(units) - 1:
        value /= base
        step += 1
    digits = 0 if step == 0 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}{gap}{units[step]}".rstrip()
