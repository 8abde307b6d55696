"""The real services and the real screen over a scripted engine."""

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from textual.pilot import Pilot

from llmtui.app.app import LlmtuiApp
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.settings import Runtime
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.services.host import ModelHost
from llmtui.services.models import DEMO_FILE, Catalogue
from llmtui.services.wiring import Services
from llmtui.store.config import Config
from llmtui.store.paths import Folders

if TYPE_CHECKING:
    from llmtui.errors import LlmtuiError

POEM = "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"


class Stage:
    """What the tests set before a program starts, and look at afterwards.

    Attributes:
        script: played by every engine that is opened.
        load_s, load_failure: of the next load.
        opened: every engine, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folders = Folders(config_dir=folder / "config", data_dir=folder / "data", cache_dir=folder / "cache")
        self.models = folder / "models"
        self.models.mkdir()
        self.config = Config(model_folders=(str(self.models),), discover=())
        self.script: Sequence[ScriptedTurn] = [answer(POEM)]
        self.load_s = 0.0
        self.load_failure: LlmtuiError | None = None
        self.opened: list[ScriptedEngine] = []

    def add_model(self, name: str) -> Path:
        """A readable model file of that name."""
        return Path(shutil.copy(DEMO_FILE, self.models / f"{name}.gguf"))

    def open_engine(self, info: ModelInfo, runtime: Runtime) -> ScriptedEngine:
        model = LoadedModel(
            name=info.name,
            description="a script",
            engine="scripted",
            engine_build="1",
            context_size=runtime.context or 4096,
            quantisation=info.quantisation,
        )
        engine = ScriptedEngine(self.script, model=model, load_s=self.load_s, load_failure=self.load_failure)
        self.opened.append(engine)
        return engine

    def services(self) -> Services:
        return Services(
            config=self.config,
            folders=self.folders,
            catalogue=Catalogue(self.folders, self.config),
            host=ModelHost(self.open_engine, self.config.runtime, free_memory=lambda: None),
        )

    def configure(self, **values: object) -> None:
        self.config = msgspec.structs.replace(self.config, **values)

    @contextlib.asynccontextmanager
    async def run(
        self,
        *,
        size: tuple[int, int] = (120, 40),
        model: str | None = "demo",
        chat: Path | None = None,
        ready: bool = True,
    ) -> AsyncIterator["Screen"]:
        """The program on a screen of that size; `ready` waits until the model is loaded."""
        app = LlmtuiApp(self.services(), model=model, chat=chat)
        async with app.run_test(size=size, notifications=True) as pilot:
            screen = Screen(app, pilot)
            try:
                if ready:
                    await screen.until(lambda: app.chat.controller.loading is None)
                yield screen
            finally:
                await app.chat.shut_down()


class Screen:
    """A running program, as a test looks at it."""

    def __init__(self, app: LlmtuiApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.chat = app.chat
        self.controller = app.chat.controller

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for a condition; fail when it does not come."""
        for _ in range(int(seconds / 0.02)):
            if condition():
                await self.pilot.pause()
                return
            await self.pilot.pause(0.02)
        pytest.fail(f"it did not come to pass within {seconds} s; the screen:\n{self.text}")

    async def see(self, words: str) -> None:
        await self.until(lambda: words in self.text)

    async def ask(self, text: str) -> None:
        """Type a question and send it."""
        self.chat.query_one("#composer").set_draft(text)
        await self.pilot.press("enter")
        await self.pilot.pause()

    async def answered(self, turns: int) -> None:
        """Wait for the end of that many turns."""
        await self.until(lambda: self.turns == turns and not self.controller.running)

    @property
    def turns(self) -> int:
        session = self.controller.session
        return len(session.turns) if session else 0

    @property
    def entries(self) -> list:
        return self.chat.query_one("#transcript").entries

    @property
    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.entries]

    @property
    def text(self) -> str:
        """The screen as its user reads it."""
        lines = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in lines)


def answer(text: str, **how: object) -> ScriptedTurn:
    """A turn that says this, a character a token."""
    return msgspec.convert({"tokens": list(text), **how}, ScriptedTurn)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)
