"""Talking to a model: sending, stopping, waiting, crashing, saving."""

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from pilot.conftest import POEM, Stage, answer

from llmtui.app.app import LlmtuiApp
from llmtui.app.widgets.transcript_view import Entry
from llmtui.domain.events import Failed, Finished, TurnEvent
from llmtui.engines.base import GenerateRequest
from llmtui.engines.scripted import ScriptedEngine
from llmtui.errors import ModelError

SLOW = {"delay_s": 0.02}


async def test_an_empty_chat_says_what_this_is_and_how_to_go_on(stage: Stage):
    async with stage.run() as screen:
        await screen.see("Welcome to llmtui")
        assert "memorised this project's examples" in screen.text
        assert "静夜思" in screen.text
        await screen.pilot.press("f6")
        assert "静夜思" in screen.chat.query_one("#composer").draft
        await screen.pilot.press("f6")
        assert "生鱼片" in screen.chat.query_one("#composer").draft


async def test_an_answer_streams_and_ends_with_its_summary(stage: Stage):
    stage.script = [answer(POEM * 4, **SLOW)]
    async with stage.run() as screen:
        await screen.ask("背诵")
        await screen.until(lambda: screen.controller.running)
        await screen.see("床前明月光")
        assert screen.controller.running
        assert "Esc stop" in screen.text
        await screen.answered(1)
        assert screen.kinds == ["user", "assistant"]
        question, said = screen.entries
        assert (question.text, said.text, said.label) == ("背诵", POEM * 4, "demo")
        assert said.footer is not None
        assert said.footer == screen.controller.session.turns[0].summary
        assert "tok/s" in said.footer
        await screen.until(lambda: "Esc stop" not in screen.text)


async def test_the_panel_shows_the_turn_and_a_row_for_each(stage: Stage):
    async with stage.run() as screen:
        for number in (1, 2):
            await screen.ask(f"frage {number}")
            await screen.answered(number)
        lines = [line for line in screen.text.splitlines() if "▏" in line]
        rows = [line.split("▏")[1].split() for line in lines]
        assert [row[0] for row in rows if len(row) == 6 and row[0].isdigit()] == ["1", "2"]
        assert any(row[:1] == ["context"] and row[-1] == "tok" and "4,096" in row for row in rows)


async def test_escape_stops_and_keeps_what_came(stage: Stage):
    stage.script = [answer("长" * 2000, delay_s=0.01)]
    async with stage.run() as screen:
        await screen.ask("write for ever")
        await screen.until(lambda: len(screen.controller.answer_so_far) > 3)
        await screen.pilot.press("escape")
        await screen.answered(1)
        kept = screen.entries[-1]
        assert kept.kind == "assistant"
        assert 3 < len(kept.text) < 2000
        assert "stopped" in kept.footer


async def test_prefill_is_shown_on_the_panel_and_folded_into_the_status_line(stage: Stage):
    stage.script = [answer("ok", prefill_s=30.0, prompt_tokens=4000)]
    for size, words in (((120, 40), "/ 4,000 tok"), ((80, 24), "reading prompt")):
        async with stage.run(size=size) as screen:
            await screen.ask("long")
            await screen.see(words)
            await screen.pilot.press("escape")
            await screen.until(lambda screen=screen: not screen.controller.running)
            assert screen.kinds == ["user", "notice"], "an answer of which nothing came leaves no empty entry"
            assert screen.entries[-1].label == "stopped before the answer began"


async def test_a_dead_engine_is_reported_reloaded_with_one_key_and_asked_again(stage: Stage):
    killed = Failed("engine", "The model's process was killed", "signal 9 (SIGKILL)", "Load it again")
    stage.script = [answer("half an ans", dies=True, failure=killed), answer("whole")]
    async with stage.run() as screen:
        await screen.ask("tell")
        await screen.until(lambda: "error" in screen.kinds)
        assert screen.kinds == ["user", "assistant", "error"]
        assert screen.entries[1].text == "half an ans"
        error = screen.entries[2]
        assert "killed" in error.label
        assert "signal 9" in error.text
        assert "Ctrl+L" in error.text
        await screen.see("^L reload")
        await screen.see("demo has stopped")
        stage.script = [answer("whole")]
        await screen.pilot.press("ctrl+l")
        await screen.until(lambda: len(stage.opened) == 2 and not screen.controller.dead)
        await screen.until(lambda: "^L reload" not in screen.text)
        await screen.pilot.press("f5")
        await screen.answered(2)
        assert [(entry.kind, entry.text) for entry in screen.entries] == [("user", "tell"), ("assistant", "whole")]


async def test_an_engine_that_dies_while_idle_is_noticed(stage: Stage):
    async with stage.run() as screen:
        stage.opened[0].die()
        await screen.see("demo has stopped")


