"""The user's models at hand: pinned under a number, used lately, and how their list is shown.

Methods that write touch the disk: call them from a thread. A disk that cannot be written is told once per call by an
error, and what was chosen holds for this window all the same.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.errors import LlmtuiError
from llmtui.services.models import Catalogue
from llmtui.store.paths import Folders
from llmtui.store.user_state import MOST_PINS, Pin, RunChoice, UserState, read_state, write_state

__all__ = ["MOST_PINS", "Bookmarks", "Pin", "RunChoice", "pinned_model"]


class Bookmarks:
    """What is remembered of the user's choices, shared with other windows through one file.

    Args:
        folders: of the user.
        now: seconds since 1970.
    """

    def __init__(self, folders: Folders, *, now: Callable[[], float] = time.time) -> None:
        self._folders = folders
        self._now = now
        self._lock = threading.Lock()
        self._state = UserState()
        self._unsaved: list[Callable[[UserState], UserState]] = []

    def refresh(self) -> None:
        """Read what other windows have written since. Reads from disk: call it from a thread."""
        with self._lock:
            self._state = self._read()

    @property
    def pins(self) -> Mapping[int, Pin]:
        """Pinned models by number, as last read."""
        return self._state.pins

    @property
    def sort(self) -> str | None:
        """How the list of models was last sorted."""
        return self._state.sort

    @property
    def details(self) -> bool | None:
        """Whether the details of models are to be open; None when that was never said."""
        return self._state.details

    def pin_of(self, info: ModelInfo) -> int | None:
        """The number under which a model is pinned."""
        return _number(self._state, info)

    def used_at(self, info: ModelInfo) -> float:
        """When a model was loaded last, in seconds since 1970; 0 when never."""
        return self._state.used.get(info.path, 0.0)

    def toggle_pin(self, info: ModelInfo) -> int | None:
        """Pin a model to the next free number, or take its pin away; the number it has now.

        When all are taken, the number of a file that is gone is free.

        Raises:
            StoreError: it holds for this window only.
        """

        def changed(state: UserState) -> UserState:
            number = _number(state, info)
            if number is not None:
                return msgspec.structs.replace(state, pins={n: pin for n, pin in state.pins.items() if n != number})
            numbers = range(1, MOST_PINS + 1)
            free = next((n for n in numbers if n not in state.pins), None)
            free = free or next((n for n in numbers if _is_gone(state.pins[n])), None)
            if free is None:
                return state
            pins = {**state.pins, free: Pin(name=info.name, path=info.path)}
            return msgspec.structs.replace(state, pins=dict(sorted(pins.items())))

        self._change(changed)
        return self.pin_of(info)

    def note_used(self, info: ModelInfo) -> None:
        """A model was loaded.

        Raises:
            StoreError: as `toggle_pin`.
        """
        now = self._now()
        self._change(lambda state: msgspec.structs.replace(state, used={**state.used, info.path: now}))

    @property
    def run(self) -> RunChoice:
        """What the last run was begun with."""
        return self._state.run

    def remember(self, *, sort: str | None = None, details: bool | None = None, run: RunChoice | None = None) -> None:
        """Keep how the list is shown, and what a run is begun with; None leaves it as it was.

        Raises:
            StoreError: as `toggle_pin`.
        """
        given = {
            name: value for name, value in (("sort", sort), ("details", details), ("run", run)) if value is not None
        }
        self._change(lambda state: msgspec.structs.replace(state, **given))

    def _change(self, change: Callable[[UserState], UserState]) -> None:
        with self._lock:
            self._unsaved.append(change)
            self._state = self._read()
            write_state(self._folders, self._state)
            self._unsaved.clear()

    def _read(self) -> UserState:
        """What the file says, with what could not be written yet."""
        state = read_state(self._folders)
        for change in self._unsaved:
            state = change(state)
        return state


def _number(state: UserState, info: ModelInfo) -> int | None:
    return next((number for number, pin in state.pins.items() if pin.path == info.path), None)


def _is_gone(pin: Pin) -> bool:
    """Whether the pin's file is no more; never of a server's model, nor where its folder cannot be seen."""
    folder, _ = os.path.split(pin.path)
    return os.path.isabs(pin.path) and os.path.isdir(folder) and not os.path.lexists(pin.path)  # noqa: PTH112, PTH117 - the path may hold anything


def pinned_model(pin: Pin, catalogue: Catalogue, warm: Sequence[ModelInfo]) -> ModelInfo:
    """The model that a pin means. Reads from disk: call it from a thread.

    Args:
        pin: by its name where that still leads to the same file, else by its path.
        catalogue: finds it.
        warm: loaded models, which need not be looked for.

    Raises:
        ModelError, UsageError: it is gone, or damaged.
    """
    loaded = next((info for info in warm if info.path == pin.path), None)
    if loaded is not None:
        return loaded
    try:
        named = catalogue.resolve(pin.name)
    except LlmtuiError:
        return _by_path(pin, catalogue)
    return named if named.path == pin.path or not os.path.isfile(pin.path) else _by_path(pin, catalogue)  # noqa: PTH113 - the path may hold anything


def _by_path(pin: Pin, catalogue: Catalogue) -> ModelInfo:
    return msgspec.structs.replace(catalogue.resolve(pin.path), name=pin.name)
