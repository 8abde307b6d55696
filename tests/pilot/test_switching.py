"""Switching with the keyboard: in the background, while an answer runs, back and forth, and to pinned models."""

import re

import pytest
from pilot.conftest import POEM, Stage, answer

from llmtui.engines.scripted import ScriptedTurn
from llmtui.services.host import ModelHost


def names(screen) -> list[str]:
    return [entry.label for entry in screen.entries if entry.kind == "assistant"]


async def pick(screen, name: str) -> None:
    await screen.pilot.press("ctrl+o")
    await screen.see(name)
    await screen.pilot.press(*name, "enter")


def endless() -> ScriptedTurn:
    return answer("床前明月光" * 200, delay_s=0.02)


async def test_a_question_waits_for_the_model_that_was_chosen(stage: Stage):
    stage.add_model("other")
    async with stage.run() as screen:
        stage.load_s = 60.0
        await pick(screen, "other")
        await screen.see("→ other")
        assert "demo · Q8_0" in screen.text
        await screen.ask("meanwhile")
        await screen.see("your question waits")
        assert not screen.controller.running
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.controller.pending is None)
        assert screen.chat.query_one("#composer").draft == "meanwhile"
        await screen.pilot.press("escape")
        await screen.see("Loading stopped")
        assert screen.controller.model.name == "demo"
        await screen.ask("again")
        await screen.answered(1)
        assert names(screen) == ["demo"]


async def test_an_answer_is_finished_by_the_model_that_began_it(stage: Stage):
    stage.add_model("other")
    stage.script = [endless()]
    async with stage.run() as screen:
        await screen.ask("go on")
        await screen.until(lambda: len(screen.controller.answer_so_far) > 5)
        stage.script = [answer(POEM)]
        await pick(screen, "other")
        await screen.until(lambda: screen.controller.model.name == "other" and screen.controller.loading is None)
        assert screen.controller.running
        assert stage.opened[0].alive
        before = len(screen.controller.answer_so_far)
        await screen.until(lambda: len(screen.controller.answer_so_far) > before)
        await screen.pilot.press("escape")
        await screen.answered(1)
        assert names(screen) == ["demo"]
        assert screen.controller.session.messages[1].model == "demo"
        await screen.until(lambda: not stage.opened[0].alive)
        await screen.ask("and you?")
        await screen.answered(2)
        assert names(screen) == ["demo", "other"]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_header_names_the_model_that_still_writes_and_the_coming_one_apart(
    stage: Stage, size: tuple[int, int]
):
    stage.add_model("other")
    stage.script = [endless()]
    async with stage.run(size=size) as screen:
        await screen.ask("go on")
        await screen.until(lambda: len(screen.controller.answer_so_far) > 5)
        stage.load_s = 1.0
        await pick(screen, "other")
        await screen.until(lambda: re.match(r" demo · .* \d+ % → other", screen.text) is not None)
        await screen.until(lambda: screen.controller.model.name == "other" and screen.controller.loading is None)
        await screen.until(lambda: "→ other · answers next" in screen.text.splitlines()[0])
        assert screen.controller.running
        assert screen.text.splitlines()[0].strip().startswith("demo · Q8_0")
        await screen.ask("and then?")
        await screen.see("→ other · your next question waits for it")
        await screen.pilot.press("escape", "escape")
        await screen.answered(1)
        await screen.until(lambda: screen.text.splitlines()[0].strip().startswith("other · Q8_0"))
        assert "→ other" not in screen.text


class Cramped(Stage):
    """A machine on which two models never fit."""

    def services(self):
        services = super().services()
        size = 10 << 20
        host = ModelHost(self.open_engine, self.config.runtime, free_memory=lambda: size)
        return services.__class__(self.config, self.folders, services.catalogue, host)


async def test_a_model_that_finds_no_room_waits_for_the_end_of_the_answer(tmp_path):
    stage = Cramped(tmp_path)
    stage.add_model("other")
    stage.script = [endless()]
    async with stage.run() as screen:
        await screen.ask("go on")
        await screen.until(lambda: len(screen.controller.answer_so_far) > 5)
        await pick(screen, "other")
        await screen.see("→ other · when the answer has ended")
        assert len(stage.opened) == 1
        await screen.pilot.press("escape")
        await screen.answered(1)
        await screen.until(lambda: screen.controller.loading is None and screen.controller.model.name == "other")
        assert not stage.opened[0].alive
        assert screen.controller.session.messages[1].model == "demo"


async def test_one_key_goes_back_and_forth(stage: Stage):
    stage.add_model("other")
    async with stage.run() as screen:
        await screen.pilot.press("alt+0")
        await screen.see("No other model was used yet")
        await pick(screen, "other")
        await screen.until(lambda: screen.controller.model.name == "other" and screen.controller.loading is None)
        for key, name in (("alt+0", "demo"), ("ctrl+circumflex_accent", "other")):
            await screen.pilot.press(key)
            await screen.until(
                lambda name=name: screen.controller.model.name == name and screen.controller.loading is None
            )


async def test_a_number_loads_the_model_that_is_pinned_to_it(stage: Stage):
    stage.add_model("other")
    async with stage.run() as screen:
        await screen.pilot.press("alt+1")
        await screen.see("No model is pinned to 1")
        await screen.pilot.press("ctrl+o")
        await screen.see("2 models")
        await screen.pilot.press("down", "f2", "escape")
        await screen.until(lambda: 1 in screen.controller.bookmarks.pins)
        await screen.pilot.press("alt+1")
        await screen.until(lambda: screen.controller.model.name == "other" and screen.controller.loading is None)
        await screen.pilot.press("alt+1")
        await screen.see("other answers already")
        assert len(stage.opened) == 2
        await screen.pilot.press("ctrl+p", *"load other")
        await screen.see("Load other")


async def test_a_pin_whose_model_is_gone_says_so_and_the_present_one_stays(stage: Stage):
    path = stage.add_model("other")
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("2 models")
        await screen.pilot.press("down", "f2", "escape")
        await screen.until(lambda: 1 in screen.controller.bookmarks.pins)
        path.unlink()
        await screen.pilot.press("alt+1")
        await screen.see("The model file does not exist")
        assert screen.controller.answers
        await screen.ask("still there?")
        await screen.answered(1)


async def test_a_pinned_model_that_moved_is_found_by_its_name(stage: Stage):
    path = stage.add_model("other")
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+o")
        await screen.see("2 models")
        await screen.pilot.press("down", "f2", "escape")
        await screen.until(lambda: 1 in screen.controller.bookmarks.pins)
        (stage.models / "below").mkdir()
        moved = path.rename(stage.models / "below" / "other.gguf")
        await screen.pilot.press("alt+1")
        await screen.until(lambda: screen.controller.model.path == str(moved) and screen.controller.loading is None)


async def test_what_is_typed_while_a_model_loads_stays_in_the_input_line(stage: Stage):
    stage.add_model("other")
    async with stage.run() as screen:
        stage.load_s = 60.0
        await pick(screen, "other")
        await screen.see("→ other")
        await screen.pilot.press(*"abc")
        assert screen.chat.query_one("#composer").draft == "abc"
        await screen.pilot.press("escape")
        await screen.see("Loading stopped")
        assert screen.chat.query_one("#composer").draft == "abc"
