"""The worker process: `python -m llmtui.engines.llama.worker COMMANDS EVENTS` with two pipe descriptors.

It ends when the command pipe closes, when it is told to, and with its parent. Standard output is not used; standard
error carries llama.cpp's log.
"""

import contextlib
import os
import sys
import threading
import traceback

from llmtui.engines.base import failure_of
from llmtui.engines.lifeline import die_with_parent
from llmtui.engines.llama.wire import LoadReply
from llmtui.engines.llama.worker.outbox import Outbox
from llmtui.engines.rendering.renderer import Renderer
from llmtui.errors import EngineError, LlmtuiError

DEAD_THREAD = 4
"""Exit code of a worker one of whose threads failed."""


def main(commands: int, events: int) -> None:
    """Start what takes longest first: the template process, then llama.cpp's library, then the work."""
    die_with_parent()
    # llama.cpp's log must never hold up a decode because nobody reads it.
    os.set_blocking(2, False)
    threading.excepthook = end_with_thread
    outbox = Outbox(events)
    renderer = Renderer()
    try:
        from llmtui.engines.llama.worker.serving import serve  # noqa: PLC0415 (loads the library; can fail)
    except LlmtuiError as error:
        _give_up(outbox, error)
    except (ImportError, OSError, RuntimeError) as error:
        _give_up(
            outbox,
            EngineError(
                "llama-cpp-python cannot be loaded",
                cause=str(error),
                remedy="Reinstall llama-cpp-python; `llmtui doctor` shows what it was built for.",
            ),
        )
    else:
        serve(commands, outbox, renderer)


def end_with_thread(failure: threading.ExceptHookArgs) -> None:
    """End the process when one of its threads fails: without that thread it would seem alive and never answer."""
    with contextlib.suppress(OSError):
        traceback.print_exception(failure.exc_value)
        sys.stderr.flush()
    os._exit(DEAD_THREAD)


def _give_up(outbox: Outbox, error: LlmtuiError) -> None:
    outbox.send(LoadReply(failure_of(error)))
    os._exit(3)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
