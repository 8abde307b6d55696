"""What a user chooses while a run goes on: samples that are asked again, and samples that are left out."""

from llmtui.services.runs.grid import Place


class Choices:
    """Wishes of one session of a run; the runner looks here before it takes a sample. Used on one event loop.

    A sample that is left out is not asked in this session; taking the run up again asks it.
    """

    def __init__(self) -> None:
        self._again: dict[Place, None] = {}
        self._left_out: set[Place] = set()
        self._passed: set[Place] = set()

    def ask_again(self, place: Place) -> None:
        """Ask a sample next, whether or not it has an answer; the later record counts."""
        self._left_out.discard(place)
        self._again[place] = None

    def leave_out(self, place: Place) -> None:
        """Do not ask a sample in this session."""
        self._again.pop(place, None)
        self._left_out.add(place)

    def take_in(self, place: Place) -> None:
        """Ask a sample that was left out; one whose turn has gone by comes next."""
        self._left_out.discard(place)
        if place in self._passed:
            self._passed.discard(place)
            self._again[place] = None

    def leaves_out(self, place: Place) -> bool:
        """Whether a sample whose turn it is goes without."""
        if place not in self._left_out:
            return False
        self._passed.add(place)
        return True

    @property
    def left_out(self) -> frozenset[Place]:
        """Samples that are left out."""
        return frozenset(self._left_out)

    @property
    def models(self) -> tuple[str, ...]:
        """Models with samples to be asked again, the oldest wish first."""
        return tuple(dict.fromkeys(model for _, _, model, _ in self._again))

    def wished(self, model: str) -> tuple[Place, ...]:
        """Samples to be asked again of a model, the oldest wish first."""
        return tuple(place for place in self._again if place[2] == model)

    def take(self, model: str) -> Place | None:
        """The next sample to be asked again of a model; it is no wish any more."""
        place = next((place for place in self._again if place[2] == model), None)
        if place is not None:
            del self._again[place]
        return place

    def drop(self, model: str) -> tuple[Place, ...]:
        """Forget what was to be asked again of a model that cannot be asked."""
        dropped = self.wished(model)
        for place in dropped:
            del self._again[place]
        return dropped
