"""Alt+S: the system message in force, where it comes from, and another one for the turns to come."""

from pilot.conftest import Screen, Stage, answer
from textual import events
from textual.widgets import TextArea

from llmtui.app.screens.system_message import SystemScreen


def area(screen: Screen) -> TextArea:
    return screen.app.screen.query_one(TextArea)


async def opened(screen: Screen) -> None:
    await screen.pilot.press("alt+s")
    await screen.until(lambda: isinstance(screen.app.screen, SystemScreen))


async def test_it_is_shown_with_its_place_changed_and_shown_above_the_conversation(stage: Stage):
    stage.configure(system="Be brief.\nNo lists.")
    stage.script = [answer("one"), answer("two")]
    async with stage.run(size=(80, 24)) as screen:
        await opened(screen)
        await screen.see("from the configuration")
        assert area(screen).text == "Be brief.\nNo lists."
        area(screen).text = "你是诗人李白，\n用古文回答。"
        await screen.pilot.press("ctrl+s")
        await screen.see("counts from the next turn on")
        assert "System message · edited by you" in screen.text
        assert "用古文回答。" in screen.text
        await screen.ask("first")
        await screen.answered(1)
        assert screen.kinds == ["notice", "user", "assistant"]
        session = screen.controller.session
        assert session.turns[0].manifest.system is None or session.turns[0].manifest.system.startswith("你是")
        assert session.system == "你是诗人李白，\n用古文回答。"


async def test_escape_gives_up_at_the_second_time(stage: Stage):
    async with stage.run(size=(80, 24)) as screen:
        await opened(screen)
        await screen.see("None is sent")
        await screen.pilot.press("a", "escape")
        await screen.see("Esc again")
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.controller.session.system is None
        await opened(screen)
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)


async def test_emptied_none_is_sent_and_it_can_be_taken_back(stage: Stage):
    stage.configure(system="Be brief.")
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("first")
        await screen.answered(1)
        await opened(screen)
        area(screen).text = ""
        await screen.pilot.press("ctrl+s")
        await screen.see("None is sent.")
        assert screen.controller.session.system == ""
        await opened(screen)
        await screen.see("changed by you")
        await screen.pilot.press("ctrl+r")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.controller.session.system == "Be brief."
        assert screen.kinds == ["user", "assistant"]
        await opened(screen)
        await screen.see("In force: from the configuration")


async def test_the_mark_goes_to_it_and_changes_it(stage: Stage):
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("first")
        await screen.answered(1)
        await opened(screen)
        area(screen).text = "Rhyme."
        await screen.pilot.press("ctrl+s")
        await screen.pilot.press("alt+up", "up", "up", "r")
        await screen.see("cannot be done with a note or a system message")
        await screen.pilot.press("e")
        assert screen.chat.query_one("#composer").draft == "Rhyme."
        screen.chat.query_one("#composer").set_draft("Rhyme well.")
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.controller.session.system == "Rhyme well.")
        await screen.pilot.press("alt+up", "up", "up", "x", "x")
        await screen.until(lambda: screen.controller.session.system is None)
        assert screen.kinds == ["user", "assistant"]


async def test_control_characters_are_shown_and_the_rest_is_kept(stage: Stage):
    stage.configure(system="a\x1b[31mb")
    async with stage.run(size=(80, 24)) as screen:
        await opened(screen)
        assert "\x1b" not in area(screen).text
        await screen.pilot.press("escape")
        assert screen.controller.session.system == "a\x1b[31mb"


async def test_not_while_an_answer_is_written(stage: Stage):
    stage.script = [answer("…" * 400, delay_s=0.05)]
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("first")
        await screen.until(lambda: screen.controller.running)
        await opened(screen)
        area(screen).text = "Rhyme."
        await screen.pilot.press("ctrl+s")
        await screen.see("An answer is being written")
        assert area(screen).text == "Rhyme."


async def test_what_is_pasted_cannot_steer_the_terminal(stage: Stage):
    async with stage.run(size=(80, 24)) as screen:
        await opened(screen)
        area(screen).post_message(events.Paste("short\x1b[2J\r\nlines"))
        await screen.until(lambda: area(screen).text == "short␛[2J\nlines")
