"""Runs of the past in the program: their list, their grids and their answers."""

import threading

from pilot.conftest import POEM, answer
from textual.events import Key
from unit.grid_bench import write_grid
from unit.run_bench import samples

from llmtui.app.screens.past_runs import PastRunsScreen
from llmtui.app.screens.run_answer import AnswerScreen
from llmtui.app.screens.run_grid import RunGridScreen
from llmtui.app.screens.run_setup import RunSetup
from llmtui.app.screens.side_by_side import SideBySideScreen
from llmtui.services.runs import preparing
from llmtui.services.runs.preparing import Crowding
from llmtui.store.runs import read_run, runs_dir


async def grid(screen, path):
    """Open a run's grid."""
    await screen.chat.open_run(path)
    await screen.until(lambda: isinstance(screen.app.screen, RunGridScreen) and "✓" in screen.text)


async def press(screen, *keys):
    await screen.pilot.press(*keys)
    await screen.pilot.pause()


async def test_a_past_run_is_opened_from_the_list_and_its_answers_from_the_grid(stage):
    write_grid(stage.folders)
    async with stage.run(size=(80, 24)) as screen:
        screen.chat.action_past_runs()
        await screen.until(lambda: isinstance(screen.app.screen, PastRunsScreen) and "弱智吧" in screen.text)
        assert "26/54" in screen.text
        assert "interrupted" in screen.text
        await press(screen, "enter")
        await screen.until(lambda: isinstance(screen.app.screen, RunGridScreen))
        await screen.see("✓  1.00")
        assert "2/3" in screen.text
        await press(screen, "enter")
        await screen.see("床前明月光，疑是地上霜。")
        for words in ("背诵静夜思-00", "▸ thought for", "✓ chinese_chars · 1.00", "20 of 20 characters", "41.5 tok/s"):
            assert words in screen.text or await scrolled_to(screen, words)
        await press(screen, "m")
        assert "Q4_K_M" in screen.text
        await press(screen, "right")
        await screen.see("The worker has ended")
        await press(screen, "n")
        await screen.see("waits for human")
        await press(screen, "escape")
        assert screen.app.screen._view.row.sample == "静夜思-01"
        assert screen.app.screen._view.model == "llama-8b"
        await press(screen, "escape")
        assert screen.app.screen is screen.chat


async def scrolled_to(screen, words) -> bool:
    await press(screen, "end")
    return words in screen.text


async def test_the_next_failure_is_found_and_models_scroll_sideways(stage):
    path = write_grid(stage.folders, rows=40)
    async with stage.run(size=(60, 12)) as screen:
        await grid(screen, path)
        await press(screen, "right", "f")
        assert screen.app.screen._view.row.sample == "静夜思-02"
        assert "llama-8b" in screen.text
        await press(screen, "right")
        assert "通义千问-72b" in screen.text
        await press(screen, "end")
        assert "生鱼片" in screen.text
        assert "‹" in screen.text


async def test_copying_epochs_and_thoughts_in_an_answer(stage):
    path = write_grid(stage.folders)
    async with stage.run(size=(100, 40)) as screen:
        await grid(screen, path)
        await press(screen, "enter", "y")
        await screen.see("copied")
        assert "静夜思" in screen.app.clipboard
        await press(screen, "t")
        await screen.see("再想第二句。")
        await press(screen, "e")
        assert "asked once" in screen.text
        await press(screen, "escape", "end", "enter")
        await screen.see("1 of 3")
        assert isinstance(screen.app.screen, AnswerScreen)
        await press(screen, "e")
        await screen.see("2 of 3")


async def test_a_run_is_deleted_at_the_second_press(stage):
    path = write_grid(stage.folders)
    async with stage.run(size=(80, 24)) as screen:
        screen.chat.action_past_runs()
        await screen.until(lambda: "弱智吧" in screen.text)
        await press(screen, "ctrl+d")
        assert "again deletes a1b2 with its 26 answers" in screen.text
        assert path.exists()
        await press(screen, "ctrl+d")
        await screen.until(lambda: not path.exists())
        await screen.see("no runs yet")


