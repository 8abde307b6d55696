"""Runs of the past in the program: their list, their grids and their answers."""

from unit.grid_bench import write_grid

from llmtui.app.screens.past_runs import PastRuns
from llmtui.app.screens.run_answer import AnswerScreen
from llmtui.app.screens.run_grid import RunGridScreen


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
        await screen.until(lambda: isinstance(screen.app.screen, PastRuns) and "弱智吧" in screen.text)
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