async def test_resend_says_so_when_there_is_nothing_to_send(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("f5")
        await screen.see("There is no answer yet")


async def test_a_model_that_does_not_load_is_an_error_and_the_question_comes_back(stage: Stage):
    stage.load_s = 0.3
    stage.load_failure = ModelError("The model does not fit", cause="needs 9 GiB, 2 GiB are free", remedy="Take q4")
    async with stage.run(ready=False) as screen:
        await screen.ask("hello")
        await screen.until(lambda: "error" in screen.kinds)
        error = screen.entries[-1]
        assert (error.label, error.text) == ("The model does not fit", "needs 9 GiB, 2 GiB are free\nTake q4")
        assert screen.chat.query_one("#composer").draft == "hello"
        await screen.see("no model")


async def test_an_unknown_model_in_a_past_chat_falls_back_to_the_default(stage: Stage):
    stage.add_model("other")
    async with stage.run(model="other") as screen:
        await screen.ask("hello")
        await screen.answered(1)
        path = screen.controller.session.path
    (stage.models / "other.gguf").unlink()
    async with stage.run(model=None, chat=path) as screen:
        assert screen.controller.model.name == "demo"
        assert screen.kinds[:2] == ["user", "assistant"]
        assert "other" in screen.entries[2].label + screen.entries[2].text


async def test_a_chat_that_cannot_be_saved_goes_on_under_a_warning_that_clears(stage: Stage):
    blocker = stage.folders.data_dir
    blocker.write_text("a file where the folder should be")
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("hello")
        await screen.answered(1)
        await screen.see("not being saved")
        blocker.unlink()
        await screen.ask("again")
        await screen.answered(2)
        await screen.until(lambda: "not being saved" not in screen.text)
        assert "again" in screen.controller.session.path.read_text()


async def test_a_new_chat_is_empty_and_stops_the_running_answer(stage: Stage):
    stage.script = [answer("长" * 2000, delay_s=0.01)]
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.until(lambda: len(screen.controller.answer_so_far) > 3)
        await screen.pilot.press("ctrl+n")
        await screen.see("Welcome to llmtui")
        assert not screen.controller.running
        assert screen.turns == 0


async def test_copying_takes_the_last_answer_and_says_how_long_it_is(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("ctrl+y")
        await screen.see("no answer to copy")
        await screen.ask("hello")
        await screen.answered(1)
        await screen.pilot.press("ctrl+y")
        assert screen.app.clipboard == POEM
        await screen.see(f"copied {len(POEM)} characters")


async def test_the_draft_is_counted_after_a_pause(stage: Stage):
    stage.configure(runtime=type(stage.config.runtime)(context=100))
    async with stage.run() as screen:
        await screen.pilot.press(*"one two three")
        await screen.see("% context")
        assert "+" in screen.chat.query_one("#rule").text
        screen.chat.query_one("#composer").set_draft("word " * 400)
        await screen.see("too long for the context")
        screen.chat.query_one("#composer").set_draft("")
        await screen.until(lambda: not screen.chat.query_one("#rule").text)


async def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(stage: Stage):
    stage.script = [answer("no", prompt_tokens=5000)]
    async with stage.run() as screen:
        await screen.ask("very long")
        await screen.until(lambda: "error" in screen.kinds)
        assert screen.kinds == ["user", "error"]
        assert "5,000" in screen.entries[1].text
        assert "4,096" in screen.entries[1].text
        await screen.until(lambda: not screen.controller.running)


async def test_an_unforeseen_error_in_the_background_becomes_a_notice(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    async with stage.run() as screen:

        async def broken(_text: str) -> None:
            raise RuntimeError("a bug [red]here[/]")

        monkeypatch.setattr(screen.controller.session, "count_draft", broken)
        await screen.pilot.press("x")
        await screen.see("Something went wrong")
        assert "RuntimeError: a bug [red]here[/]" in screen.text
        assert screen.app.is_running


HOSTILE = "\x1b]52;c;aGk=\x07 \x1b[2J [red]x[/red] [@click=app.quit]x[/] \x9b31m \u202e"


async def test_hostile_output_is_shown_as_text(stage: Stage):
    stage.script = [answer(HOSTILE)]
    async with stage.run() as screen:
        await screen.ask(HOSTILE)
        await screen.answered(1)
        for shown in ("␛]52;c;aGk=␇", "␛[2J", "[red]x[/red]", "[@click=app.quit]x[/]"):
            assert screen.text.count(shown) == 2
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(screen.text)


async def test_a_notice_that_comes_meanwhile_stays_when_an_answer_ends_or_comes_to_nothing(stage: Stage):
    stage.script = [answer("", prefill_s=30.0), answer("长" * 2000, delay_s=0.01)]
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.until(lambda: screen.controller.running)
        screen.chat.add_entry(Entry("one", "notice", "news", "between", None))
        await screen.pilot.press("escape")
        await screen.until(lambda: not screen.controller.running)
        assert [entry.text for entry in screen.entries[:2]] == ["first", "between"]
        await screen.ask("second")
        await screen.until(lambda: len(screen.controller.answer_so_far) > 3)
        screen.chat.add_entry(Entry("two", "notice", "news", "behind", None))
        await screen.pilot.press("escape")
        await screen.until(lambda: not screen.controller.running)
        assert screen.kinds == ["user", "notice", "notice", "user", "assistant", "notice"]
        assert screen.entries[-1].text == "behind"


async def test_an_engine_that_hangs_is_ended_and_the_keys_work_meanwhile(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("llmtui.app.turns.STOP_S", 1.5)
    stage.script = [answer("half" + "长" * 2000, delay_s=0.01)]
    async with stage.run() as screen:
        await screen.ask("first")
        await screen.until(lambda: len(screen.controller.answer_so_far) > 10)

        async def deaf(_id: str) -> None:
            """Cancels nothing."""

        monkeypatch.setattr(stage.opened[0], "cancel", deaf)
        await screen.pilot.press("escape")
        await screen.pilot.press(*"typed")
        assert screen.chat.query_one("#composer").draft == "typed"
        await screen.see("Still stopping")
        await screen.until(lambda: "error" in screen.kinds)
        assert "did not stop" in screen.entries[-1].label
        assert "Ctrl+L" in screen.entries[-1].text
        assert screen.entries[1].text.startswith("half")


async def test_what_is_copied_holds_no_control_characters(stage: Stage):
    stage.script = [answer(f"{HOSTILE}\x1b[201~rm -rf\n")]
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        await screen.pilot.press("ctrl+y")
        await screen.see("copied")
        assert "␛[201~rm -rf" in screen.app.clipboard
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(screen.app.clipboard)
        screen.chat.query_one("#transcript").text_select_all()
        selected = screen.chat.get_selected_text()
        assert "␛[201~rm -rf" in selected
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(selected)


async def test_copying_much_warns_that_the_terminal_may_cut_it(stage: Stage):
    stage.script = [answer("", tokens=["字" * 40_000])]
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        await screen.pilot.press("ctrl+y")
        await screen.see("100 kB")


async def test_a_context_smaller_than_asked_for_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    asked = type(stage.config.runtime)(context=100_000)
    stage.configure(runtime=asked)
    opened = stage.open_engine
    monkeypatch.setattr(stage, "open_engine", lambda info, _: opened(info, type(asked)(context=4096)))
    async with stage.run() as screen:
        await screen.see("context 4,096: the model has no 100,000")


async def test_a_damaged_chat_says_so_when_it_is_reopened(stage: Stage):
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        path = screen.controller.session.path
    first, *rest = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([first, '{"record": "mess', *rest, ""]), "utf-8")
    async with stage.run(chat=path) as screen:
        await screen.until(lambda: "notice" in screen.kinds)
        assert screen.kinds == ["user", "assistant", "notice"]
        assert "1 line of its file cannot be read" in screen.entries[-1].text


async def test_why_a_chat_could_not_be_opened_stays_when_the_model_has_come(stage: Stage, tmp_path: Path):
    path = tmp_path / "gone.jsonl"
    async with stage.run(chat=path) as screen:
        await screen.until(lambda: screen.controller.loaded is not None)
        assert screen.kinds == ["notice", "error"]
        assert "demo: a tiny model" in screen.entries[0].text
        assert str(path) in screen.entries[1].text


async def test_two_begin_tokens_are_told_once(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    whole = ScriptedEngine.generate

    async def doubled(engine: ScriptedEngine, request: GenerateRequest) -> AsyncIterator[TurnEvent]:
        async for event in whole(engine, request):
            if isinstance(event, Finished):
                timings = msgspec.structs.replace(event.timings, bos_count=2)
                yield msgspec.structs.replace(event, timings=timings)
            else:
                yield event

    monkeypatch.setattr(ScriptedEngine, "generate", doubled)
    async with stage.run() as screen:
        for turn in (1, 2):
            await screen.ask("hello")
            await screen.answered(turn)
        assert screen.kinds == ["user", "assistant", "notice", "user", "assistant"]
        assert "two begin tokens" in screen.entries[2].label


async def test_the_first_paint_is_told_once_and_a_test_freezes_nothing(stage: Stage):
    painted: list[bool] = []
    app = LlmtuiApp(stage.services(), model="demo", painted=lambda: painted.append(True))
    frozen = gc.get_freeze_count()
    async with app.run_test() as pilot:
        while not painted:
            await pilot.pause()
        await app.chat.shut_down()
    assert painted == [True]
    assert gc.get_freeze_count() == frozen