async def test_a_file_that_is_no_run_is_told_in_the_chat(stage, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("{}\n")
    async with stage.run(size=(80, 24)) as screen:
        await screen.chat.open_run(path)
        await screen.see("This is not a run of llmtui")


async def setup(screen):
    """Open the form and wait until sets and models are listed."""
    await screen.pilot.press("ctrl+r")
    await screen.until(lambda: isinstance(screen.app.screen, RunSetup))
    await screen.until(lambda: "li-bai" in screen.text and "demo" in screen.text and "yes" in screen.text)


async def begin(screen, *, limit="3"):
    """Begin a run of the first poems on the demo model."""
    await setup(screen)
    await press(screen, *"li-bai", "enter")
    screen.app.screen.query_one("#setup-limit").value = limit
    await screen.see("= ")
    await press(screen, "ctrl+r")
    await screen.until(lambda: isinstance(screen.app.screen, RunGridScreen))


def goes_on(screen) -> bool:
    return screen.chat.runs.run is not None


async def test_sets_and_models_are_chosen_and_the_run_goes_through(stage):
    stage.add_model("通义千问")
    async with stage.run(size=(80, 24)) as screen:
        await setup(screen)
        assert "mark a prompt set" in screen.text
        await press(screen, *"李白", "enter")
        await screen.see("34 samples × 1 model = 34 answers")
        await press(screen, "tab", *"千问", "enter", "tab", "tab", "2", "tab", "tab", "x")
        await screen.see("limit: a whole number, 1 or more")
        await press(screen, "ctrl+r")
        assert isinstance(screen.app.screen, RunSetup)
        await press(screen, "backspace", "2")
        await screen.see("2 samples × 2 epochs × 2 models = 8 answers")
        await press(screen, "ctrl+r")
        await screen.until(lambda: isinstance(screen.app.screen, RunGridScreen))
        await screen.until(lambda: not goes_on(screen))
        await screen.see("8/8 · complete")
        assert "2/2" in screen.text
        await press(screen, "enter")
        await screen.see("床前明月光")
        await press(screen, "escape", "escape")
        await setup(screen)
        await screen.see("2 samples × 2 epochs × 2 models = 8 answers")


async def test_a_run_goes_on_behind_the_chat_is_stopped_and_taken_up(stage):
    stage.script = [answer(POEM, delay_s=0.05)]
    async with stage.run(size=(80, 24)) as screen:
        await begin(screen, limit="4")
        await screen.see("asking demo")
        await press(screen, "escape")
        await screen.see("Run li-bai")
        await screen.ask("你好")
        await screen.answered(1)
        await press(screen, "ctrl+r")
        await screen.see("running")
        await press(screen, "x")
        assert "again stops the run" in screen.text
        await press(screen, "x")
        await screen.until(lambda: not goes_on(screen))
        await screen.see("not complete")
        assert "go on" in screen.text
        stage.script = [answer(POEM)]
        await press(screen, "c")
        await screen.see("4/4 · complete")
        await screen.until(lambda: not goes_on(screen))
        assert len(list(runs_dir(stage.folders).glob("*.jsonl"))) == 1


async def test_cells_are_skipped_and_asked_again_while_the_run_goes_on_and_after(stage):
    stage.script = [answer(POEM, delay_s=0.03)]
    async with stage.run(size=(100, 30)) as screen:
        await begin(screen)
        await screen.see("asking demo")
        await press(screen, "down", "down", "s")
        await screen.see("skipped until")
        await screen.until(lambda: not goes_on(screen))
        await screen.see("2/3 · not complete")
        await press(screen, "up", "up", "s")
        assert "while a run goes on" in screen.text
        await press(screen, "r")
        await screen.until(lambda: goes_on(screen) or "2/3" in screen.text)
        await screen.until(lambda: not goes_on(screen))
        asked = [record.sample for record in samples(screen.app.screen.run)]
        assert asked.count(asked[0]) == 2
        await press(screen, "c")
        await screen.see("3/3 · complete")


async def test_the_draft_is_put_to_several_models_and_their_answers_stand_side_by_side(stage):
    stage.add_model("通义千问")
    async with stage.run(size=(80, 24)) as screen:
        screen.chat.query_one("#composer").set_draft("生鱼片是不是死鱼片？ {{x}}")
        await press(screen, "alt+r")
        await screen.see("this draft")
        await screen.until(lambda: "千问" in screen.text)
        await press(screen, "tab", *"千问", "enter")
        await screen.see("1 sample × 2 models = 2 answers")
        await press(screen, "ctrl+r")
        await screen.see("2/2 · complete")
        assert "生鱼片" in screen.text
        await press(screen, "f4")
        await screen.until(lambda: isinstance(screen.app.screen, SideBySideScreen))
        await screen.see("通义千问")
        await press(screen, "escape", "enter")
        await screen.see("{{x}}")
        await press(screen, "escape", "escape")
        assert screen.chat.draft.startswith("生鱼片")


async def test_leaving_during_a_run_is_asked_for_twice_and_tells_which_run(stage):
    stage.script = [answer(POEM, delay_s=0.05)]
    async with stage.run(size=(80, 24)) as screen:
        await begin(screen)
        await screen.see("asking demo")
        run = screen.chat.runs.run
        await press(screen, "ctrl+q")
        await screen.see("A run is under way")
        await press(screen, "ctrl+q")
        await screen.until(lambda: bool(screen.app.interrupted))
        assert screen.app.interrupted == (run.run.id,)
    assert read_run(run.path).ended.reason == "interrupted"


async def test_the_chat_s_model_makes_room_for_a_run_and_comes_back(stage, monkeypatch):
    tight = Crowding(model="demo", needed_bytes=5 << 30, available_bytes=1 << 30, fits_alone=True)
    monkeypatch.setattr(preparing, "crowding", lambda *_, **__: tight)
    stage.script = [answer(POEM, delay_s=0.2)]
    async with stage.run(size=(100, 30)) as screen:
        await begin_crowded(screen)
        await screen.see("asking demo")
        assert not screen.controller.answers
        await press(screen, "escape")
        await screen.see("makes room for the run")
        screen.chat.runs.run.stop()
        await screen.until(lambda: not goes_on(screen) and screen.controller.answers)


async def begin_crowded(screen):
    await setup(screen)
    await press(screen, *"li-bai", "enter")
    screen.app.screen.query_one("#setup-limit").value = "2"
    await screen.see("= 2 answers")
    await press(screen, "ctrl+r")
    await screen.see("demo takes about 5.0 GiB, and 1.0 GiB are free beside the chat's model.")
    await press(screen, "ctrl+r")
    await screen.until(lambda: isinstance(screen.app.screen, RunGridScreen))


async def test_what_cannot_be_run_is_told_in_the_form(stage, tmp_path):
    path = tmp_path / "坏.yaml"
    path.write_text("schema: llmtui.promptset/1\nsamples:\n  - {id: a}\n", encoding="utf-8")
    good = tmp_path / "好.yaml"
    good.write_text("schema: llmtui.promptset/1\nname: 好\nsamples:\n  - {id: a, input: x}\n", encoding="utf-8")
    async with stage.run(size=(100, 30)) as screen:
        await setup(screen)
        rows = tmp_path / "rows.jsonl"
        rows.write_text('{"input": "a"}\n{"input": "b"}\n', encoding="utf-8")
        for word, told in (
            (str(tmp_path / "no.yaml"), "There is no file"),
            (str(path), "exactly one of"),
            (str(rows), "llmtui prompts import"),
        ):
            screen.app.screen.query_one("#setup-sets Input").value = word
            await press(screen, "enter")
            await screen.see(told)
            remark = str(screen.app.screen.query_one("#setup-remark").content)
            assert remark.count(word) == 1
        screen.app.screen.query_one("#setup-sets Input").value = str(good)
        await press(screen, "enter")
        await screen.see("1 sample × 1 model = 1 answer")
        screen.app.screen.query_one("#setup-profile").value = "nobody"
        await screen.see("there is none called nobody")
        await press(screen, "ctrl+r")
        assert isinstance(screen.app.screen, RunSetup)
        screen.app.screen.query_one("#setup-profile").value = ""
        await press(screen, "ctrl+r")
        await screen.see("1/1 · complete")


async def test_what_is_typed_behind_tab_goes_into_the_next_field(stage):
    async with stage.run(size=(100, 30)) as screen:
        await setup(screen)
        form = screen.app.screen
        form.query_one("#setup-epochs").focus()
        for name in ("7", "tab", "8", "tab", "0", "shift+tab"):
            screen.app.post_message(Key(name, name if len(name) == 1 else None))
        await screen.until(lambda: form.query_one("#setup-limit").value == "0")
        assert (form.query_one("#setup-epochs").value, form.query_one("#setup-parallel").value) == ("7", "8")
        await screen.see("limit: a whole number")
        assert "1 model" not in screen.text


async def test_help_that_is_opened_while_a_run_begins_leaves_no_form_behind(stage, monkeypatch):
    ready, plan_run = threading.Event(), preparing.plan_run

    def slow(*args, **named):
        ready.wait(10)
        return plan_run(*args, **named)

    monkeypatch.setattr(preparing, "plan_run", slow)
    async with stage.run(size=(80, 24)) as screen:
        await setup(screen)
        await press(screen, *"li-bai", "enter")
        screen.app.screen.query_one("#setup-limit").value = "1"
        await press(screen, "ctrl+r", "f1")
        await screen.until(lambda: not isinstance(screen.app.screen, RunSetup))
        ready.set()
        await screen.until(lambda: isinstance(screen.app.screen, RunGridScreen))
        await press(screen, "escape")
        await screen.until(lambda: screen.app.screen is screen.chat)


async def test_what_stood_in_the_way_of_a_run_is_told_no_longer_once_it_goes_on(stage):
    async with stage.run(size=(80, 24)) as screen:
        await begin(screen, limit="1")
        await screen.see("1/1 · complete")
        screen.app.screen.say("Open elsewhere")
        await press(screen, "r")
        assert "Open elsewhere" not in screen.text


async def test_long_remarks_of_a_grid_are_wrapped_and_a_narrow_form_shows_every_field(stage):
    path = write_grid(stage.folders)
    async with stage.run(size=(60, 16)) as screen:
        await setup(screen)
        assert all(f" {word} " in screen.text for word in ("profile", "epochs", "parallel", "limit", "seed"))
        await press(screen, "escape")
        await grid(screen, path)
        screen.app.screen.say(f"The set is gone: /a/folder/{'long/' * 12}set.yaml: No such file. Check the path")
        await screen.see("Check the path")
        await press(screen, "down")
        await screen.until(lambda: "Check the path" not in screen.text)
