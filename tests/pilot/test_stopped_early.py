"""A question whose answer was stopped before any text came: it says so, now and when the chat is opened again."""

import pytest
from pilot.conftest import POEM, Stage, answer

MARK = "stopped before the answer began"


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_mark_stands_behind_the_question_and_is_there_again(stage: Stage, size: tuple[int, int]):
    stage.script = [answer(POEM, prefill_s=60.0)]
    async with stage.run(size=size) as screen:
        await screen.ask("never answered")
        await screen.until(lambda: screen.controller.running)
        await screen.pilot.press("escape")
        await screen.see(MARK)
        await screen.answered(1)
        assert screen.kinds == ["user", "notice"]
        path = screen.controller.session.path
    stage.script = [answer(POEM)]
    async with stage.run(chat=path, size=size) as screen:
        await screen.see(MARK)
        assert screen.kinds == ["user", "notice"]
        await screen.pilot.press("f5")
        await screen.answered(2)
        assert MARK not in screen.text
        assert screen.kinds == ["user", "assistant"]


async def test_a_question_asked_after_it_leaves_the_mark_where_it_is(stage: Stage):
    stage.script = [answer(POEM, prefill_s=60.0), answer(POEM)]
    async with stage.run() as screen:
        await screen.ask("never answered")
        await screen.until(lambda: screen.controller.running)
        await screen.pilot.press("escape")
        await screen.answered(1)
        await screen.ask("answered")
        await screen.answered(2)
        assert screen.kinds == ["user", "notice", "user", "assistant"]
        path = screen.controller.session.path
    async with stage.run(chat=path) as screen:
        assert screen.kinds == ["user", "notice", "user", "assistant"]


async def test_an_answer_with_text_and_an_older_version_bear_no_such_mark(stage: Stage):
    stage.script = [answer(POEM), answer(POEM, prefill_s=60.0)]
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.answered(1)
        await screen.pilot.press("f5")
        await screen.until(lambda: screen.controller.running)
        await screen.pilot.press("escape")
        await screen.answered(2)
        assert MARK not in screen.text
