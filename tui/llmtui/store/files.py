"""Reading files that anybody may have put where a file of llmtui's is expected, and replacing files whole."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


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


def replace_whole(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read. The old one stays whole until the new one is.

    Every writer has a new file of its own, so two programs may write at once.

    Raises:
        OSError: the disk is full, or the folder is missing or closed; the old file is as it was.
    """
    import tempfile  # noqa: PLC0415 - seldom needed, and not for starting

    fd, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as handle:
            handle.write(data)
        os.replace(fresh, path)  # noqa: PTH105 - mkstemp gives text
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)  # noqa: PTH108 - as above
        raise


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file, open for reading bytes; for what is too long to be read at once.

    Raises:
        OSError: as `read_regular`.
    """
    with open(path, "rb", opener=open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        yield file
