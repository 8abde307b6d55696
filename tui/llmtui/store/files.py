"""Reading files that anybody may have put where a file of llmtui's is expected."""

import errno
import os
import stat
from pathlib import Path


def read_regular(path: Path) -> bytes:
    """The bytes of a regular file, also through a link.

    Raises:
        OSError: as from opening; a named pipe, a socket or a device, which may never end, is not read.
    """
    with open(path, "rb", opener=open_without_waiting) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return file.read()


def open_without_waiting(path: str, flags: int) -> int:
    """An opener for `open`: a named pipe under a file's name must not block the program."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
