"""Edits that something gets in the way of: another message, another chat, an answer, a narrow screen, a load."""

from pilot.conftest import Screen, Stage, answer


def texts(screen: Screen) -> list[str]:
    return [entry.text for entry in screen.entries]


def composer(screen: Screen):
    return screen.chat.query_one("#composer")


async def count(screen: Screen) -> None:
    """A question and its answer, then words of the user's own in the input line."""
    await screen.ask("count")
    await screen.answered(1)
    composer(screen).set_draft("my own words")


async def test_editing_another_message_brings_that_ones_text(stage: Stage):
    stage.script = [answer("one")]
    async with stage.run() as screen:
        await count(screen)
        await screen.pilot.press("alt+up", "up", "e")
        assert composer(screen).draft == "count"
        await screen.pilot.press("alt+up", "e")
        assert composer(screen).draft == "one"
        await screen.pilot.press("escape")
        assert composer(screen).draft == "my own words"


async def test_a_new_chat_ends_the_edit_and_gives_the_draft_back(stage: Stage):
    async with stage.run() as screen:
        await count(screen)
        await screen.pilot.press("alt+up", "e")
        await screen.see("editing this answer")
        await screen.pilot.press("ctrl+n")
        await screen.until(lambda: screen.kinds == ["notice"])
        assert composer(screen).draft == "my own words"
        assert "editing" not in screen.text


async def test_an_edit_that_cannot_be_kept_now_stays(stage: Stage):
    stage.script = [answer("one"), answer("…" * 200, delay_s=0.05)]
    async with stage.run() as screen:
        await count(screen)
        await screen.pilot.press("alt+up", "up", "e", "f5")
        await screen.until(lambda: screen.controller.running)
        composer(screen).set_draft("count to three")
        await screen.pilot.press("enter")
        await screen.see("An answer is being written")
        assert composer(screen).draft == "count to three"
        await screen.see("editing your question")
        await screen.pilot.press("escape")
        assert composer(screen).draft == "my own words"


async def test_an_edit_is_told_of_on_a_narrow_screen(stage: Stage):
    async with stage.run(size=(60, 20)) as screen:
        await count(screen)
        await screen.pilot.press("alt+up", "up", "e")
        await screen.see("context ─")
        assert "editing your question" in screen.text


async def test_a_question_that_waits_stays_on_the_screen_behind_the_marked_message(stage: Stage):
    async with stage.run() as screen:
        await count(screen)
        path = screen.controller.session.path
    stage.load_s = 60.0
    async with stage.run(chat=path, ready=False) as screen:
        await screen.until(lambda: len(screen.entries) == 2)
        await screen.ask("and then?")
        assert texts(screen)[2:] == ["and then?"]
        await screen.pilot.press("alt+up")
        assert texts(screen)[2:] == ["and then?"]
        await screen.pilot.press("up", "e", "escape", "escape")
        await screen.until(lambda: len(screen.entries) == 2)
        assert composer(screen).draft == "and then?"


async def test_answering_again_while_a_model_loads_leaves_the_conversation(stage: Stage):
    async with stage.run() as screen:
        await count(screen)
        path = screen.controller.session.path
    stage.load_s = 60.0
    async with stage.run(chat=path, ready=False) as screen:
        await screen.until(lambda: len(screen.entries) == 2)
        await screen.pilot.press("alt+up", "up", "r")
        await screen.see("The model is busy")
        assert len(screen.entries) == 2


async def test_a_remark_leaves_the_input_line_free(stage: Stage):
    async with stage.run(size=(80, 24)) as screen:
        composer(screen).set_draft("x" * 70)
        await screen.pilot.press("alt+up")
        await screen.see("There are no messages yet")
        assert "x" * 70 in screen.text
