"""Runs in the history: found, opened, and laid side by side."""

from pilot.conftest import Screen, Stage
from pilot.test_side_by_side import rows
from unit.comparison_bench import GLM, two_runs, write_run

from llmtui.app.screens.comparison import ComparisonScreen
from llmtui.app.screens.history import HistoryScreen
from llmtui.app.screens.run_grid import RunGridScreen
from llmtui.app.screens.side_by_side import SideBySideScreen
from llmtui.app.widgets.row_list import RowList


async def history(screen: Screen) -> HistoryScreen:
    await screen.pilot.press("ctrl+g")
    await screen.until(lambda: isinstance(screen.app.screen, HistoryScreen) and "Enter opens one" in screen.text)
    assert isinstance(screen.app.screen, HistoryScreen)
    return screen.app.screen


async def comparison(screen: Screen) -> ComparisonScreen:
    """Of the two runs, the older one as the baseline."""
    await history(screen)
    await screen.pilot.press("down", "f2", "up", "f2", "f4")
    await screen.until(lambda: isinstance(screen.app.screen, ComparisonScreen) and "静夜思" in rows(screen))
    assert isinstance(screen.app.screen, ComparisonScreen)
    return screen.app.screen


async def test_chats_and_runs_stand_in_one_list_newest_first(stage: Stage):
    two_runs(stage.folders)
    async with stage.run() as screen:
        await screen.ask("背诵一首诗")
        await screen.answered(1)
        found = await history(screen)
        kinds = [row.cells[1] for row in found.query_one(RowList).rows]
        assert kinds == ["chat", "run", "run"]
        await screen.see("1 chat · 2 runs")
        await screen.see("finished")
        await screen.pilot.press(*"c3d4")
        await screen.until(lambda: len(found.query_one(RowList).rows) == 1)


async def test_the_filter_finds_chinese_models_and_the_run_opens_in_its_grid(stage: Stage):
    two_runs(stage.folders)
    write_run(stage.folders, "0f0f", {"静夜思": (1.0,)}, models=("other",), day=3)
    async with stage.run() as screen:
        found = await history(screen)
        found.query_one("#filter").value = "通义"
        await screen.until(lambda: len(found.query_one(RowList).rows) == 2)
        await screen.pilot.press("enter")
        await screen.until(lambda: isinstance(screen.app.screen, RunGridScreen))
        await screen.see("静夜思")
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)


async def test_marked_runs_are_compared_against_the_first_one_marked(stage: Stage):
    two_runs(stage.folders)
    async with stage.run() as screen:
        await comparison(screen)
        await screen.see("baseline: run a1b2")
        await screen.pilot.press("end", "right", "right", "f")
        await screen.see("▲ better than the baseline")
        assert "早发白帝城" in rows(screen)
        await screen.see("▲1 ▼0 p = 1")
        await screen.pilot.press("b")
        await screen.see("baseline: run c3d4")
        await screen.pilot.press("escape")
        await screen.until(lambda: isinstance(screen.app.screen, HistoryScreen))


async def test_answers_of_a_sample_lie_side_by_side(stage: Stage):
    two_runs(stage.folders)
    async with stage.run(size=(160, 40)) as screen:
        await comparison(screen)
        await screen.pilot.press("right", "f4")
        await screen.until(lambda: isinstance(screen.app.screen, SideBySideScreen) and "床前明月光" in rows(screen))
        assert screen.app.screen.marked.label == GLM
        assert "run a1b2" in rows(screen)
        await screen.pilot.press("g")
        await screen.see("a chat cannot go on with them")
        await screen.pilot.press("escape")
        await screen.until(lambda: isinstance(screen.app.screen, ComparisonScreen))


async def test_the_export_tells_its_file(stage: Stage):
    two_runs(stage.folders)
    async with stage.run(size=(160, 40)) as screen:
        await comparison(screen)
        await screen.pilot.press("x")
        await screen.see("written: ")
        (file,) = (stage.folders.data_dir / "comparisons").iterdir()
        assert "静夜思" in file.read_text(encoding="utf-8")


async def test_fewer_than_two_runs_are_not_compared_and_chats_not_marked(stage: Stage):
    two_runs(stage.folders)
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        await history(screen)
        await screen.pilot.press("f2")
        await screen.see("Only runs are compared")
        await screen.pilot.press("f4")
        await screen.see("F2 marks two runs or more")
        await screen.pilot.press("down", "f2")
        await screen.see("F2 marks another run")
        await screen.pilot.press("f2")
        await screen.see("F2 marks two runs or more")


async def test_a_run_that_is_gone_meanwhile_is_told(stage: Stage):
    first, later = two_runs(stage.folders)
    async with stage.run() as screen:
        await history(screen)
        await screen.pilot.press("down", "f2", "up", "f2")
        first.unlink()
        await screen.pilot.press("f4")
        await screen.see("The run cannot be read")
        await screen.pilot.press("escape")
        await screen.until(lambda: isinstance(screen.app.screen, HistoryScreen))
        later.unlink()
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.app.screen is screen.chat)
        await screen.see("The run cannot be read")
