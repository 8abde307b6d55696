"""The notebook's screen: writing, stopping, going back, gaps, leaving, and that nothing is lost."""

import json

import msgspec
import pytest
from pilot.conftest import answer

from llmtui.app.screens.notebook import NotebookScreen
from llmtui.app.widgets.bar import Bar, Rule
from llmtui.app.widgets.notebook_area import NotebookArea
from llmtui.domain.models import LoadedModel
from llmtui.engines.scripted import ScriptedEngine
from llmtui.errors import ModelError
from llmtui.services.prompting import GAP

ENDLESS = answer("月" * 3000, delay_s=0.01)


@pytest.fixture
def filling(stage, monkeypatch):
    """Models that can fill a gap."""

    def opened(info, _runtime):
        model = LoadedModel(
            name=info.name,
            description="s",
            engine="scripted",
            engine_build="1",
            context_size=4096,
            infill=("<P>", "<S>", "<M>"),
        )
        engine = ScriptedEngine(stage.script, model=model)
        stage.opened.append(engine)
        return engine

    monkeypatch.setattr(stage, "open_engine", opened)
    return stage


async def notebook(screen, text=""):
    await screen.pilot.press("f7")
    await screen.until(lambda: isinstance(screen.app.screen, NotebookScreen))
    if text:
        await paste(screen, text)


async def paste(screen, text):
    screen.app.copy_to_clipboard(text)
    await screen.pilot.press("ctrl+v")


def area(screen):
    return screen.app.screen.query_one(NotebookArea)


def said(screen, name):
    return screen.app.screen.query_one(name, Bar).text


async def written(screen, key="f5"):
    before = len(screen.chat.desk.notebook.session.turns)
    await screen.pilot.press(key)
    await screen.until(lambda: len(screen.chat.desk.notebook.session.turns) > before and not screen.chat.desk.running)


