"""Numbers as people read them, the same everywhere: thousands separated, units spelled, unknown as an en dash."""

import math
import re

UNKNOWN = "–"
_STEP = 0.9995
"""From this share of a unit on it is used: less would round to a thousand of the unit below."""
_BINARY = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{rest}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for rest, base in (("", 1024), ("ib", 1024), ("b", 1000))
}
_THOUSANDS = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


def whole(value: int | None) -> str:
    """A whole number: `12,345`."""
    return UNKNOWN if value is None else f"{value:,}"


def number(value: float | None, unit: str = "", digits: int = 1) -> str:
    """A measured number and its unit: `1,234.5 tok/s`."""
    return UNKNOWN if value is None else f"{value:,.{digits}f} {unit}".rstrip()


def percent(fraction: float | None, digits: int = 0) -> str:
    """A share of 1: `19 %`."""
    return number(None if fraction is None else 100 * fraction, "%", digits)


def size(value: float | None) -> str:
    """Bytes with a binary unit: `5.1 GiB`, `37 MiB`, `4.8 MiB`, `12 KiB` or `820 B`."""
    if value is None:
        return UNKNOWN
    for unit, name in _BINARY:
        if value >= unit * _STEP:
            amount = value / unit
            digits = 1 if name == "GiB" or (name == "MiB" and amount < 9.95) else 0
            return f"{amount:,.{digits}f} {name}"
    return f"{value:.0f} B"


def count(value: int | None) -> str:
    """A large count, of parameters for instance: `7.6B`, `494M`, `12K`."""
    if value is None:
        return UNKNOWN
    for unit, letter in _THOUSANDS:
        if value >= unit * _STEP:
            amount = value / unit
            return f"{amount:.{0 if amount >= 9.95 else 1}f}{letter}"
    return str(value)


def duration(seconds: float | None) -> str:
    """A time to wait: `12 s`, `4 min` or `1 h 05 min`; rounded up, so that it is never promised too early."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole_s = max(0, math.ceil(seconds))
    if whole_s < 100:
        return f"{whole_s} s"
    minutes = math.ceil(whole_s / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60:,} h {minutes % 60:02} min"


def parse_size(text: str) -> int:
    """Bytes of a size as people write it: `8GiB`, `512 MiB`, `8G`, `8 GB` (powers of 1000), `1000000`.

    Raises:
        ValueError: saying what a size looks like.
    """
    match = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError(f"{text!r} is not a size; write it like 8GiB, 512 MiB or 8 GB")
    factor: int = _BYTES[match[2].lower()]
    return round(float(match[1]) * factor)
