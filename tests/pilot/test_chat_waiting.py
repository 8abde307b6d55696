"""Questions that wait for a model or for the answer before them."""

from pilot.conftest import POEM, Stage, answer

from llmtui.domain.events import Failed

SLOW = {"delay_s": 0.02}


async def test_a_question_waits_for_the_model_and_is_then_sent(stage: Stage):
    stage.load_s = 0.4
    async with stage.run(ready=False) as screen:
        await screen.see("loading demo")
        await screen.ask("early bird")
        await screen.see("your question waits")
        assert screen.controller.pending == "early bird"
        await screen.answered(1)
        assert [entry.text for entry in screen.entries] == ["early bird", POEM]


async def test_escape_takes_a_waiting_question_back_and_then_gives_up_the_load(stage: Stage):
    stage.load_s = 60.0
    async with stage.run(ready=False) as screen:
        await screen.see("loading demo")
        await screen.ask("early bird")
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.controller.pending is None)
        assert screen.chat.query_one("#composer").draft == "early bird"
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.controller.loading is None)
        await screen.see("no model")


async def test_what_is_sent_while_an_answer_runs_waits_for_its_end(stage: Stage):
    stage.script = [answer("one" * 20, delay_s=0.05), answer("two")]
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.until(lambda: screen.controller.running)
        await screen.ask("second")
        await screen.see("your next question waits")
        assert screen.kinds == ["user", "assistant"]
        await screen.answered(2)
        assert [entry.text for entry in screen.entries] == ["first", "one" * 20, "second", "two"]
        assert "waits" not in screen.text


async def test_escape_takes_the_waiting_question_back_before_it_stops_the_answer(stage: Stage):
    stage.script = [answer("长" * 2000, delay_s=0.01)]
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.until(lambda: screen.controller.running)
        await screen.ask("second")
        await screen.ask("third")
        assert screen.chat.query_one("#composer").draft == "third"
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.controller.pending is None)
        assert screen.chat.query_one("#composer").draft == "second\nthird"
        assert screen.controller.running
        await screen.pilot.press("escape")
        await screen.answered(1)
        assert screen.turns == 1


async def test_a_waiting_question_comes_back_when_the_answer_fails(stage: Stage):
    failed = Failed("engine", "It broke", "", "Again")
    stage.script = [answer("half" * 20, delay_s=0.01, failure=failed)]
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.until(lambda: screen.controller.running)
        await screen.ask("second")
        await screen.until(lambda: "error" in screen.kinds)
        assert screen.chat.query_one("#composer").draft == "second"
        assert screen.controller.pending is None
