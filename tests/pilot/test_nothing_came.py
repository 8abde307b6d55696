"""Answers without text: what stood before is shown again, and nothing becomes unreachable."""

import pytest
from pilot.conftest import Screen, Stage, answer

NOTHING = answer("")


def texts(screen: Screen) -> list[str]:
    return [entry.text for entry in screen.entries]


@pytest.mark.parametrize("key", ["alt+c", "f5"])
async def test_an_answer_that_nothing_new_came_of_stays(stage: Stage, key: str):
    stage.script = [answer("one"), NOTHING, answer("two")]
    async with stage.run() as screen:
        await screen.ask("count")
        await screen.answered(1)
        await screen.pilot.press(key)
        await screen.answered(2)
        await screen.see("Nothing new came")
        assert texts(screen) == ["count", "one"]
        assert [message.content for message in screen.controller.session.messages] == ["count", "one"]
        await screen.pilot.press("alt+up")
        assert screen.entries[-1].marked
        await screen.pilot.press("escape", "f5")
        await screen.answered(3)
        assert texts(screen) == ["count", "two"]
        assert screen.entries[-1].label == "demo · 2/2"
        path = screen.controller.session.path
    async with stage.run(chat=path) as screen:
        assert texts(screen) == ["count", "two"]


async def test_an_answer_stays_when_the_next_one_is_stopped_before_its_first_word(stage: Stage):
    stage.script = [answer("one"), answer("two", prefill_s=60.0)]
    async with stage.run() as screen:
        await screen.ask("count")
        await screen.answered(1)
        await screen.pilot.press("f5")
        await screen.until(lambda: screen.controller.running)
        assert texts(screen)[:1] == ["count"]
        await screen.pilot.press("escape")
        await screen.answered(2)
        assert texts(screen) == ["count", "one"]


async def test_an_answer_stays_when_the_model_is_gone(stage: Stage):
    stage.script = [answer("one")]
    async with stage.run() as screen:
        await screen.ask("count")
        await screen.answered(1)
        await stage.opened[0].close()
        await screen.pilot.press("f5")
        await screen.see("No model is running")
        assert texts(screen)[:2] == ["count", "one"]


async def test_an_answer_without_text_is_shown_and_can_be_marked(stage: Stage):
    stage.script = [NOTHING]
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("count")
        await screen.answered(1)
        assert texts(screen) == ["count", ""]
        await screen.see("no text")
        await screen.pilot.press("alt+up")
        assert screen.entries[-1].marked
        await screen.pilot.press("x", "x")
        assert texts(screen) == ["count"]
