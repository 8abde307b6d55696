"""Which turns are wanted still: shared by the thread that reads commands and the loop that decodes."""

import threading
from collections.abc import Iterable

from llmtui.engines.llama.worker.bindings import AbortFlag


class Ticket:
    """One turn's claim to be worked on.

    Attributes:
        id: the request's.
        cancelled: set by the reading thread, looked at by the loop between decodes.
    """

    __slots__ = ("cancelled", "id")

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.cancelled = False


class Tickets:
    """All open tickets, and which of them the decode that runs now works for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Ticket] = {}
        self._decoding: list[Ticket] = []
        self._abort: AbortFlag | None = None

    def use(self, abort: AbortFlag) -> None:
        """From now on break off a decode that nobody wants."""
        self._abort = abort

    def open(self, request_id: str) -> Ticket:
        """A new turn."""
        ticket = Ticket(request_id)
        with self._lock:
            self._open[request_id] = ticket
        return ticket

    def close(self, ticket: Ticket) -> None:
        """The turn has ended."""
        with self._lock:
            self._open.pop(ticket.id, None)

    def cancel(self, request_id: str) -> None:
        """Mark a turn; if the decode that runs works for cancelled turns only, break it off."""
        with self._lock:
            ticket = self._open.get(request_id)
            if ticket is None:
                return
            ticket.cancelled = True
            if self._abort and self._decoding and all(other.cancelled for other in self._decoding):
                self._abort.set()

    def begin(self, tickets: Iterable[Ticket]) -> None:
        """A decode for these turns is about to run."""
        with self._lock:
            self._decoding = list(tickets)
            if self._abort:
                self._abort.clear()
                if all(ticket.cancelled for ticket in self._decoding):
                    self._abort.set()

    def end(self) -> None:
        """The decode has returned."""
        with self._lock:
            self._decoding = []
