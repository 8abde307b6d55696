"""Samples asked again and left out: in the runner, and in a run that is open."""

import contextlib

import pytest
from unit.run_bench import Opened, samples

from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import ConfigError, StoreError
from llmtui.services.runner import Runner
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.choices import Choices
from llmtui.services.runs.events import ModelReady, SampleBegun, SampleEnded
from llmtui.services.runs.grid import GridRow
from llmtui.services.runs.open_run import Manner, OpenRun
from llmtui.store.runs import read_run

YES = ScriptedTurn(tokens=("yes",))
FOUR = "samples:\n" + "".join(
    f"  - {{id: {name}, input: {name}, targets: [yes], scorers: [{{type: contains}}]}}\n" for name in "abcd"
)
A, B = GridRow("set", "a"), GridRow("set", "b")


def place(sample: str, epoch: int = 0):
    return ("set", sample, "demo", epoch)


async def follow(opened: Opened, book: RunBook, choices: Choices, *, at=lambda _event: None, **parts) -> list[str]:
    """Run, and tell which samples were asked, in order."""
    runner = Runner(opened.services, book, opened.services.host, choices=choices, **parts)
    asked = []
    async for event in runner.events():
        opened.events.append(event)
        if isinstance(event, SampleBegun):
            asked.append(event.sample)
        at(event)
    return asked


def test_a_sample_left_out_whose_turn_went_by_comes_next_when_it_is_taken_in_again():
    choices = Choices()
    choices.leave_out(place("a"))
    choices.take_in(place("a"))
    assert choices.take("demo") is None
    choices.leave_out(place("a"))
    assert choices.leaves_out(place("a"))
    choices.take_in(place("a"))
    assert choices.take("demo") == place("a")
    assert not choices.leaves_out(place("a"))


async def test_what_is_left_out_is_not_asked_until_the_run_is_taken_up(tmp_path):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    book, choices = await opened.begin(), Choices()
    choices.leave_out(place("b"))
    assert await follow(opened, book, choices) == ["a", "c", "d"]
    assert await follow(opened, book, Choices()) == ["b"]
    await book.close(finished=True)


async def test_a_wish_is_asked_next_and_its_later_record_counts(tmp_path):
    opened = Opened(tmp_path, [YES, YES, ScriptedTurn(tokens=("no",)), YES, YES, YES], samples=FOUR)
    book, choices = await opened.begin(), Choices()
    wished = []

    def at(event):
        if isinstance(event, SampleEnded) and event.result.sample == "b" and not wished:
            wished.append(event.result.outcome)
            choices.ask_again(place("b"))

    asked = await follow(opened, book, choices, at=at)
    assert sorted(asked) == ["a", "b", "b", "c", "d"]
    assert asked[-1] == "d"
    assert wished == ["failed"]
    await book.close(finished=True)
    key = next(record.key for record in samples(book) if record.sample == "b")
    assert read_run(book.path).results[key].outcome == "passed"


async def test_only_wishes_loads_the_model_again_and_asks_nothing_else(tmp_path):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    book = await opened.begin()
    await opened.run(book, stop_after=1)
    book, choices = opened.reopen(book), Choices()
    choices.ask_again(place("a"))
    opened.events.clear()
    assert await follow(opened, book, choices, only_wishes=True) == ["a"]
    assert [event.turns for event in opened.events if isinstance(event, ModelReady)] == [1]
    await book.close(finished=False)
    assert [record.sample for record in samples(book)].count("a") == 2


async def test_a_wish_for_a_model_that_cannot_be_loaded_or_a_sample_that_is_gone_ends(tmp_path):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    book, choices = await opened.begin("demo", "no-such-model"), Choices()
    choices.ask_again(("set", "a", "no-such-model", 0))
    choices.ask_again(place("gone"))
    assert await follow(opened, book, choices, only_wishes=True) == []
    assert choices.models == ()
    await book.close(finished=False)


@pytest.mark.parametrize("parallel", [1, 3])
async def test_a_sample_asked_ahead_of_its_turn_is_asked_once(tmp_path, parallel):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    book, choices = await opened.begin(), Choices()
    choices.ask_again(place("d"))
    asked = await follow(opened, book, choices, parallel=parallel)
    assert asked[0] == "d"
    assert sorted(asked) == ["a", "b", "c", "d"]
    await book.close(finished=True)


async def go_on(opened: Opened, run: OpenRun, *, at=lambda _progress: None, **how) -> None:
    host = opened.services.host.sibling()
    async with contextlib.aclosing(run.go_on(opened.services, host, Manner(), **how)) as events:
        async for progress in events:
            at(progress)


async def test_an_open_run_goes_on_is_stopped_and_taken_up(tmp_path):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    run = OpenRun(read_run((await closed(opened)).path))
    run.take_rows(run.rows()[0])
    await go_on(opened, run, at=lambda progress: run.stop() if progress.done == 2 else None)
    assert run.cut_short
    assert not run.running
    assert run.grid.done in {2, 3}
    assert read_run(run.path).ended.reason == "interrupted"
    await go_on(opened, run)
    assert (run.grid.done, run.cut_short) == (4, False)
    assert read_run(run.path).ended.reason == "finished"


async def closed(opened: Opened) -> RunBook:
    book = await opened.begin()
    await book.close(finished=None)
    return book


async def test_cells_of_an_open_run_are_asked_again_and_skipped(tmp_path):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    run = OpenRun(read_run((await closed(opened)).path))
    run.take_rows(run.rows()[0])
    assert run.skip(A, "demo") is True
    assert run.skip(B, "demo") is True
    assert run.skip(B, "demo") is False
    await go_on(opened, run)
    assert run.mark_of(A, "demo")[1].state == "skipped"
    assert run.grid.done == 3
    assert run.skip(B, "demo") is None
    assert run.ask_again(B, "demo") == 1
    assert run.mark_of(B, "demo")[1].state == "queued"
    assert run.wished
    await go_on(opened, run, only_wishes=True)
    assert run.mark_of(B, "demo")[1].state == "passed"
    assert run.mark_of(A, "demo")[1].state == "skipped"
    assert [record.sample for record in samples(run)] == ["b", "c", "d", "b"]
    await go_on(opened, run)
    assert run.grid.done == 4


async def test_a_whole_run_stays_finished_when_its_set_is_gone_as_a_sample_is_asked_again(tmp_path):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    run = OpenRun(read_run((await closed(opened)).path))
    run.take_rows(run.rows()[0])
    await go_on(opened, run)
    opened.path.unlink()
    run.ask_again(B, "demo")
    with pytest.raises(ConfigError):
        await go_on(opened, run, only_wishes=True)
    assert (run.grid.done, run.cut_short) == (4, False)
    assert read_run(run.path).ended.reason == "finished"


async def test_a_run_that_another_window_has_open_does_not_go_on(tmp_path):
    opened = Opened(tmp_path, [YES], samples=FOUR)
    book = await opened.begin()
    run = OpenRun(read_run(book.path))
    with pytest.raises(StoreError):
        await go_on(opened, run)
    assert not run.running
    await book.close(finished=None)
