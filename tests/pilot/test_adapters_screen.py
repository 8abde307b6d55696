"""LoRA adapters on the screen."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from gguf_lora import make_lora
from make_gguf import make
from pilot.conftest import Screen, Stage
from textual.widgets import Input

from llmtui.app.screens.adapters import AdaptersScreen
from llmtui.domain.models import AttachedAdapter, LoadedModel, ModelInfo
from llmtui.domain.settings import Adapter, Runtime
from llmtui.engines.scripted import ScriptedEngine
from llmtui.services.models import DEMO_FILE


class Adaptable(ScriptedEngine):
    """A scripted engine that takes adapters, and notes each change."""

    changes: list[tuple[Adapter, ...]]
    attached: tuple[AttachedAdapter, ...] = ()

    @property
    def loaded(self) -> LoadedModel | None:
        loaded = super().loaded
        return loaded and msgspec.structs.replace(loaded, adapters=self.attached)

    async def set_adapters(self, adapters: Sequence[Adapter]) -> tuple[AttachedAdapter, ...]:
        self.changes.append(tuple(adapters))
        self.attached = tuple(
            AttachedAdapter(name=Path(one.path).stem, path=one.path, scale=one.scale, fingerprint="0")
            for one in adapters
        )
        return self.attached


@pytest.fixture
def changes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Adapter, ...]]:
    """What was attached, change by change; a model folder holds two adapters for the demo and one for another model."""
    found: list[tuple[Adapter, ...]] = []

    def open_engine(info: ModelInfo, runtime: Runtime) -> ScriptedEngine:
        model = LoadedModel(name=info.name, description="", engine="scripted", engine_build="1", context_size=4096)
        engine = Adaptable(stage.script, model=model)
        engine.changes = found
        return engine

    monkeypatch.setattr(stage, "open_engine", open_engine)
    make_lora(DEMO_FILE, stage.models / "poet.gguf")
    make_lora(DEMO_FILE, stage.models / "诗人.gguf")
    other = make("qwen2-tiny", "f16", stage.folder / "other.gguf", vocab=300)
    make_lora(other, stage.models / "coder.gguf")
    return found


async def open_list(screen: Screen) -> None:
    await screen.pilot.press("alt+l")
    await screen.until(lambda: isinstance(screen.app.screen, AdaptersScreen))
    await screen.see("Enter attaches")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_attached_scaled_shown_and_detached(
    stage: Stage, changes: list[tuple[Adapter, ...]], size: tuple[int, int]
) -> None:
    path = str(stage.models / "poet.gguf")
    async with stage.run(size=size) as screen:
        await open_list(screen)
        assert "for qwen2; the model is llama" in screen.text
        await screen.pilot.press("enter")
        await screen.until(lambda: changes == [(Adapter(path=path, scale=1.0),)])
        await screen.pilot.press("left", "left")
        await screen.until(lambda: changes[-1] == (Adapter(path=path, scale=0.8),))
        assert "×0.8" in screen.text
        await screen.pilot.press("escape")
        await screen.see("demo +poet ×0.8")
        await open_list(screen)
        await screen.pilot.press("enter")
        await screen.until(lambda: changes[-1] == ())
        await screen.pilot.press("escape")
        await screen.until(lambda: "+poet" not in screen.text)


async def test_an_adapter_of_another_model_is_refused(stage: Stage, changes: list[tuple[Adapter, ...]]) -> None:
    async with stage.run() as screen:
        await open_list(screen)
        screen.app.screen.query_one(Input).value = str(stage.folder / "other.gguf")
        await screen.pilot.press("enter")
        await screen.see("no adapter")
        assert changes == []
        screen.app.screen.query_one(Input).value = ""
        await screen.pilot.press("enter")
        await screen.until(lambda: len(changes) == 1)


async def test_a_file_that_is_not_listed_is_typed(stage: Stage, changes: list[tuple[Adapter, ...]]) -> None:
    path = make_lora(DEMO_FILE, stage.folder / "elsewhere.gguf")
    async with stage.run() as screen:
        await open_list(screen)
        screen.app.screen.query_one(Input).value = f"{path}:-0.5"
        await screen.pilot.press("enter")
        await screen.until(lambda: changes == [(Adapter(path=str(path), scale=-0.5),)])


async def test_an_engine_that_takes_none_says_so(stage: Stage) -> None:
    make_lora(DEMO_FILE, stage.models / "poet.gguf")
    async with stage.run() as screen:
        await open_list(screen)
        await screen.pilot.press("enter")
        await screen.see("takes no adapters")
        assert "×1" not in screen.text


async def test_without_adapters_it_says_where_to_put_them(stage: Stage) -> None:
    async with stage.run() as screen:
        await screen.pilot.press("alt+l")
        await screen.see("No LoRA adapter")
