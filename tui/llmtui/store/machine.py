"""What was measured of this machine, kept so that it is measured once. A cache: deleting it loses nothing."""

from pathlib import Path

import msgspec

from llmtui.errors import StoreError
from llmtui.store.files import read_regular
from llmtui.store.paths import PRIVATE_FILE, Folders, make_private_dir


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Measured figures.

    Attributes:
        memory_bandwidth: bytes a second that all cores together can read.
        cpu: the processor it was measured on, as text.
    """

    memory_bandwidth: float | None = None
    cpu: str | None = None


def machine_file(folders: Folders) -> Path:
    """Where the figures are kept."""
    return folders.cache_dir / "machine.json"


def read_machine(folders: Folders, cpu: str | None = None) -> Machine:
    """The kept figures; all unknown when there are none, the file is damaged, or another processor was measured.

    Args:
        folders: whose cache has the file; a home folder may be shared by several machines.
        cpu: this machine's processor; None compares nothing.
    """
    try:
        kept = msgspec.json.decode(read_regular(machine_file(folders)), type=Machine)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Machine()
    return Machine() if cpu and kept.cpu and kept.cpu != cpu else kept


def write_machine(folders: Folders, machine: Machine) -> None:
    """Keep the figures; the old file stays whole until the new one is.

    Raises:
        StoreError: the cache folder cannot be written.
    """
    path = machine_file(folders)
    fresh = path.with_name(path.name + ".new")
    try:
        make_private_dir(path.parent)
        fresh.write_bytes(msgspec.json.encode(machine))
        fresh.chmod(PRIVATE_FILE)
        fresh.replace(path)
    except OSError as error:
        raise StoreError(
            "The measured figures cannot be kept",
            cause=f"{path}: {error.strerror or error}",
            remedy="Free some space or make the folder writable; nothing else depends on it",
        ) from error
