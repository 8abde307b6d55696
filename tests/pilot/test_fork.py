"""A turn forked to another model, with both answers in view."""

import pytest
from pilot.conftest import POEM, Screen, Stage, answer
from pilot.test_side_by_side import rows

from llmtui.app.screens.fork import ForkProfilePicker, ForkScreen
from llmtui.app.screens.model_picker import ModelPicker
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import ModelError

OTHER = "床前看月光，疑是地上霜。"
ENDLESS = ScriptedTurn(tokens=("月",) * 50_000, delay_s=0.002)


async def forked_to(screen: Screen, name: str, profile: str = "default") -> None:
    """From the chat: the model and the profile are chosen, the fork's screen stands."""
    await screen.pilot.press("alt+o")
    await screen.until(lambda: isinstance(screen.app.screen, ModelPicker))
    await screen.until(lambda: name in rows(screen))
    await screen.pilot.press(*name)
    await screen.until(lambda: screen.app.screen.marked is not None and screen.app.screen.marked.name == name)
    await screen.pilot.press("enter")
    await screen.until(lambda: isinstance(screen.app.screen, ForkProfilePicker))
    await screen.until(lambda: screen.app.screen.marked is not None)
    if profile != "default":
        await screen.pilot.press(*profile)
        await screen.until(lambda: screen.app.screen.marked == profile)
    await screen.pilot.press("enter")
    await screen.until(lambda: isinstance(screen.app.screen, ForkScreen))


async def ended(screen: Screen) -> None:
    await screen.until(lambda: isinstance(screen.app.screen, ForkScreen) and not screen.app.screen.answers[-1].running)


@pytest.fixture
def two_models(stage: Stage) -> Stage:
    stage.add_model("tang")
    return stage


async def test_another_model_answers_beside_and_the_chat_keeps_its_own(two_models: Stage):
    two_models.script = [answer(POEM)]
    async with two_models.run() as screen:
        await screen.ask("背诵《静夜思》")
        await screen.answered(1)
        two_models.script = [answer(OTHER)]
        await forked_to(screen, "tang")
        await ended(screen)
        await screen.see("Kept as another version")
        assert any("举头望明月" in line for line in rows(screen).splitlines())
        assert screen.app.screen.marked.content == OTHER
        assert screen.app.screen.marked.label == "tang"
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.entries[-1].text == POEM
        assert "2" in screen.entries[-1].label or "of 2" in screen.text
        assert screen.controller.model.name == "demo"


async def test_the_chat_goes_on_with_the_answer_and_says_which_model_answers(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        two_models.script = [answer(OTHER)]
        await forked_to(screen, "tang")
        await ended(screen)
        await screen.pilot.press("g")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.entries[-1].text == OTHER
        assert screen.controller.model.name == "demo"
        await screen.see("demo answers from here on")


async def test_the_chat_goes_on_with_the_answer_its_model_and_its_profile(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        two_models.script = [answer(OTHER)]
        await forked_to(screen, "tang", "precise")
        await ended(screen)
        assert "precise" in rows(screen)
        await screen.pilot.press("m")
        await screen.until(lambda: screen.app.screen is screen.chat)
        await screen.until(lambda: screen.controller.model.name == "tang" and screen.controller.loading is None)
        assert screen.entries[-1].text == OTHER
        assert screen.controller.profile.name == "precise"


async def test_escape_stops_the_answer_keeps_it_and_then_leaves(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        two_models.script = [ENDLESS]
        await forked_to(screen, "tang")
        await screen.until(lambda: "月" in screen.app.screen.answers[-1].content)
        await screen.pilot.press("g")
        await screen.see("still being written; Esc stops it")
        await screen.pilot.press("escape")
        await ended(screen)
        kept = screen.app.screen.answers[-1]
        assert kept.content.startswith("月")
        assert kept.metrics.finish_reason == "cancelled"
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.entries[-1].text == POEM


async def test_a_model_that_fails_to_load_is_told_and_nothing_is_changed(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        two_models.load_failure = ModelError("The model is damaged", cause="the header ends early", remedy="Fetch it")
        await forked_to(screen, "tang")
        await ended(screen)
        await screen.see("The model is damaged")
        await screen.see("the header ends early")
        await screen.pilot.press("g")
        await screen.see("Nothing came of this answer")
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.turns == 1
        two_models.load_failure = None
        await screen.ask("again")
        await screen.answered(2)


async def test_a_marked_question_is_forked(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("one")
        await screen.answered(1)
        await screen.ask("two")
        await screen.answered(2)
        two_models.script = [answer(OTHER)]
        await screen.pilot.press("alt+up", "k", "k", "k", "f")
        await screen.until(lambda: isinstance(screen.app.screen, ModelPicker) and "tang" in rows(screen))
        await screen.pilot.press(*"tang")
        await screen.until(lambda: screen.app.screen.marked is not None and screen.app.screen.marked.name == "tang")
        await screen.pilot.press("enter")
        await screen.until(
            lambda: isinstance(screen.app.screen, ForkProfilePicker) and screen.app.screen.marked is not None
        )
        await screen.pilot.press("enter")
        await screen.until(lambda: isinstance(screen.app.screen, ForkScreen))
        await ended(screen)
        assert screen.app.screen.marked.prompt[-1].content == "one"
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert [entry.text for entry in screen.entries if entry.kind == "user"] == ["one", "two"]


async def test_what_cannot_be_forked_is_said(two_models: Stage):
    two_models.script = [ENDLESS]
    async with two_models.run() as screen:
        await screen.pilot.press("alt+o")
        await screen.see("There is no question yet")
        await screen.ask("hello")
        await screen.until(lambda: screen.controller.running)
        await screen.pilot.press("alt+o")
        await screen.see("An answer is being written; stop it first")


async def test_leaving_the_program_meanwhile_keeps_what_came(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        two_models.script = [ENDLESS]
        await forked_to(screen, "tang")
        await screen.until(lambda: "月" in screen.app.screen.answers[-1].content)
        session = screen.controller.session
        await screen.chat.shut_down()
        beside = [each for each in session.thread.tree.messages if each.model == "tang"]
        assert beside[0].content.startswith("月")
        assert not any(engine.alive for engine in two_models.opened)


async def test_the_chats_own_model_may_be_dead(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        two_models.opened[0].die()
        two_models.script = [answer(OTHER)]
        await forked_to(screen, "tang")
        await ended(screen)
        assert screen.app.screen.marked.content == OTHER
        await screen.pilot.press("m")
        await screen.until(lambda: screen.app.screen is screen.chat)
        await screen.until(lambda: screen.controller.model.name == "tang" and screen.controller.answers)


async def test_the_other_model_dies_in_the_middle_and_what_came_is_kept(two_models: Stage):
    async with two_models.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        two_models.script = [ENDLESS]
        await forked_to(screen, "tang")
        await screen.until(lambda: "月" in screen.app.screen.answers[-1].content)
        two_models.opened[-1].die()
        await ended(screen)
        kept = screen.app.screen.answers[-1]
        assert kept.content.startswith("月")
        assert kept.error
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.controller.answers
