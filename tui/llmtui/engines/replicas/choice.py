"""Which of several servers a request goes to."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

from llmtui.domain.models import LoadedModel
from llmtui.engines.base import Engine, not_loaded

CONVERSATIONS = 1000
"""Of so many it is remembered who answered; the longest unused is forgotten."""


class Replica:
    """One of the servers.

    Attributes:
        address: host and port, as it is shown.
        open: makes a new engine for a model of this server, not loaded.
        engine: that answers; None until the server has answered once.
        up: requests are sent to it.
        in_flight: requests under way.
        rest_s: after the next failure, until it is asked whether it answers again.
    """

    __slots__ = ("address", "engine", "in_flight", "open", "rest_s", "up")

    def __init__(self, address: str, open_: Callable[[str | None], Engine]) -> None:
        self.address = address
        self.open = open_
        self.engine: Engine | None = None
        self.up = False
        self.in_flight = 0
        self.rest_s = 0.0

    def reached(self) -> Engine:
        """The engine.

        Raises:
            EngineError: the server has never answered.
        """
        if self.engine is None:
            raise not_loaded()
        return self.engine

    @property
    def loaded(self) -> LoadedModel | None:
        """What it says of the model; None until it has answered once."""
        return self.engine.loaded if self.engine is not None else None


class Chooser:
    """Sends each request to whoever has least to do, in turn where they are even.

    A conversation stays with whoever answered it: the beginning of its prompt is in the cache there.

    Args:
        replicas: all of them.
    """

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._next = 0
        self._kept: OrderedDict[str, Replica] = OrderedDict()

    def choose(self, conversation: str | None, tried: Collection[Replica]) -> Replica | None:
        """The one to ask; None when there is none that was not tried.

        Those that are left out are asked only when nobody else is there: then there is nothing to lose.

        Args:
            conversation: see `GenerateRequest.conversation`.
            tried: that could not answer this request.
        """
        open_ones = [one for one in self._replicas if one.up] or [one for one in self._replicas if one.engine]
        open_ones = [one for one in open_ones if one not in tried]
        if not open_ones:
            return None
        kept = self._kept.get(conversation) if conversation is not None else None
        chosen = kept if kept is not None and kept in open_ones else min(open_ones, key=self._rank(open_ones))
        if chosen is not kept:
            self._next = (self._replicas.index(chosen) + 1) % len(self._replicas)
        if conversation is not None:
            self._keep(conversation, chosen)
        return chosen

    def _rank(self, replicas: Sequence[Replica]) -> Callable[[Replica], tuple[float, int]]:
        """How much one has to do, then how far it is from its turn.

        Where all say how many answers they write at once, it is the share of them that would be taken.
        """
        slots = {one: one.loaded.slots if one.loaded is not None else None for one in replicas}
        known = all(slots.values())
        count = len(self._replicas)

        def rank(one: Replica) -> tuple[float, int]:
            load = (one.in_flight + 1) / (slots[one] or 1) if known else float(one.in_flight)
            return load, (self._replicas.index(one) - self._next) % count

        return rank

    def _keep(self, conversation: str, replica: Replica) -> None:
        self._kept[conversation] = replica
        self._kept.move_to_end(conversation)
        if len(self._kept) > CONVERSATIONS:
            self._kept.popitem(last=False)
