"""Opens the window, with the garbage collector out of the way until its first screen stands."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmtui.services.wiring import Services


def run(services: "Services", *, model: str | None = None, chat: Path | None = None) -> None:
    """Run the program until its user leaves; see `LlmtuiApp`.

    Nothing that the imports and the first screen make is garbage; looking through it again and again only takes time.
    """
    gc.disable()
    try:
        from llmtui.app.app import LlmtuiApp  # noqa: PLC0415 - its imports are most of the start

        LlmtuiApp(services, model=model, chat=chat, painted=_collect).run()
    finally:
        gc.enable()


def _collect() -> None:
    gc.freeze()
    gc.enable()
