"""Sizes, the profiler's place, keys, help and palette."""

import msgspec
import pytest
from pilot.conftest import POEM, Stage
from rich.cells import cell_len

from llmtui.app.actions import ACTIONS, resolve
from llmtui.app.app import LlmtuiApp
from llmtui.app.screens.help import HelpScreen
from llmtui.app.screens.model_picker import ModelPicker
from llmtui.errors import ConfigError


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (140, 40), (60, 14), (40, 10)])
async def test_everything_has_its_place_at_every_size(stage: Stage, size: tuple[int, int]):
    async with stage.run(size=size) as screen:
        await screen.ask("hello")
        await screen.answered(1)
        await screen.see("tok · ctx" if size[0] > 40 else "ctx 1 %")
        lines = screen.text.splitlines()
        assert all(cell_len(line) == size[0] for line in lines)
        assert lines[0].strip().startswith("demo")
        assert "F1 help" in lines[-1]
        assert ("decode" in screen.text) is (size[0] >= 100 and size[1] >= 22)
        folded = any(
            line.strip().endswith(("%", "GiB", "MiB", "s", "–")) and "tok/s · ttft" in line for line in lines[-6:]
        )
        assert folded is not ("decode" in screen.text)
        for widget in screen.chat.query("#header, #transcript, #rule, #composer, #footer"):
            assert widget.region.height >= 1
            assert widget.region.bottom <= size[1]


async def test_f2_hides_the_profiler_and_brings_it_back(stage: Stage):
    async with stage.run() as screen:
        await screen.see("decode")
        await screen.pilot.press("f2")
        await screen.until(lambda: "decode" not in screen.text)
        await screen.pilot.press("f2")
        await screen.see("decode")
        await screen.pilot.resize_terminal(80, 24)
        await screen.see("tok/s · ttft")
        await screen.pilot.press("f2")
        await screen.until(lambda: "tok/s · ttft" not in screen.text)


async def test_a_terminal_that_is_too_small_says_so_and_recovers(stage: Stage):
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("hello")
        await screen.answered(1)
        await screen.pilot.resize_terminal(20, 5)
        await screen.see("20×5")
        assert "40×10" in "".join(screen.text.split())
        await screen.pilot.press("f1", "ctrl+o")
        assert "20×5" in screen.text
        await screen.pilot.resize_terminal(30, 8)
        await screen.see("30×8")
        await screen.pilot.resize_terminal(120, 40)
        await screen.see("床前明月光")
        await screen.see("decode")
        await screen.pilot.press("x")
        assert screen.chat.query_one("#composer").draft == "x"


async def test_it_may_start_too_small(stage: Stage):
    async with stage.run(size=(20, 5)) as screen:
        await screen.see("20×5")
        await screen.pilot.resize_terminal(80, 24)
        await screen.see("Welcome")


async def test_help_lists_every_action_with_its_key(stage: Stage):
    stage.configure(keymap={"pick_model": "ctrl+k"})
    async with stage.run(size=(100, 300)) as screen:
        await screen.pilot.press("f1")
        await screen.see("Help")
        lines = screen.text.splitlines()
        for action in resolve({"pick_model": "ctrl+k"}):
            if not action.listed:
                continue  # the first of a series speaks for all of it
            assert any(action.key_name in line and action.help[:40] in line for line in lines), action.id
        for figure in ("ttft", "itl", "prefill", "decode"):
            assert any(line.strip(" │").startswith(figure) for line in lines)
        await screen.pilot.press("f1")
        await screen.until(lambda: not isinstance(screen.app.screen, HelpScreen))


async def test_the_users_keys_replace_the_default_ones(stage: Stage):
    stage.configure(keymap={"pick_model": " Ctrl+K ,f10", "toggle_profiler": "F12"})
    async with stage.run() as screen:
        await screen.see("^K model")
        await screen.pilot.press("ctrl+o")
        await screen.pilot.pause()
        assert screen.app.screen is screen.chat
        await screen.pilot.press("f12")
        await screen.until(lambda: "decode" not in screen.text)
        for key in ("ctrl+k", "f10"):
            await screen.pilot.press(key)
            await screen.until(lambda: isinstance(screen.app.screen, ModelPicker))
            await screen.pilot.press("escape")
            await screen.until(lambda: screen.app.screen is screen.chat)


@pytest.mark.parametrize("values", [{"keymap": {"fly": "f9"}}, {"keymap": {"stop": "f1"}}, {"theme": "[red]none[/]"}])
def test_a_wrong_configuration_is_refused_before_the_screen_changes(stage: Stage, values: dict[str, object]):
    stage.configure(**values)
    with pytest.raises(ConfigError):
        LlmtuiApp(stage.services())


async def test_the_palette_runs_actions_and_changes_the_theme(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+p")
        await screen.see("Search")
        await screen.pilot.press(*"hide the profiler")
        await screen.see("F2")
        await screen.pilot.press("enter")
        await screen.until(lambda: "decode" not in screen.text and screen.app.screen is screen.chat)
        await screen.pilot.press("ctrl+p")
        await screen.pilot.press(*"llmtui-light")
        await screen.see("Theme: llmtui-light")
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.app.theme == "llmtui-light")


async def test_the_palette_offers_every_action(stage: Stage):
    async with stage.run() as screen:
        from llmtui.app.palette import ActionProvider

        titles = [title for title, _, _ in ActionProvider(screen.chat)._commands()]
        for action in ACTIONS:
            if action.id != "command_palette" and action.scope in {"app", "chat"} and action.pin is None:
                assert any(f"({action.key_name})" in title for title in titles), action.id


async def test_a_click_in_the_footer_runs_the_action(stage: Stage):
    async with stage.run() as screen:
        footer = screen.text.splitlines()[-1]
        await screen.pilot.click(offset=(footer.index("^O") + 1, 39))
        await screen.until(lambda: isinstance(screen.app.screen, ModelPicker))


async def test_scrolling_up_is_said_and_undone_with_one_key(stage: Stage):
    stage.script = [msgspec.structs.replace(stage.script[0], tokens=tuple(f"row {n}\n\n" for n in range(200)))]
    async with stage.run() as screen:
        await screen.ask("many rows")
        await screen.answered(1)
        await screen.see("row 199")
        await screen.pilot.press("pageup")
        await screen.see("Ctrl+End to the end")
        assert "row 199" not in screen.text
        await screen.pilot.press("ctrl+home")
        await screen.see("many rows")
        await screen.pilot.press("ctrl+end")
        await screen.see("row 199")
        await screen.until(lambda: "to the end" not in screen.text)


async def test_an_idle_screen_sends_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        assert POEM[:5] in screen.text
        painted: list[object] = []
        for widget in screen.chat.query("*"):
            monkeypatch.setattr(widget, "refresh", lambda *regions, **_: painted.append(regions))
        snapshot = screen.controller.snapshot()
        monkeypatch.setattr(screen.controller, "snapshot", lambda: snapshot)
        screen.chat._show_figures()
        painted.clear()
        for _ in range(3):
            screen.chat._idle()
        assert painted == []