def on_disk(stage):
    return [
        json.loads(line)
        for path in stage.folders.chats_dir.glob("*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_a_text_is_gone_on_with_and_taken_back_and_brought_back(stage, size):
    stage.script = [answer("one"), answer("two")]
    async with stage.run(size=size) as screen:
        await notebook(screen)
        assert "without a chat template" in " ".join(screen.text.split())
        await screen.pilot.press(*"go ")
        await written(screen)
        assert area(screen).text == "go one"
        assert "tok/s" in said(screen, "#notebook-status")
        assert area(screen).marks()
        await written(screen, "f4")
        assert area(screen).text == "go two"
        assert "version 2 of 2" in said(screen, "#notebook-status")
        await screen.pilot.press("alt+left")
        assert area(screen).text == "go one"
        await screen.pilot.press("f8")
        assert area(screen).text == "go "
        assert "taken back" in said(screen, "#notebook-status")
        await screen.pilot.press("f9")
        assert area(screen).text == "go one"
        await screen.pilot.press("ctrl+z")
        assert area(screen).text == "go "
        await screen.pilot.press("f9")
        await screen.see("The text was changed since")


async def test_what_is_written_streams_into_the_text_which_cannot_be_edited_meanwhile_and_esc_keeps_it(stage):
    stage.script = [ENDLESS]
    async with stage.run(size=(80, 24)) as screen:
        await notebook(screen, "start ")
        await screen.pilot.press("f5")
        await screen.until(lambda: "月月月" in area(screen).text)
        assert "Esc stop" in screen.text
        await screen.pilot.press("x")
        await screen.see("The model is writing: Esc stops it")
        await screen.pilot.press("escape")
        await screen.until(lambda: not screen.chat.desk.running)
        text = area(screen).text
        assert text.startswith("start 月月")
        assert "x" not in text
        assert text == screen.chat.desk.notebook.text
        await screen.pilot.press("x")
        assert area(screen).text == f"{text}x"
        assert len(area(screen).marks()) == 1
        await screen.pilot.press("ctrl+z", "ctrl+z")
        assert area(screen).text == "start "


async def test_the_end_stays_in_view_while_it_grows_and_not_when_one_has_scrolled_away(stage):
    stage.script = [answer("月光\n" * 2000, delay_s=0.0005)]
    async with stage.run(size=(80, 24)) as screen:
        await notebook(screen, "start\n")
        await screen.pilot.press("f5")
        await screen.until(lambda: area(screen).scroll_offset.y > 20)
        area(screen).scroll_to(y=0, animate=False)
        rows = area(screen).wrapped_document.height
        await screen.until(lambda: area(screen).wrapped_document.height > rows + 50)
        assert area(screen).scroll_offset.y == 0
        await screen.pilot.press("escape")
        await screen.until(lambda: not screen.chat.desk.running)
        assert area(screen).scroll_offset.y == 0


async def test_a_gap_is_put_at_the_cursor_once_and_filled(filling):
    filling.script = [answer("middle")]
    async with filling.run() as screen:
        await notebook(screen, "before after")
        await screen.pilot.press("home", "f6")
        assert area(screen).text == f"{GAP}before after"
        await screen.pilot.press("ctrl+right", "f6")
        assert area(screen).text == f"before{GAP} after"
        assert "fills the gap" in said(screen, "#notebook-rule")
        await written(screen)
        assert area(screen).text == "beforemiddle after"
        assert area(screen).cursor_location == (0, 12)
        await screen.pilot.press("f8")
        assert area(screen).text == f"before{GAP} after"


async def test_a_model_that_fills_no_gaps_is_refused_in_clear_words(stage):
    async with stage.run(size=(80, 24)) as screen:
        await notebook(screen, f"a{GAP}b")
        await screen.pilot.press("f5")
        await screen.see("This model cannot fill a gap")
        assert area(screen).text == f"a{GAP}b"
        assert not area(screen).read_only
        await screen.pilot.press("f4")
        await screen.see("This model cannot fill a gap")


async def test_the_chat_goes_on_and_the_notebook_is_there_when_one_comes_back(stage):
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        await notebook(screen, "my text")
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)
        await screen.ask("again")
        await screen.answered(2)
        await notebook(screen)
        assert area(screen).text == "my text"
        await screen.pilot.press("f7")
        await screen.until(lambda: screen.app.screen is screen.chat)


async def test_what_is_typed_is_on_disk_soon_and_the_history_opens_it_as_a_notebook(stage):
    async with stage.run() as screen:
        await screen.ask("a question")
        await screen.answered(1)
        await notebook(screen, "静夜思\n")
        await screen.until(lambda: any(record["record"] == "text" for record in on_disk(stage)))
        await screen.pilot.press("ctrl+n")
        await screen.until(lambda: area(screen).text == "")
        await screen.pilot.press("escape", "ctrl+g")
        await screen.see("notebook  静夜思")
        await screen.pilot.press(*"notebook", "enter")
        await screen.until(lambda: isinstance(screen.app.screen, NotebookScreen))
        assert area(screen).text == "静夜思\n"
        await screen.pilot.press("ctrl+g")
        await screen.see("a question")
        await screen.pilot.press(*"question", "enter")
        await screen.until(lambda: screen.app.screen is screen.chat)


async def test_a_notebook_given_on_the_command_line_opens_as_one(stage):
    async with stage.run() as screen:
        await notebook(screen, "kept")
    (path,) = stage.folders.chats_dir.glob("*.jsonl")
    async with stage.run(chat=path) as screen:
        await screen.until(lambda: isinstance(screen.app.screen, NotebookScreen))
        assert area(screen).text == "kept"


async def test_the_texts_tokens_are_counted_and_one_that_is_too_long_is_refused_with_numbers(stage):
    stage.configure(runtime=msgspec.structs.replace(stage.config.runtime, context=16))
    async with stage.run() as screen:
        await notebook(screen, "one two three")
        await screen.until(lambda: "5 tok" in said(screen, "#notebook-rule"))
        await paste(screen, " word" * 20)
        await screen.until(lambda: "45 of 16: too long" in said(screen, "#notebook-rule"))
        await screen.pilot.press("f5")
        await screen.see("the context holds 16")
        assert area(screen).text.endswith("word")


async def test_a_megabyte_of_chinese_and_control_characters_is_pasted_safely(stage):
    async with stage.run(size=(80, 24)) as screen:
        await notebook(screen, "床前明月光，疑是地上霜。" * 30_000 + "\x1b[31m\u202e\n" + "línea\n" * 60_000)
        await screen.pilot.press("x", "up", "y")
        assert "\x1b" not in area(screen).text
        assert "␛[31m<U+202E>" in area(screen).text
        await screen.pilot.press("ctrl+z")
        await screen.until(lambda: "too long" in said(screen, "#notebook-rule"), 30)


async def test_a_model_that_dies_leaves_what_came_and_a_way_on(stage):
    stage.script = [answer("half", dies=True)]
    async with stage.run() as screen:
        await notebook(screen, "a ")
        await written(screen)
        await screen.see("was killed")
        assert area(screen).text == "a half"
        await screen.see("Ctrl+L loads it again")
        stage.script = [answer(" whole")]
        await screen.pilot.press("ctrl+l")
        await screen.until(lambda: screen.controller.answers)
        await written(screen)
        assert area(screen).text == "a half whole"


async def test_the_chat_and_the_notebook_do_not_write_at_the_same_time(stage):
    stage.script = [ENDLESS]
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.until(lambda: "月月" in screen.controller.answer_so_far)
        await notebook(screen, "text")
        await screen.pilot.press("f5")
        await screen.see("The chat's answer is still being written")
        assert area(screen).text == "text"
        await screen.controller.stop()


async def test_copying_takes_the_whole_text_and_leaving_the_program_keeps_it(stage):
    stage.script = [ENDLESS]
    async with stage.run() as screen:
        await notebook(screen, "all of it")
        await screen.pilot.press("ctrl+y")
        assert screen.app.clipboard == "all of it"
        await screen.see("copied 9 characters")
        await screen.pilot.press("f5")
        await screen.until(lambda: "月月" in area(screen).text)
        await screen.pilot.press("ctrl+q")
        await screen.until(lambda: not screen.app.is_running)
    answers = [record["message"]["content"] for record in on_disk(stage) if record["record"] == "message"]
    assert answers[0] == "all of it"
    assert answers[1].startswith("月月")


async def test_nothing_to_do_is_said(stage):
    async with stage.run() as screen:
        await notebook(screen)
        for key, words in (("f5", "nothing to go on from"), ("f8", "nothing to take back"), ("f9", "to bring back")):
            await screen.pilot.press(key)
            await screen.see(words)
        assert screen.app.screen.query_one(Rule)


async def test_the_inspector_shows_the_text_as_it_is_sent_and_what_was_sent(filling):
    filling.script = [answer("middle")]
    async with filling.run() as screen:
        await notebook(screen, f"left{GAP}right")
        await written(screen)
        await screen.pilot.press("f3")
        await screen.see("leftmiddleright")
        await screen.pilot.press("left")
        await screen.see("<P>left<S>right<M>")
        await screen.pilot.press("escape")
        await screen.until(lambda: isinstance(screen.app.screen, NotebookScreen))
        await written(screen, "f4")
        assert "version 2 of 2" in said(screen, "#notebook-status")


async def test_a_profile_is_chosen_in_the_notebook_and_the_chat_hints_at_it(stage):
    async with stage.run(size=(80, 24)) as screen:
        await notebook(screen, "text ")
        await screen.pilot.press("ctrl+t")
        await screen.see("base-text")
        await screen.see("text, infill: F7 notebook")
        await screen.pilot.press(*"base-text", "enter")
        await screen.until(lambda: isinstance(screen.app.screen, NotebookScreen))
        assert "notebook · base-text" in said(screen, "#notebook-header")
        await written(screen)
        turn = screen.chat.desk.notebook.last_turn
        assert (turn.manifest.profile, turn.manifest.sampling.repeat_last_n) == ("base-text", 256)
        await screen.pilot.press("escape")
        await screen.see("base-text · text · F7 notebook")


async def test_another_model_goes_on_with_the_text_and_one_that_fails_is_told(stage):
    stage.add_model("other")
    stage.add_model("broken")
    async with stage.run() as screen:
        await notebook(screen, "text ")
        await screen.pilot.press("ctrl+o")
        await screen.see("other")
        await screen.pilot.press(*"other", "enter")
        await screen.until(lambda: screen.controller.model.name == "other" and screen.controller.loading is None)
        await screen.until(lambda: "other" in said(screen, "#notebook-header"))
        await written(screen)
        assert screen.chat.desk.notebook.head.model == "other"
        stage.load_failure = ModelError("The file is damaged", cause="x", remedy="y")
        await screen.pilot.press("ctrl+o")
        await screen.see("broken")
        await screen.pilot.press(*"broken", "enter")
        await screen.see("The file is damaged")
        assert isinstance(screen.app.screen, NotebookScreen)


async def test_while_a_model_is_loaded_for_the_first_time_the_text_waits(stage):
    stage.load_s = 1.5
    async with stage.run(ready=False) as screen:
        await screen.until(lambda: screen.controller.loading is not None)
        await notebook(screen, "text")
        await screen.pilot.press("f5")
        await screen.see("is still being loaded")
        await screen.until(lambda: screen.controller.answers)
        await written(screen)


async def test_the_text_is_edited_in_an_editor_and_only_a_change_counts(stage, monkeypatch):
    answers = ["one\ntwo", "one\ntwo more"]
    monkeypatch.setattr("llmtui.app.editor.edited_outside", lambda _app, _text: (answers.pop(0), None))
    async with stage.run() as screen:
        await notebook(screen, "one\ntwo\n")
        await screen.pilot.press("alt+e")
        assert area(screen).text == "one\ntwo\n"
        await screen.pilot.press("alt+e")
        assert area(screen).text == "one\ntwo more"
