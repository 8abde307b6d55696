"""The note that stands for older messages, on the screen."""

from pilot.conftest import Stage, answer

from llmtui.domain.profile import Profile
from llmtui.domain.settings import Runtime
from llmtui.engines.scripted import ScriptedTurn

LONG = ScriptedTurn(tokens=("word ",) * 100)


async def test_a_note_appears_between_the_messages_and_can_be_edited(stage: Stage):
    stage.script = [LONG, LONG, LONG, answer("他们谈了诗。"), answer("好")]
    stage.configure(runtime=Runtime(context=600))
    async with stage.run(size=(140, 40)) as screen:
        screen.controller.session.use(Profile(overflow="compact", reserve=100, language="zh"))
        for number in range(1, 5):
            await screen.ask(f"question {number}")
            await screen.answered(number)
        assert screen.kinds[:4] == ["user", "assistant", "notice", "user"]
        assert screen.kinds[-2:] == ["assistant", "notice"]
        assert screen.entries[2].label.startswith("Note · sent instead of what is above")
        assert screen.entries[2].text == "他们谈了诗。"
        assert "put them into a note" in screen.entries[-1].text
        for _ in range(7):
            await screen.pilot.press("alt+up")
        await screen.pilot.press("e")
        screen.chat.query_one("#composer").set_draft("my words")
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.entries[2].text == "my words")
        assert "edited by you" in screen.entries[2].label
        assert len(screen.controller.session.thread.messages) == 8
