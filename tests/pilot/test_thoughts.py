"""What a model thinks before it answers, and what an engine remarks on a turn."""

from pilot.conftest import Stage, answer

from llmtui.domain.events import Notice

CUT = Notice("truncated", "The server read only 2 of 9 tokens of the prompt", "Load the model with a larger context.")


async def test_thoughts_are_shown_quoted_and_kept_apart(stage: Stage):
    stage.script = [answer("forty-two", thoughts=("let me ", "think", "\nhard"), delay_s=0.02)]
    async with stage.run() as screen:
        await screen.ask("what is it?")
        await screen.see("let me think")
        await screen.answered(1)
        shown = screen.entries[-1]
        assert shown.text == "> let me think\n> hard\n\nforty-two"
        message = screen.controller.session.messages[-1]
        assert (message.content, message.reasoning) == ("forty-two", "let me think\nhard")
        assert screen.controller.last_answer == "forty-two"


async def test_a_remark_stands_below_the_answer_now_and_after_reopening(stage: Stage):
    stage.script = [answer("short", notices=(CUT,))]
    async with stage.run() as screen:
        await screen.ask("a long one")
        await screen.answered(1)
        await screen.see("The server read only 2 of 9 tokens")
        assert screen.kinds == ["user", "assistant", "notice"]
        assert "larger context" in screen.entries[-1].text
        assert screen.controller.session.messages[-1].notices == (f"{CUT.text}. {CUT.remedy}",)
