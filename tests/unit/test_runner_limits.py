"""What a run waits for, and for how long: servers that are silent, that never end, and answers that take too long."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from unit.run_bench import GRANTED, ONE, Opened, samples

from llmtui.domain.events import Delta, Failed, TurnEvent
from llmtui.domain.settings import Runtime
from llmtui.engines.base import GenerateRequest
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.services.runs import asking
from llmtui.services.runs.asking import Asking, Bench, warm_up
from llmtui.services.runs.plan import Job, Wishes, jobs_of, make_plan
from llmtui.services.runs.tries import TIME_IS_OVER

pytestmark = pytest.mark.usefixtures("quiet_host")
YES = ScriptedTurn(tokens=("yes",))


class Endless(ScriptedEngine):
    """Passes over the limit and writes on, or says nothing at all."""

    def __init__(self, *, is_silent: bool) -> None:
        super().__init__([YES])
        self.is_silent = is_silent
        self.closed = False

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        try:
            while True:
                await asyncio.sleep(3600 if self.is_silent else 0.001)
                yield Delta("x", 1, 1)
        finally:
            self.closed = True


def a_job(folder: Path) -> Job:
    opened = Opened(folder, [YES], samples=ONE)
    plan = make_plan(opened.services, Wishes(sets=(str(opened.path),), models=("demo",)))
    return next(jobs_of(plan, plan.sets[0]))


@pytest.mark.parametrize("is_silent", [True, False])
async def test_the_first_tokens_take_no_longer_than_a_sample_may(tmp_path: Path, is_silent: bool) -> None:
    engine = Endless(is_silent=is_silent)
    async with asyncio.timeout(60):
        await warm_up(engine, a_job(tmp_path), longest_s=0.05)
    assert engine.closed


async def test_what_writes_on_after_the_first_token_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LAST_TOKEN_S", 0.05)
    engine = Endless(is_silent=False)
    async with asyncio.timeout(60):
        await warm_up(engine, a_job(tmp_path))
    assert engine.closed


async def test_an_answer_of_a_server_that_takes_too_long_is_not_asked_for_again(tmp_path: Path) -> None:
    late = Failed("engine", "The sample took too long", TIME_IS_OVER, "Wait")
    opened = Opened(tmp_path, [YES, ScriptedTurn(failure=late), YES], samples=ONE)
    book = await opened.run(await opened.begin("far/m"))
    (record,) = samples(book)
    assert (record.status, record.attempts) == ("failed", 1)


async def test_an_answer_without_end_is_cut_and_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOST_CHARACTERS", 100)
    flood = ScriptedTurn(tokens=("word ",) * 2000)
    opened = Opened(tmp_path, [YES, flood, YES], samples=ONE)
    book = await opened.run(await opened.begin("far/m"))
    (record,) = samples(book)
    assert (record.status, record.attempts) == ("failed", 1)
    assert record.error is not None
    assert "more than 100 characters" in record.error.title
    assert 100 < len(record.content) < 200


@pytest.mark.parametrize("ticks", range(8))
async def test_an_interrupt_at_the_very_end_of_an_answer_troubles_nobody(tmp_path: Path, ticks: int) -> None:
    bench = Bench(ScriptedEngine([YES]), GRANTED, Runtime(), None, 1)
    asked = Asking(bench, a_job(tmp_path), slot=0)
    stop = asyncio.Event()
    async with asyncio.timeout(None) as hard:
        watcher = asyncio.create_task(asked._end_on(stop, 1e9, "turn", hard))
        for _ in range(4):
            await asyncio.sleep(0)
        stop.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        watcher.cancel()
    (found,) = await asyncio.gather(watcher, return_exceptions=True)
    assert found is None or isinstance(found, asyncio.CancelledError)
