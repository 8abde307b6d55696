"""Quantising on the screen."""

from pathlib import Path

import pytest
from make_gguf import make
from pilot.conftest import Screen, Stage

from llmtui.app.screens.model_picker import ModelPicker
from llmtui.app.screens.progress import ProgressScreen
from llmtui.app.screens.quantise import QuantiseScreen
from llmtui.services.quantise import choices


async def open_list(screen: Screen) -> None:
    await screen.pilot.press("ctrl+o")
    await screen.until(lambda: isinstance(screen.app.screen, ModelPicker) and screen.app.screen.marked is not None)
    await screen.pilot.press("f7")
    await screen.until(lambda: isinstance(screen.app.screen, QuantiseScreen))
    await screen.see("Enter quantises")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_a_type_is_chosen_and_the_new_model_is_in_the_list(stage: Stage, size: tuple[int, int]) -> None:
    async with stage.run(size=size) as screen:
        await open_list(screen)
        assert "recommended" in screen.text
        assert screen.app.screen.marked == "Q4_K_M"
        await screen.pilot.press("enter")
        await screen.until(lambda: isinstance(screen.app.screen, ModelPicker))
        assert [path.name for path in stage.folders.models_dir.iterdir()] == ["demo-Q4_K_M.gguf"]
        await screen.until(lambda: screen.app.screen.marked.name == "demo-Q4_K_M")
        assert screen.app.screen.marked.path == str(stage.folders.models_dir / "demo-Q4_K_M.gguf")


async def test_what_is_impossible_or_harmful_says_why(stage: Stage) -> None:
    async with stage.run(size=(120, 60)) as screen:
        await open_list(screen)
        for words in ("importance matrix", "mixtures of experts", "would not make it smaller", "4-bit floor"):
            assert words in screen.text
        await screen.pilot.press(*"IQ2_XXS")
        await screen.pilot.press("enter")
        await screen.pilot.pause()
        assert isinstance(screen.app.screen, QuantiseScreen)
        assert not stage.folders.models_dir.exists()


async def test_an_existing_file_is_not_overwritten(stage: Stage) -> None:
    stage.folders.models_dir.mkdir(parents=True)
    (stage.folders.models_dir / "demo-Q4_K_M.gguf").write_bytes(b"mine")
    async with stage.run() as screen:
        await open_list(screen)
        await screen.pilot.press("enter")
        await screen.see("exists already")
        assert (stage.folders.models_dir / "demo-Q4_K_M.gguf").read_bytes() == b"mine"


async def test_a_long_run_is_cancelled_and_leaves_nothing(stage: Stage) -> None:
    path = Path(make("qwen2-tiny", "f16", stage.models / "slow.gguf", vocab=90_000))
    async with stage.run() as screen:
        info = stage.services().catalogue.resolve(str(path))
        screen.app.push_screen(QuantiseScreen(screen.app.services, info))
        await screen.see("Enter quantises")
        await screen.pilot.press(*"IQ3_S", "enter")
        await screen.until(lambda: isinstance(screen.app.screen, ProgressScreen))
        await screen.see("quantising")
        await screen.pilot.press("escape")
        await screen.until(lambda: not screen.app.operations.running)
        assert [left.name for left in stage.models.iterdir()] == ["slow.gguf"]


async def test_every_type_has_a_row(stage: Stage) -> None:
    from llmtui.app.screens.quantise import type_row

    rows = [type_row(choice) async for choice in choices(stage.services().catalogue.resolve("demo"))]
    assert len({row.key for row in rows}) == len(rows) == 35
    assert next(row for row in rows if row.key == "IQ1_S").problem
    assert next(row for row in rows if row.key == "Q4_K_M").problem is None
