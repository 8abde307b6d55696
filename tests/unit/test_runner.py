"""The batch runner over scripted engines: what is recorded, what is asked again, what is given up."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from unit.run_bench import GRANTED, ONE, Opened, models, samples, scores

from llmtui.domain.events import Failed
from llmtui.domain.profile import Character, Profile
from llmtui.domain.prompt_set import Sample
from llmtui.domain.run import SampleRecord
from llmtui.domain.scorers import AnyScorer
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import ConfigError, StoreError, UsageError
from llmtui.services.runner import Runner
from llmtui.services.runs.asking import Asking
from llmtui.services.runs.events import ModelBack, ModelLoading, ModelSkipped, Remark, SampleBegun, SampleEnded
from llmtui.services.runs.plan import Wishes, make_plan
from llmtui.services.runs.tries import on_server
from llmtui.services.scoring.registry import score
from llmtui.services.scoring.result import Score

pytestmark = pytest.mark.usefixtures("quiet_host")
YES = ScriptedTurn(tokens=("yes",))
BUSY = ScriptedTurn(failure=Failed("engine", "far is not ready", "HTTP 503", "Wait"))
REFUSED = ScriptedTurn(failure=Failed("engine", "far wants a key", "HTTP 401", "Name it"))
DIES = ScriptedTurn(tokens=("y",), dies=True)


async def test_answers_scores_and_waiting_samples_are_recorded(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES])
    book = await opened.run(await opened.begin())
    first, second = samples(book)
    assert (first.sample, first.content, first.status, first.scores) == ("a", "yes", "done", 1)
    assert second.waiting == ("human",)
    assert first.manifest is not None
    assert first.manifest.origins["seed"] == "set set"
    assert [score.passed for score in scores(book)] == [True, False]
    (row,) = book.summary()
    assert (row.asked, row.passed, row.failed, row.waiting) == (2, 1, 1, 0)
    assert models(book)[0].loaded is not None


async def test_a_finished_run_is_not_asked_again_and_loads_nothing(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES])
    book = await opened.run(await opened.begin())
    again = await opened.run(opened.reopen(book))
    assert len(opened.engines) == 1
    assert isinstance(opened.events[-1], ModelSkipped)
    assert len(samples(again)) == 2


async def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES])
    book = await opened.run(await opened.begin(epochs=3), stop_after=2)
    assert 2 <= sum(record.status == "done" for record in samples(book)) < 6
    book = await opened.run(opened.reopen(book))
    assert sorted((record.sample, record.epoch) for record in samples(book) if record.status == "done") == [
        *(("a", epoch) for epoch in range(3)),
        *(("b", epoch) for epoch in range(3)),
    ]


async def test_what_is_under_way_when_the_run_is_stopped_is_recorded_as_cancelled(tmp_path: Path) -> None:
    endless = ScriptedTurn(tokens=("word ",) * 2000, delay_s=0.001)
    opened = Opened(tmp_path, [YES, YES, endless])
    book = await opened.run(await opened.begin(), stop_after=1)
    assert [record.status for record in samples(book)] in (["done"], ["done", "cancelled"])
    assert book.summary()[0].passed == 1


async def test_scores_that_were_lost_are_made_from_the_answer(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], samples=ONE)
    book = await opened.run(await opened.begin())
    kept = [line for line in book.path.read_bytes().splitlines(keepends=True) if b'"record":"score"' not in line]
    book.path.write_bytes(b"".join(kept))
    book = await opened.run(opened.reopen(book))
    assert len(samples(book)) == 1
    assert [score.passed for score in scores(book)] == [True]
    assert book.summary()[0].passed == 1


async def test_a_torn_line_is_cut_and_asked_again(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], samples=ONE)
    book = await opened.run(await opened.begin())
    data = book.path.read_bytes()
    book.path.write_bytes(data[: data.index(b'"status"')])
    book = await opened.run(opened.reopen(book))
    assert [record.sample for record in samples(book)] == ["a"]


async def test_two_cannot_write_to_one_run(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES])
    book = await opened.begin()
    with pytest.raises(StoreError, match="open in another"):
        opened.reopen(book)
    other = await opened.begin()
    assert other.path != book.path
    for one in (book, other):
        await one.close(finished=False)


async def test_a_busy_server_is_asked_again_and_one_that_refuses_is_not(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES, BUSY, BUSY, YES, REFUSED], samples=ONE.replace("a,", "a, epochs: 2,"))
    book = await opened.run(await opened.begin("far/model"))
    first, second = samples(book)
    assert (first.status, first.attempts) == ("done", 3)
    assert (second.status, second.attempts) == ("failed", 1)
    assert book.summary()[0].errors == 1


async def test_a_model_that_always_fails_is_given_up_and_the_next_begins(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [REFUSED], [YES], samples=ONE)
    book = await opened.run(await opened.begin("far/one", "demo", epochs=9))
    failed, done = (sum(record.model == name for record in samples(book)) for name in ("far/one", "demo"))
    assert (failed, done) == (5, 9)
    assert "failed 5 samples in a row" in book.stored.failures["far/one"]


async def test_a_set_that_is_broken_meanwhile_ends_the_run(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES])
    book = await opened.begin()
    opened.path.write_text("schema: llmtui.promptset/1\nsamples: [{id: a}]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="exactly one"):
        await opened.run(book)
    await opened.services.host.close()
    await book.close(finished=False)


async def test_a_worker_that_dies_is_replaced_once_a_sample(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES, DIES], [DIES], [YES])
    book = await opened.run(await opened.begin())
    first, second = samples(book)
    assert (first.status, first.attempts) == ("failed", 2)
    assert (second.status, second.content) == ("done", "yes")
    assert len(opened.engines) == 3
    back = [type(event).__name__ for event in opened.events if isinstance(event, ModelBack | ModelLoading)]
    assert back[-1] == "ModelBack"
    assert back.count("ModelBack") == 2


async def test_a_sample_that_takes_too_long_is_recorded(tmp_path: Path) -> None:
    endless = ScriptedTurn(tokens=("word ",) * 4000, delay_s=0.001)
    opened = Opened(tmp_path, [YES, endless], samples=ONE)
    book = await opened.run(await opened.begin(timeout_s=0.05))
    (record,) = samples(book)
    assert record.error is not None
    assert (record.status, record.error.title) == ("failed", "The sample took too long")
    assert record.content.startswith("word ")


async def test_turns_left_to_the_model_become_part_of_the_prompt(tmp_path: Path) -> None:
    turns = (
        "samples:\n  - id: a\n    system: Be brief.\n    messages: [{role: user, content: one},"
        " {role: assistant, content: shown}, {role: user, content: two}, {role: user, content: three}]\n"
    )
    opened = Opened(tmp_path, [YES, ScriptedTurn(tokens=("second",)), ScriptedTurn(tokens=("third",))], samples=turns)
    (record,) = samples(await opened.run(await opened.begin()))
    said = [(message.role, message.content) for message in record.messages]
    assert said == [
        ("system", "Be brief."),
        *(("user", "one"), ("assistant", "shown"), ("user", "two"), ("assistant", "second"), ("user", "three")),
    ]
    assert record.content == "third"
    assert len(record.earlier) == 1


async def test_raw_text_is_sent_as_it_is_and_a_gap_needs_a_model_that_fills_it(tmp_path: Path) -> None:
    both = "samples:\n  - {id: raw, mode: text, input: 'def f('}\n  - {id: gap, prefix: a, suffix: b}\n"
    opened = Opened(tmp_path, [YES], samples=both)
    raw, gap = samples(await opened.run(await opened.begin()))
    assert (raw.prompt, raw.messages) == ("def f(", ())
    assert gap.error is not None
    assert (gap.status, gap.error.kind) == ("failed", "usage")


async def test_a_profile_brings_persona_system_and_settings(tmp_path: Path) -> None:
    profile = Profile(
        name="poet", mode="chat", system="Rhyme.", character=Character(name="Li"), generation={"top_k": 7}
    )
    opened = Opened(tmp_path, [YES], samples=ONE, profile=profile)
    (record,) = samples(await opened.run(await opened.begin()))
    assert record.manifest is not None
    assert record.manifest.sampling.top_k == 7
    assert (record.manifest.profile, record.manifest.mode) == ("poet", "chat")
    assert record.prompt is not None
    assert record.prompt.startswith("Rhyme.")


async def test_several_samples_are_in_flight_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = now = 0
    together = asyncio.Event()
    turn = Asking._turn

    async def counted(asking: Asking, stop: asyncio.Event, ends: float) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        if now == 3:
            together.set()
        await asyncio.wait_for(together.wait(), 10)
        await turn(asking, stop, ends)
        now -= 1

    monkeypatch.setattr(Asking, "_turn", counted)
    opened = Opened(tmp_path, [YES])
    book = await opened.run(await opened.begin(epochs=3), parallel=3)
    assert most == 3
    assert len({(record.sample, record.epoch) for record in samples(book)}) == 6
    assert {record.parallel for record in samples(book)} == {3}


async def test_a_server_is_sent_no_more_than_it_writes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = now = 0
    turn = Asking._turn

    async def counted(asking: Asking, stop: asyncio.Event, ends: float) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await turn(asking, stop, ends)
        now -= 1

    monkeypatch.setattr(Asking, "_turn", counted)
    monkeypatch.setattr("unit.run_bench.GRANTED", msgspec.structs.replace(GRANTED, slots=2))
    slow = ScriptedTurn(tokens=("yes ",) * 20, delay_s=0.001)
    opened = Opened(tmp_path, [slow])
    book = await opened.run(await opened.begin("far/model", epochs=8), parallel=16)
    assert most == 2
    assert len({(record.sample, record.epoch) for record in samples(book)}) == 16
    assert {record.parallel for record in samples(book)} == {2}
    told = [event.text for event in opened.events if isinstance(event, Remark)]
    assert told == ["far/model writes 2 answers at once, so no more are sent, not 16"]


async def test_scores_that_take_long_hold_up_no_other_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_asked = threading.Event()

    def slow(scorer: AnyScorer, content: str, sample: Sample) -> Score:
        assert all_asked.wait(60), "samples wait for the scores of others"
        return score(scorer, content, sample)

    monkeypatch.setattr("llmtui.services.runs.judging.score", slow)
    opened = Opened(tmp_path, [YES], samples=ONE)
    book = await opened.begin("far/model", epochs=16)
    runner = Runner(opened.services, book, opened.services.host, parallel=16)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    begun = 0
    async for event in runner.events():
        begun += isinstance(event, SampleBegun)
        if begun == 16:
            all_asked.set()
    await opened.services.host.close()
    await book.close(finished=True)
    assert all(one.passed for one in scores(book))
    assert len(scores(book)) == 16


async def test_where_another_server_answers_nothing_is_waited_for() -> None:
    failed = Failed("engine", "far cannot be reached", "Connection refused", "Start it")
    records = [SampleRecord(key="k", set="s", sample="a", model="m", epoch=0, at="", status="failed", error=failed)]
    records.append(msgspec.structs.replace(records[0], status="done", error=None))

    async def ask(number: int) -> SampleRecord:
        return records[number - 1]

    async with asyncio.timeout(60):
        record = await on_server(ask, asyncio.Event(), first_wait_s=3600, elsewhere=lambda: True)
    assert record.status == "done"


async def test_a_scorer_that_raises_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: object) -> None:
        raise RecursionError("deep")

    monkeypatch.setattr("llmtui.services.runs.judging.score", boom)
    opened = Opened(tmp_path, [YES], samples=ONE)
    book = await opened.run(await opened.begin())
    assert scores(book)[0].error == "RecursionError: deep"
    assert book.summary()[0].waiting == 1


async def test_a_full_disk_is_told_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(tmp_path, [YES])
    book = await opened.begin()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("llmtui.store.transcript_writer.os.write", full)
    with pytest.raises(StoreError, match="Not all of the run is on disk"):
        await opened.run(book)
    assert any(isinstance(event, Remark) and "the disk is full" in event.text for event in opened.events)
    assert sum(isinstance(event, SampleEnded) for event in opened.events) == 2


async def test_a_folder_that_cannot_be_written_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES])
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StoreError, match="cannot be written"):
        await opened.begin()


async def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES])
    copy = opened.path.with_name("copy.yaml")
    copy.write_text(f"schema: llmtui.promptset/1\nname: set\n{ONE}", encoding="utf-8")
    with pytest.raises(UsageError, match="named twice"):
        make_plan(opened.services, Wishes(sets=(str(opened.path), str(copy)), models=("demo",)))
