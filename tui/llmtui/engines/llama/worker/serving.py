"""The worker once its libraries are loaded: a thread that reads commands, one that prepares, and the loop."""

import os
import queue
import sys
import threading

from llmtui.domain.events import Loaded
from llmtui.engines.base import failure_of
from llmtui.engines.llama.wire import (
    Cancel,
    Command,
    Count,
    Explain,
    Generate,
    Load,
    LoadReply,
    SetAdapters,
    Shutdown,
    Tokenise,
    command_reader,
)
from llmtui.engines.llama.worker.clerk import Clerk, Paper
from llmtui.engines.llama.worker.loop import Loop
from llmtui.engines.llama.worker.machine import available_memory
from llmtui.engines.llama.worker.opening import open_model
from llmtui.engines.llama.worker.outbox import Outbox
from llmtui.engines.llama.worker.shelf import Shelf, shelf_bytes
from llmtui.engines.llama.worker.tickets import Tickets
from llmtui.engines.rendering.renderer import Renderer
from llmtui.errors import EngineError, LlmtuiError

READ_BYTES = 1 << 16


class Reader:
    """The thread that reads commands: it cancels at once and hands on the rest.

    Attributes:
        loads: takes the one `Load`.
        papers: takes the work of the clerk.
    """

    def __init__(self, descriptor: int, tickets: Tickets) -> None:
        self.loads: queue.SimpleQueue[Load] = queue.SimpleQueue()
        self.papers: queue.SimpleQueue[Paper] = queue.SimpleQueue()
        self._descriptor = descriptor
        self._tickets = tickets

    def run(self) -> None:
        """Read until the pipe closes, which ends the process."""
        frames = command_reader()
        try:
            while data := os.read(self._descriptor, READ_BYTES):
                for command in frames.feed(data):
                    self._dispatch(command)
        except EngineError as error:
            sys.stderr.write(f"{error}\n")
            sys.stderr.flush()
            os._exit(2)
        os._exit(0)

    def _dispatch(self, command: Command) -> None:
        match command:
            case Generate(request=request):
                self.papers.put((request, self._tickets.open(request.id)))
            case Cancel(id=id_):
                self._tickets.cancel(id_)
            case Count() | Tokenise() | Explain() | SetAdapters():
                self.papers.put(command)
            case Load():
                self.loads.put(command)
            case Shutdown():
                os._exit(0)


def serve(commands: int, outbox: Outbox, renderer: Renderer) -> None:
    """Load the model that the first command names, then decode until the end."""
    tickets = Tickets()
    reader = Reader(commands, tickets)
    threading.Thread(target=reader.run, name="reader", daemon=True).start()
    try:
        opened, loaded = open_model(reader.loads.get(), outbox)
    except LlmtuiError as error:
        outbox.send(LoadReply(failure_of(error)))
        os._exit(3)
    if opened.model.abortable:
        tickets.use(opened.model.abort)
    memory = loaded.memory
    budget = shelf_bytes((memory.kv_bytes or 0) + (memory.recurrent_bytes or 0))
    shelf = Shelf(opened.model, budget, available_memory)
    loop = Loop(opened.model, opened.vocabulary, adapters=opened.adapters, tickets=tickets, outbox=outbox, shelf=shelf)
    clerk = Clerk(
        template=opened.template,
        renderer=renderer,
        vocabulary=opened.vocabulary,
        context_size=opened.model.context_size,
        slots=opened.model.slots,
        loop_inbox=loop.inbox,
        passages=loop.passages,
        tickets=tickets,
        outbox=outbox,
    )
    threading.Thread(target=clerk.run, args=(reader.papers,), name="clerk", daemon=True).start()
    outbox.send(LoadReply(Loaded(loaded)))
    loop.run()
