"""Which processes hold a file."""

import os
from pathlib import Path


def holders(path: Path) -> tuple[int, ...]:
    """Processes of this user, other than this one, that have the file mapped into memory; Linux only, else none.

    Args:
        path: of the file itself, with no links in it.
    """
    wanted = os.fsencode(path)
    found = []
    for entry in os.scandir("/proc") if Path("/proc/self/maps").exists() else ():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            maps = Path(entry.path, "maps").read_bytes()
        except OSError:
            continue
        if any(line.endswith(wanted) for line in maps.splitlines()):
            found.append(int(entry.name))
    return tuple(sorted(found))
