"""What the program remembers of its user's choices: pins, when models were used, how lists are shown.

One small JSON file in the data folder, readable by its owner alone. A file that cannot be understood is put aside and
the program begins without one: nothing here is worth refusing to start.
"""

import contextlib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from llmtui.errors import StoreError
from llmtui.store.files import read_regular, replace_whole
from llmtui.store.paths import Folders, make_private_dir

MOST_PINS = 9
MOST_REMEMBERED = 500
"""Models whose last use is remembered; the oldest go first."""

PinNumber = Annotated[int, Meta(ge=1, le=MOST_PINS)]
Moment = Annotated[float, Meta(ge=0, lt=2**37)]


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A model under a number; found again by its path, or by its name once the file has moved."""

    name: str
    path: str


class RunChoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the last run was begun with.

    Attributes:
        sets, models: by name or path.
        profile: by name; None for the one in use.
    """

    sets: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    profile: str | None = None
    epochs: int | None = None
    parallel: int = 1
    limit: int | None = None
    seed: int | None = None


class UserState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that is remembered.

    Attributes:
        pins: by number.
        used: path of a model to when it was loaded last, in seconds since 1970.
        sort: of the model picker, by name.
        details: whether its details are open; None as the screen's width suggests.
        run: what the last run was begun with.
    """

    pins: dict[PinNumber, Pin] = {}
    used: dict[str, Moment] = {}
    sort: str | None = None
    details: bool | None = None
    run: RunChoice = RunChoice()


def read_state(folders: Folders) -> UserState:
    """What is remembered; nothing when there is no file or it is damaged."""
    try:
        return _decoded(_file(folders))
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return UserState()


def write_state(folders: Folders, state: UserState) -> None:
    """Remember; the old file stays whole until the new one is, and a damaged one is kept under another name.

    Raises:
        StoreError: the data folder cannot be written.
    """
    path = _file(folders)
    newest = sorted(state.used.items(), key=lambda item: -item[1])[:MOST_REMEMBERED]
    kept = msgspec.structs.replace(state, used=dict(newest))
    try:
        make_private_dir(path.parent)
        _put_damaged_aside(path)
        replace_whole(path, msgspec.json.format(msgspec.json.encode(kept)))
    except OSError as error:
        raise StoreError(
            "What you chose cannot be remembered",
            cause=f"{path}: {error.strerror or error}",
            remedy="Free some space or make the folder writable; until then it holds for this window",
        ) from error


def _decoded(path: Path) -> UserState:
    return msgspec.json.decode(read_regular(path), type=UserState)


def _put_damaged_aside(path: Path) -> None:
    """Somebody may have edited the file by hand: a slip must not cost all that is in it."""
    try:
        _decoded(path)
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError):
        with contextlib.suppress(OSError):
            path.replace(path.with_name(f"{path.name}.damaged"))


def _file(folders: Folders) -> Path:
    return folders.data_dir / "state.json"
