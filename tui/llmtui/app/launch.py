"""Opens the window, with the garbage collector out of the way until its first screen stands."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


def run(services: "Services", *, model: str | None = None, chat: Path | None = None) -> tuple[str, ...]:
    """Run the program until its user leaves; see `LlmtuiApp`. Returns ids of runs that this has stopped.

    Nothing that the imports and the first screen make is garbage; looking through it again and again only takes time.
    """
    gc.disable()
    try:
        from llmtui.app.app import LlmtuiApp  # noqa: PLC0415 - its imports are most of the start

        app = LlmtuiApp(services, model=model, chat=chat, painted=_collect)
        app.run()
    finally:
        gc.enable()
    return app.interrupted


def _collect() -> None:
    gc.freeze()
    gc.enable()
