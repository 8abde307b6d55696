"""Appending to a transcript.

A disk that fails never breaks a chat: what could not be written waits for the next try.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from llmtui.domain.run import RunLine
from llmtui.domain.transcript import Record
from llmtui.errors import StoreError
from llmtui.store.paths import PRIVATE_FILE, make_private_dir
from llmtui.store.transcripts import encode_record

_TAIL = 1 << 16
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "the folder cannot be written",
    errno.EPERM: "the folder cannot be written",
    errno.EFBIG: "the file may not grow further",
}


class TranscriptWriter:
    """The one writer of a chat's or a run's file, which comes into being with the first record.

    An exclusive lock keeps a second instance from writing to the same chat. Not thread-safe: one thread at a time.

    Attributes:
        path: the file.
        problem: why records are not on disk, in words; None when all are. Clears when a later try succeeds.
    """

    def __init__(self, path: Path, *, what: str = "chat") -> None:
        self.path = path
        self._what = what
        self.problem: str | None = None
        self._pending: list[bytes] = []
        self._fd: int | None = None
        self._torn_at: int | None = None
        self._created = False

    @classmethod
    def reopen(cls, path: Path, *, what: str = "chat") -> "TranscriptWriter":
        """Open an existing file to go on with it; a torn last line is cut.

        A folder that cannot be written is not an error: `problem` says so.

        Raises:
            StoreError: another instance has it open, or the file is gone.
        """
        writer = cls(path, what=what)
        if not path.exists():
            raise StoreError(f"The {what} does not exist", cause=str(path), remedy="Choose another from the history")
        try:
            writer._open()
        except BlockingIOError as error:
            raise StoreError(
                f"This {what} is open in another llmtui",
                cause=str(path),
                remedy=f"Close it there first, or start a new {what} here",
            ) from error
        except OSError as error:
            writer.problem = writer._described(error)
        return writer

    def append(self, *records: Record | RunLine, sync: bool = False) -> None:
        """Write records, those that failed before first. Never raises for the disk.

        Args:
            records: in the order of the file.
            sync: wait until they are on the disk, not only in the system's cache.
        """
        self._pending.extend(encode_record(record) for record in records)
        self._try(sync=sync)

    def retry(self) -> None:
        """Try again to write what waits, down to the disk; nothing when there is no problem. Never raises for it."""
        if self.problem is None:
            return
        try:
            if self._fd is None and (self._pending or self.path.exists()):
                self._open()
        except OSError as error:
            self.problem = self._described(error)
        if self._fd is not None:
            self._try(sync=True)

    def _try(self, *, sync: bool) -> None:
        try:
            self._flush()
            if sync:
                self._sync()
        except OSError as error:
            self.problem = self._described(error)
        else:
            self.problem = None

    def close(self) -> None:
        """Try once more to write what waits, and give the lock back."""
        if self._pending:
            self.append(sync=True)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        existed = self.path.exists()
        if not existed:
            make_private_dir(self.path.parent)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            _lock(fd)
            _cut_torn_line(fd)
        except OSError:
            os.close(fd)
            raise
        self._created = not existed
        self._fd = fd
        return fd

    def _flush(self) -> None:
        if not self._pending:
            return
        fd = self._open() if self._fd is None else self._fd
        if self._torn_at is not None:
            os.ftruncate(fd, self._torn_at)
            self._torn_at = None
        before = os.fstat(fd).st_size
        try:
            _write_all(fd, b"".join(self._pending))
        except OSError:
            self._torn_at = before
            raise
        self._pending.clear()

    def _sync(self) -> None:
        if self._fd is None:
            return
        os.fsync(self._fd)
        if self._created:
            _sync_folder(self.path.parent)
            self._created = False
        if os.fstat(self._fd).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, f"the {self._what}'s file was deleted")

    def _described(self, error: OSError) -> str:
        if isinstance(error, BlockingIOError):
            reason = "it is open in another llmtui"
        else:
            reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        return f"{reason} ({self.path})"


def _lock(fd: int) -> None:
    """Take the file for this process; BlockingIOError when another has it. Some network disks know no locks."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}:
            raise


def _cut_torn_line(fd: int) -> None:
    """Cut the file after its last line feed."""
    size = end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - _TAIL)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(fd, end)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)
