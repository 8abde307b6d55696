"""Choosing and changing profiles on the screen."""

from pathlib import Path

import pytest
from pilot.conftest import Screen, Stage
from textual.widgets import Input, Static

from llmtui.app.screens.profile_editor import ProfileEditor
from llmtui.app.screens.profile_picker import ProfilePicker
from llmtui.store.profiles import read_profile

SIZES = [(80, 24), (140, 40)]


def put(stage: Stage, name: str, text: str) -> Path:
    folder = stage.folders.config_dir / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


async def open_list(screen: Screen) -> None:
    await screen.pilot.press("ctrl+t")
    await screen.until(lambda: isinstance(screen.app.screen, ProfilePicker))
    await screen.see("Enter uses it")


async def edit(screen: Screen, name: str) -> ProfileEditor:
    await open_list(screen)
    await screen.pilot.press(*name, "f2")
    await screen.until(lambda: isinstance(screen.app.screen, ProfileEditor))
    assert isinstance(screen.app.screen, ProfileEditor)
    return screen.app.screen


@pytest.mark.parametrize("size", SIZES)
async def test_a_profile_is_used_from_the_next_turn_on(stage: Stage, size: tuple[int, int]) -> None:
    put(stage, "bad\x07", "mode: shout\n")
    async with stage.run(size=size) as screen:
        await open_list(screen)
        assert "assistant-zh" in screen.text
        assert "not valid" in screen.text
        await screen.pilot.press(*"precise", "enter")
        await screen.see("precise · instruct")
        await screen.ask("你好")
        await screen.answered(1)
        session = screen.controller.session
        assert session is not None
        manifest = session.turns[0].manifest
        assert (manifest.profile, manifest.sampling.temperature) == ("precise", 0)
        assert manifest.origins["system"] == "profile precise"


async def test_a_persona_greets_in_an_empty_chat_and_a_new_one(stage: Stage) -> None:
    async with stage.run() as screen:
        await open_list(screen)
        await screen.pilot.press(*"assistant", "enter")
        await screen.see("assistant-zh · chat-instruct")
        await screen.see("你好，我是AI助理")
        await screen.pilot.press("ctrl+n")
        await screen.see("你好，我是AI助理")


@pytest.mark.parametrize("size", SIZES)
async def test_a_field_is_checked_as_one_types_and_saved(stage: Stage, size: tuple[int, int]) -> None:
    async with stage.run(size=size) as screen:
        editor = await edit(screen, "coder")
        await screen.see("experienced programmer")
        field = editor.query_one("#f-generation-temperature", Input)
        field.focus()
        await screen.pilot.press("home", "shift+end", *"hot")
        await screen.see("write a number")
        await screen.pilot.press("ctrl+s")
        await screen.see("generation.temperature: write a number")
        await screen.pilot.press("home", "shift+end", *"0.9")
        await screen.until(lambda: "write a number" not in screen.text)
        used = editor.query_one("#used-f-generation-temperature", Static)
        await screen.until(lambda: "0.9 · profile" in str(used.content))
        assert "40 · default" in str(editor.query_one("#used-f-generation-top_k", Static).content)
        await screen.pilot.press("ctrl+s")
        await screen.see("saved in")
        saved = read_profile(stage.folders.config_dir / "profiles" / "coder.yaml")
        assert saved.generation["temperature"] == 0.9
        assert saved.system is not None
        assert "experienced programmer" in saved.system


async def test_changes_are_discarded_at_the_second_escape(stage: Stage) -> None:
    async with stage.run() as screen:
        await edit(screen, "coder")
        await screen.pilot.press(*"xyz")
        await screen.see("changed, not saved")
        await screen.pilot.press("escape")
        await screen.see("Esc again discards them")
        await screen.pilot.press("escape")
        await screen.until(lambda: isinstance(screen.app.screen, ProfilePicker))
        assert not (stage.folders.config_dir / "profiles").exists()


async def test_another_name_is_another_profile_and_none_is_replaced_unasked(stage: Stage) -> None:
    path = put(stage, "mine", "description: old\n")
    async with stage.run() as screen:
        editor = await edit(screen, "coder")
        name = editor.query_one("#f-name", Input)
        name.value = "mine"
        await screen.see("changed, not saved")
        await screen.pilot.press("ctrl+s")
        await screen.see("called mine already")
        assert read_profile(path).description == "old"
        await screen.pilot.press("ctrl+s")
        await screen.see("saved in")
        assert read_profile(path).generation["temperature"] == 0.2
        await screen.pilot.press("escape")
        await screen.until(lambda: isinstance(screen.app.screen, ProfilePicker))
        await screen.see("yours")


async def test_tried_without_saving_the_change_is_an_edit(stage: Stage) -> None:
    async with stage.run() as screen:
        editor = await edit(screen, "precise")
        editor.query_one("#f-generation-seed", Input).value = "7"
        editor.query_one("#f-runtime-context", Input).value = "512"
        await screen.see("changed, not saved")
        await screen.pilot.press("f5")
        await screen.see("in use from the next turn on, not saved")
        await screen.pilot.press("escape", "escape", "escape")
        await screen.see("precise * · instruct")
        assert screen.controller.services.host.runtime.context == 512
        await screen.see("counts from the next load")
        await screen.ask("你好")
        await screen.answered(1)
        session = screen.controller.session
        assert session is not None
        origins = session.turns[0].manifest.origins
        assert (origins["seed"], origins["temperature"]) == ("edit", "profile precise")
        assert not (stage.folders.config_dir / "profiles").exists()
