"""Checksums of model files: gigabytes, so with progress, and cancelled at once."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from llmtui.domain.operations import Progress
from llmtui.errors import ModelError

BLOCK = 1 << 20
STEP = 64
"""Blocks between two events: a tenth of a second or so."""


class Checksum:
    """SHA-256 of one file, in steps.

    Attributes:
        hexdigest: of the whole file; None until it has been read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hexdigest: str | None = None

    async def steps(self) -> AsyncGenerator[int]:
        """Bytes read so far, now and then.

        Raises:
            ModelError: the file cannot be read.
        """
        digest, done = hashlib.sha256(), 0
        try:
            handle = await asyncio.to_thread(self.path.open, "rb")
            with handle:

                def step() -> int:
                    read = 0
                    for _ in range(STEP):
                        block = handle.read(BLOCK)
                        digest.update(block)
                        read += len(block)
                    return read

                while read := await asyncio.shield(asyncio.to_thread(step)):
                    done += read
                    yield done
        except OSError as error:
            raise ModelError(
                "The model file cannot be read",
                cause=f"{self.path}: {error.strerror or error}",
                remedy="Make it readable",
            ) from error
        self.hexdigest = digest.hexdigest()


async def checksums(paths: Sequence[Path], into: dict[Path, str]) -> AsyncGenerator[Progress]:
    """SHA-256 of several files, with progress over all of them.

    Args:
        paths: of the files.
        into: gets each file's checksum.

    Raises:
        ModelError: a file cannot be read.
    """
    try:
        sizes = {path: path.stat().st_size for path in paths}
    except OSError as error:
        raise ModelError(
            "The model file cannot be read", cause=f"{error.filename}: {error.strerror}", remedy="Scan again"
        ) from error
    total, before = sum(sizes.values()), 0
    yield Progress(stage="checking", done=0, total=total)
    for path in paths:
        checksum = Checksum(path)
        async with contextlib.aclosing(checksum.steps()) as steps:
            async for done in steps:
                yield Progress(stage="checking", done=before + done, total=total)
        before += sizes[path]
        into[path] = checksum.hexdigest or ""
