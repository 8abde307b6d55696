"""What a model thinks before it answers, and what an engine remarks on a turn."""

from pilot.conftest import Stage, answer

from llmtui.domain.events import Notice

CUT = Notice("truncated", "The server read only 2 of 9 tokens of the prompt", "Load the model with a larger context.")


async def test_thoughts_are_shown_as_they_come_then_folded_and_kept_apart(stage: Stage):
    stage.script = [answer("42", thoughts=("let me ", "think", "\nhard", *("er",) * 6), delay_s=0.15)]
    async with stage.run() as screen:
        await screen.ask("what is it?")
        await screen.see("let me think")
        await screen.answered(1)
        shown = screen.entries[-1]
        assert shown.text == "> ▸ thought for 29 characters\n\n42"
        await screen.pilot.press("alt+t")
        await screen.see("let me think")
        assert screen.entries[-1].text == "> let me think\n> harderererererer\n\n42"
        await screen.pilot.press("alt+t")
        await screen.see("thought for 29 characters")
        message = screen.controller.session.messages[-1]
        assert (message.content, message.reasoning) == ("42", "let me think\nhard" + "er" * 6)
        assert screen.controller.last_answer == "42"


async def test_a_remark_stands_below_the_answer_now_and_after_reopening(stage: Stage):
    stage.script = [answer("short", notices=(CUT,))]
    async with stage.run() as screen:
        await screen.ask("a long one")
        await screen.answered(1)
        await screen.see("The server read only 2 of 9 tokens")
        assert screen.kinds == ["user", "assistant", "notice"]
        assert "larger context" in screen.entries[-1].text
        assert screen.controller.session.messages[-1].notices == (f"{CUT.text}. {CUT.remedy}",)
