"""Energy of the processor packages from Linux's RAPL counters, where this user may read them."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


def package_counters(root: Path = POWERCAP) -> tuple[Path, ...]:
    """The readable energy counters of whole packages.

    Cores, uncore and memory are named `intel-rapl:0:1`: they are parts of a package, or would be counted twice.
    """
    counters = sorted(root.glob("intel-rapl:*/energy_uj"))
    return tuple(path for path in counters if path.parent.name.count(":") == 1 and _read(path) is not None)


def read_energy_mj(counters: tuple[Path, ...]) -> int | None:
    """Sum of the counters in millijoules; None when there is none or one of them cannot be read.

    A counter starts again at 0 after about an hour under load: a difference below 0 is not an energy.
    """
    readings = [_read(counter) for counter in counters]
    known = [reading for reading in readings if reading is not None]
    return sum(known) // 1000 if known and len(known) == len(readings) else None


def _read(counter: Path) -> int | None:
    try:
        return int(counter.read_text())
    except (OSError, ValueError):
        return None
