"""A large file that another program writes: it gets its final name whole, or not at all."""

import contextlib
import errno
import fcntl
import os
import secrets
from pathlib import Path

_PREFIX = ".llmtui-"
_SUFFIX = ".unfinished"


class StagedFile:
    """An empty file of a temporary name in the folder of the final one, for somebody to fill.

    It is locked while this process lives, so that `clear_leftovers` tells it from what a killed run has left.

    Args:
        final: the name it is to get.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self, final: Path) -> None:
        self.final = final
        self.path, self._descriptor = _create(final.parent)

    def publish(self, *, replace: bool) -> None:
        """Bring the content to the disk, then give it its name. Takes as long as the disk needs.

        Args:
            replace: an existing file of that name makes way, in one step; a link is replaced, not what it leads to.

        Raises:
            FileExistsError: there is one, and `replace` is off.
            OSError: the disk failed.
        """
        os.fsync(self._descriptor)
        if replace:
            self.path.replace(self.final)
        else:
            _rename_to_new(self.path, self.final)
        folder = os.open(self.final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """Remove what was not published, and let go; safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            os.close(descriptor)


def clear_leftovers(folder: Path) -> None:
    """Remove what runs that were killed have left in a folder; what cannot be removed stays.

    A file that is locked belongs to a run that lives. Where the file system knows no locks, nothing is removed.
    """
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(descriptor)


def _create(folder: Path) -> tuple[Path, int]:
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(6)}{_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the two calls another run may have taken it for a leftover.
        if path.exists():
            return path, descriptor
        os.close(descriptor)


def _rename_to_new(path: Path, final: Path) -> None:
    """Like `rename`, but an existing file stays; where there are no hard links, the check is a moment older."""
    try:
        os.link(path, final)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        if os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from error
        path.rename(final)
    else:
        path.unlink()
