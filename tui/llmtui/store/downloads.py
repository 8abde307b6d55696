"""Files that are on their way: a partial beside the final name, locked while somebody writes it."""

import contextlib
import fcntl
import glob
import os
import shutil
from pathlib import Path

from llmtui.errors import ModelError
from llmtui.store.paths import PRIVATE_FILE

SPARE_BYTES = 64 << 20
"""Left free on the disk: a full disk harms more programs than this one."""
_NAME_BYTES = 200


class Partial:
    """A file that grows under a hidden name until it is whole; then it gets its own, at once.

    What it holds stays when the download stops, and the next one goes on from there. The hidden name carries the
    checksum, so that the beginning of one file is never the beginning of another.

    Args:
        final: where the file goes.
        key: of the content: its checksum, or what tells it apart.

    Attributes:
        path: the hidden file.
    """

    def __init__(self, final: Path, key: str) -> None:
        self.final = final
        self.path = final.with_name(f".{final.name}.{key[:16]}.part")
        self._fd: int | None = None

    @property
    def size(self) -> int:
        """Bytes that have come."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def lock(self) -> None:
        """Take the file for this process, which makes it and its folders.

        Raises:
            ModelError: another llmtui pulls it, or the folder cannot be written.
        """
        try:
            self.final.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE | 0o044)
        except OSError as error:
            raise _unwritable(self.final.parent, error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise ModelError(
                f"{self.final.name} is being pulled already",
                cause=f"another llmtui writes {self.path}",
                remedy="Wait until it is there, or end the other one",
            ) from error
        except OSError:
            pass  # some network disks know no locks
        self._fd = fd

    def finish(self) -> None:
        """Give the file its name.

        Raises:
            ModelError: that cannot be done.
        """
        try:
            self.path.rename(self.final)
        except OSError as error:
            raise _unwritable(self.final.parent, error) from error
        self._forget_older()

    def _forget_older(self) -> None:
        """What came of an earlier state of the file is of no use any more, unless somebody is fetching it now."""
        for other in self.final.parent.glob(f".{glob.escape(self.final.name)}.*.part"):
            try:
                fd = os.open(other, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                other.unlink()
            os.close(fd)

    def delete(self) -> None:
        """What came is of no use."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others have it; an empty one goes."""
        if self._fd is None:
            return
        if self.size == 0:
            self.path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = None


def check_room(folder: Path, needed_bytes: int) -> None:
    """Refuse what will not fit.

    Raises:
        ModelError: the disk has too little room.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if needed_bytes + SPARE_BYTES > free:
        from llmtui.domain.quantities import size  # noqa: PLC0415 - only for the message

        raise ModelError(
            "The disk has too little room",
            cause=f"{size(needed_bytes)} are to come, {size(free)} are free in {folder}",
            remedy="Free some space, choose a smaller quantisation, or another disk with -o FOLDER",
        )


def usable_name(name: str) -> str:
    """A file's name from a stranger, when it can be one here.

    Raises:
        ModelError: it is hidden, too long, or holds what no name should.
    """
    if name.startswith(".") or len(name.encode("utf-8", "replace")) > _NAME_BYTES or not name.isprintable():
        raise ModelError(
            "The repository's file has a name that cannot be used here", cause=repr(name), remedy="Pull another file"
        )
    return name


def _unwritable(folder: Path, error: OSError) -> ModelError:
    return ModelError(
        "The model cannot be put there",
        cause=f"{folder}: {error.strerror or error}",
        remedy="Make the folder writable, or choose another with -o FOLDER",
    )
