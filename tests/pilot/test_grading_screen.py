"""Grading in the program: keys, the hidden model, notes, what is locked, and 80×24."""

import pytest
from unit.grading_bench import grades, judged, waiting, write_run

from llmtui.app.screens.grading import GradingScreen
from llmtui.app.widgets.bar import Bar
from llmtui.domain.scorers import Human
from llmtui.services.runs import book as books


async def desk(screen, key="alt+g"):
    """Open grading and wait until the answers were looked for."""
    await screen.pilot.press(key)
    await screen.until(lambda: isinstance(screen.app.screen, GradingScreen) and screen.app.screen._idle.is_set())
    return screen.app.screen


async def press(screen, *keys):
    for key in keys:
        await screen.pilot.press(key)
        await screen.until(lambda: not isinstance(screen.app.screen, GradingScreen) or screen.app.screen._idle.is_set())


def bar(screen, name):
    return screen.app.screen.query_one(f"#grading-{name}", Bar).text


async def test_answers_are_graded_blind_one_after_the_other_and_back_again(stage):
    path = write_run(stage.folders, [waiting("a"), waiting("b", "llama-8b")])
    async with stage.run(size=(80, 24)) as screen:
        await desk(screen)
        for words in (
            "生鱼片是不是死鱼片？",
            "说清双关",
            "不是：“生”在这里",
            "1 of 2",
            "Answer · model hidden",
            "2 passes",
        ):
            assert words in screen.text
        assert "qwen2-7b" not in screen.text
        await screen.until(lambda: "changed since" in bar(screen, "header"))
        await press(screen, "2")
        assert grades(path, "a") == [("2", "", "person")]
        assert "2 of 2" in bar(screen, "header")
        await press(screen, "left")
        assert "Answer · qwen2-7b" in screen.text
        assert "graded 2" in bar(screen, "scale")
        await press(screen, "1")
        assert grades(path, "a") == [("1", "", "person")]
        assert "2 of 2" in bar(screen, "header")
        await press(screen, "s")
        assert "That was the last one" in screen.text
        assert "1 graded, 1 left" in screen.text
        assert "qwen2-7b: 0 of 1 passed, score 0.50" in screen.text
        await press(screen, "escape")
        assert screen.app.screen is screen.chat


async def test_only_grades_of_the_scale_are_taken(stage):
    path = write_run(stage.folders, [waiting("a", graders={1: Human(scale=(-1, 0, 10))}), waiting("b")])
    async with stage.run(size=(80, 24)) as screen:
        await desk(screen)
        await press(screen, "1", "0")
        assert "10▏ Enter gives it" in bar(screen, "scale")
        await press(screen, "backspace", "enter")
        assert "1 is no grade here: choose one of -1, 0, 10" in bar(screen, "remark")
        await press(screen, "minus", "1", "escape")
        assert "▏" not in bar(screen, "scale")
        await press(screen, "minus", "1", "enter")
        assert grades(path, "a") == [("-1", "", "person")]
        await press(screen, "7")
        assert "7 is no grade here" in bar(screen, "remark")
        assert grades(path, "b") == []


async def test_a_note_is_kept_with_the_grade_before_it_and_after(stage):
    path = write_run(stage.folders, [waiting("a")])
    async with stage.run(size=(80, 24)) as screen:
        await desk(screen)
        await screen.pilot.press("n", *"点破了 2", "enter")
        await screen.until(lambda: "note: 点破了 2" in bar(screen, "scale"))
        assert grades(path, "a") == []
        await press(screen, "2")
        assert grades(path, "a") == [("2", "点破了 2", "person")]
        await press(screen, "b")
        await screen.pilot.press("n", "!", "escape")
        await screen.pilot.pause()
        assert grades(path, "a") == [("2", "点破了 2", "person")]
        await press(screen, "n", "!", "enter")
        assert grades(path, "a") == [("2", "点破了 2!", "person")]
        await press(screen, "b", "1")
        assert grades(path, "a") == [("1", "点破了 2!", "person")]


async def test_the_model_and_the_judge_show_when_asked_for_and_thoughts_are_folded(stage):
    write_run(stage.folders, [waiting("a", reasoning="first thought\nsecond thought"), judged("a")])
    async with stage.run() as screen:
        await desk(screen)
        assert "No answer waits for a person" in screen.text
        await press(screen, "a")
        assert "thought for" in screen.text
        assert "second thought" not in screen.text
        assert "the judge's reason" not in screen.text
        await press(screen, "t")
        assert "second thought" in screen.text
        await press(screen, "v")
        assert "Answer · qwen2-7b" in screen.text
        assert "Judge judge-7b: 2" in screen.text


async def test_a_run_that_is_open_elsewhere_is_told_and_the_others_are_graded(stage):
    path = write_run(stage.folders, [waiting("x")], name="20260202-000000-bbb")
    write_run(stage.folders, [waiting("a")])
    other = books.RunBook.reopen(stage.folders, path)
    books._open_books.clear()
    async with stage.run(size=(80, 24)) as screen:
        await desk(screen)
        assert "This run is open in another llmtui" in bar(screen, "remark")
        assert "（a）" in screen.text
    await other.close(finished=None)


async def test_a_stranger_s_answer_brings_no_control_characters_and_no_markup(stage):
    write_run(stage.folders, [waiting("a", content="[red]\x1b[31m红\x07[/red]", rubric="\x9b1m[b]r", model="m\x1b[5m")])
    async with stage.run(size=(80, 24)) as screen:
        await desk(screen)
        assert "[red]␛[31m红␇[/red]" in screen.text
        await press(screen, "v")
        assert not {"\x1b", "\x07", "\x9b"} & set(screen.text)


async def test_one_run_alone_can_be_graded(stage):
    path = write_run(stage.folders, [waiting("a")])
    write_run(stage.folders, [waiting("x")], name="20260202-000000-bbb")
    async with stage.run(size=(80, 24)) as screen:
        screen.app.push_screen(GradingScreen(screen.app.services, screen.app.actions, path))
        await screen.until(lambda: "1 of 1" in screen.text)
        assert "（a）" in screen.text


@pytest.mark.parametrize("key", ["pagedown", "space", "end"])
async def test_long_answers_scroll(stage, key):
    write_run(stage.folders, [waiting("a", content="\n\n".join(f"第{number}段。" for number in range(60)))])
    async with stage.run(size=(80, 24)) as screen:
        await desk(screen)
        assert "生鱼片是不是死鱼片？" in screen.text
        await press(screen, key)
        assert "生鱼片是不是死鱼片？" not in screen.text
        await press(screen, "home")
        assert "生鱼片是不是死鱼片？" in screen.text
