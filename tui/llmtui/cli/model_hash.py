"""SHA-256 of a model's files, for `llmtui models show --hash`: gigabytes, so with progress."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmtui.domain.models import ModelInfo


def hashed(info: "ModelInfo", *, quiet: bool) -> dict[str, str]:
    """Path to SHA-256 of every part.

    Raises:
        ModelError: a part cannot be read.
        UsageError: the files are a server's.
    """
    from llmtui.cli.progress import follow  # noqa: PLC0415 - `--help` loads nothing that draws
    from llmtui.errors import UsageError  # noqa: PLC0415 - as above
    from llmtui.services.hashing import checksums  # noqa: PLC0415 - as above

    if info.server is not None:
        raise UsageError(
            "A server's file cannot be hashed", cause=info.path, remedy="Leave --hash out, or show the file where it is"
        )
    sums: dict[Path, str] = {}
    asyncio.run(follow(checksums([Path(part) for part in info.parts], sums), info.name, quiet=quiet))
    return {str(path): digest for path, digest in sums.items()}
