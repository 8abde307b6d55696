"""The pipe to the program: whole frames, from any thread."""

import os
import threading

from llmtui.engines.base import failure_of
from llmtui.engines.llama.wire import Refused, Reply, TurnReply, encode
from llmtui.errors import EngineError


class Outbox:
    """Writes replies.

    Args:
        descriptor: of the pipe; writing blocks when the program does not read, which the decode then waits for.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, reply: Reply) -> None:
        """Write one reply; without a reader the process has no purpose and ends."""
        view = memoryview(_frame(reply))
        try:
            with self._lock:
                while view:
                    view = view[os.write(self._descriptor, view) :]
        except OSError:
            os._exit(0)


def _frame(reply: Reply) -> bytes:
    try:
        return encode(reply)
    except EngineError as error:
        if isinstance(reply, TurnReply):
            return encode(TurnReply(reply.id, failure_of(error)))
        return encode(Refused(getattr(reply, "id", ""), failure_of(error)))
