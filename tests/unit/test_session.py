"""A conversation: events passed on, records on disk as things happen, and the next turn after every mishap."""

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from unit.session_bench import ENDLESS, INFO, READING, SHORT, Bench, SpyEngine, ask, contents, until

from llmtui.domain.events import Delta, Failed, Finished, PrefillProgress, TurnEvent
from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.metrics import GpuReading, HostReading
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Sampling
from llmtui.domain.transcript import MessageRecord, PartialRecord
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import StoreError, UsageError
from llmtui.services import journal, turn_runner
from llmtui.services.session import ChatSession
from llmtui.store.machine import Machine, write_machine
from llmtui.store.transcripts import INTERRUPTED, encode_record, list_chats, read_transcript

pytestmark = pytest.mark.usefixtures("quiet_host")


async def test_a_turn_is_passed_on_folded_and_kept(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()
    assert not bench.folders.chats_dir.exists()

    events = await ask(session)

    assert isinstance(events[0], PrefillProgress)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "yes it is"
    assert isinstance(events[-1], Finished)
    assert contents(session) == [("user", "is it?"), ("assistant", "yes it is")]
    turn = session.turns[0]
    assert turn.message == session.messages[1]
    assert turn.metrics.completion_tokens == 4
    assert turn.metrics.rss_anon_bytes == 5
    assert turn.manifest.model == "tiny"
    assert turn.manifest.seed == 1
    assert "tok/s" in turn.summary
    transcript = read_transcript(session.path)
    assert transcript.conversation == session.messages
    assert transcript.turns[turn.message.id].metrics == turn.metrics


async def test_state_is_settled_when_the_last_event_comes(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()

    async for event in session.send("is it?"):
        settled = session.running is None and len(session.turns) == 1 and session.messages[-1].role == "assistant"
        assert settled is isinstance(event, Finished)


async def test_the_question_is_on_disk_before_the_engine_is_asked(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()

    events = session.send("is it?")
    first = await anext(events)
    on_disk = read_transcript(session.path)
    await events.aclose()

    assert isinstance(first, PrefillProgress)
    assert [message.content for message in on_disk.messages] == ["is it?"]


async def test_a_system_message_leads_every_prompt_and_is_kept(bench: Bench) -> None:
    engine = await bench.load(SHORT)
    session = bench.new(system="be brief")
    await ask(session, "one")
    await session.close()

    again = bench.reopen(session.path)
    await ask(again, "two")

    assert again.system == "be brief"
    assert [message.role for message in again.messages] == ["user", "assistant", "user", "assistant"]
    assert [chat.content for chat in engine.prompts[1]] == ["be brief", "one", "yes it is", "two"]


async def test_the_load_counts_in_the_first_turn_only(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()
    await ask(session)
    await ask(session)

    assert [turn.metrics.load_s for turn in session.turns] == [0.01, None]


async def test_a_switch_of_models_keeps_the_conversation(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()
    await ask(session)
    engine = await bench.load(ScriptedTurn(tokens=("no",)))
    await ask(session, "sure?")

    assert [chat.content for chat in engine.prompts[0]] == ["is it?", "yes it is", "sure?"]
    assert len(session.turns) == 2


async def test_cancel_keeps_the_partial_answer_and_the_next_turn_sends_it(bench: Bench) -> None:
    engine = await bench.load(ENDLESS, SHORT)
    session = bench.new()
    events: list[TurnEvent] = []
    async for event in session.send("go"):
        events.append(event)
        if isinstance(event, Delta) and session.running and len(session.running.fold.text) == 5:
            await session.cancel()
            assert session.running.state == "stopping"

    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"
    assert session.messages[-1].finish_reason == "cancelled"
    assert session.turns[-1].summary.endswith("stopped")
    partial = session.messages[-1].content
    assert partial.startswith("aaaaa")
    await ask(session, "and now?")
    assert [chat.content for chat in engine.prompts[-1]] == ["go", partial, "and now?"]


async def test_a_question_cancelled_in_prefill_goes_with_the_next(bench: Bench) -> None:
    engine = await bench.load(ScriptedTurn(tokens=("x",), prefill_s=30), SHORT)
    session = bench.new()
    async for event in session.send("long text"):
        if isinstance(event, PrefillProgress):
            await session.cancel()

    assert contents(session) == [("user", "long text")]
    assert session.turns[-1].metrics.finish_reason == "cancelled"
    await ask(session, "shorter")
    assert [(chat.role, chat.content) for chat in engine.prompts[-1]] == [("user", "long text\n\nshorter")]
    await session.close()
    assert contents(bench.reopen(session.path)) == contents(session)


async def test_a_stop_before_the_engine_is_asked_asks_it_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    monkeypatch.setattr("llmtui.store.transcript_writer.os.fsync", lambda _fd: written.wait(10))
    engine = await bench.load(SHORT)
    session = bench.new()
    task = asyncio.create_task(ask(session, "never mind"))
    await until(lambda: session.running is not None)
    assert session.running is not None
    assert session.running.state == "sending"
    await session.cancel()
    written.set()

    (event,) = await task

    assert isinstance(event, Finished)
    assert event.reason == "cancelled"
    assert not hasattr(engine, "prompts")
    assert contents(session) == [("user", "never mind")]


async def test_closing_the_iterator_stops_the_engine_and_keeps_the_answer(bench: Bench) -> None:
    engine = await bench.load(ENDLESS)
    session = bench.new()
    events = session.send("go")
    async for event in events:
        if isinstance(event, Delta):
            break
    await events.aclose()

    assert engine._running == {}
    assert session.running is None
    assert session.messages[-1].finish_reason == "cancelled"
    assert read_transcript(session.path).conversation == session.messages


async def test_a_cancelled_task_keeps_the_answer(bench: Bench) -> None:
    await bench.load(ENDLESS)
    session = bench.new()
    task = asyncio.create_task(ask(session, "go"))
    await until(lambda: session.running is not None and bool(session.running.fold.text))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await session.close()

    last = read_transcript(session.path).conversation[-1]
    assert last.finish_reason == "cancelled"
    assert last.content.startswith("a")


async def test_an_engine_that_dies_leaves_the_answer_so_far_and_an_error(bench: Bench) -> None:
    await bench.load(ScriptedTurn(tokens=("half",), dies=True))
    session = bench.new()

    events = await ask(session)

    assert isinstance(events[-1], Failed)
    last = session.messages[-1]
    assert (last.content, last.finish_reason) == ("half", "error")
    assert "killed" in (last.error or "")
    assert session.turns[-1].metrics.total_s is not None
    transcript = read_transcript(session.path)
    assert transcript.conversation == session.messages
    assert transcript.turns[last.id].finish_reason == "error"


async def test_after_a_reload_the_failed_question_is_answered_in_place(bench: Bench) -> None:
    await bench.load(ScriptedTurn(tokens=("half",), dies=True))
    session = bench.new()
    await ask(session)
    engine = await bench.load(SHORT)

    events = [event async for event in session.resend()]

    assert isinstance(events[-1], Finished)
    assert contents(session) == [("user", "is it?"), ("assistant", "yes it is")]
    assert [chat.content for chat in engine.prompts[0]] == ["is it?"]
    transcript = read_transcript(session.path)
    assert transcript.conversation == session.messages
    assert len(transcript.messages) == 3, "the failed answer stays in the file"


async def test_a_failure_before_any_text_leaves_the_question(bench: Bench) -> None:
    failure = Failed("template", "The template raised", "line 3", "Use another model.")
    await bench.load(ScriptedTurn(failure=failure), SHORT)
    session = bench.new()

    assert (await ask(session))[-1] == failure
    assert contents(session) == [("user", "is it?")]
    assert session.turns[-1].message.error == "The template raised: line 3"

    await session.close()
    again = bench.reopen(session.path)
    assert contents(again) == [("user", "is it?")]
    assert isinstance([event async for event in again.resend()][-1], Finished)
    assert contents(again)[-1] == ("assistant", "yes it is")


async def test_a_question_that_does_not_fit_makes_way_for_the_next(bench: Bench) -> None:
    engine = await bench.load(ScriptedTurn(prompt_tokens=500), SHORT, context=100)
    session = bench.new(system="s")

    last = (await ask(session, "too long"))[-1]

    assert isinstance(last, Failed)
    assert last.kind == "context"
    assert contents(session) == [("user", "too long")], "nothing is lost while it is the last"
    await ask(session, "short")
    assert [chat.content for chat in engine.prompts[-1]] == ["s", "short"]
    assert contents(session) == [("user", "short"), ("assistant", "yes it is")]
    await session.close()
    again = bench.reopen(session.path)
    assert contents(again) == contents(session)
    assert again.system == "s"


async def test_a_refused_first_question_is_not_in_the_way_after_reopening(bench: Bench) -> None:
    await bench.load(ScriptedTurn(prompt_tokens=500), SHORT, context=100)
    session = bench.new()
    await ask(session, "too long")
    await session.close()

    again = bench.reopen(session.path)

    assert again.messages == ()
    assert "too long" in session.path.read_text()


async def test_without_a_model_the_question_is_kept_and_the_remedy_told(bench: Bench) -> None:
    session = bench.new()

    (event,) = await ask(session)

    assert isinstance(event, Failed)
    assert event.remedy
    assert contents(session) == [("user", "is it?")]
    await bench.load(SHORT)
    [_ async for _ in session.resend()]
    assert contents(session)[-1] == ("assistant", "yes it is")


async def test_a_model_that_came_while_the_question_was_written_answers_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    real = os.fsync

    def slow(fd: int) -> None:
        written.wait(10)
        real(fd)

    monkeypatch.setattr("llmtui.store.transcript_writer.os.fsync", slow)
    session = bench.new()
    task = asyncio.create_task(ask(session))
    await until(lambda: session.running is not None)
    await bench.load(SHORT)
    written.set()

    assert isinstance((await task)[-1], Finished)


async def test_what_can_be_asked_again(bench: Bench) -> None:
    session = bench.new()
    assert session.unanswered == ()
    await ask(session, "one")
    assert [message.content for message in session.unanswered] == ["one"]
    await bench.load(ScriptedTurn(tokens=("half",), dies=True))
    [_ async for _ in session.resend()]
    assert contents(session)[-1] == ("assistant", "half")
    assert [message.content for message in session.unanswered] == ["one"]
    await bench.load(SHORT)
    [_ async for _ in session.resend()]
    assert session.unanswered == ()


async def test_a_turn_that_outlives_the_session_ends_quietly_and_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmtui.services.session.CLOSE_S", 0.01)
    engine = await bench.load(ENDLESS)
    session = bench.new()
    events = session.send("go")
    async for event in events:
        if isinstance(event, Delta):
            break

    async def deaf(_request_id: str) -> None:
        return

    monkeypatch.setattr(engine, "cancel", deaf)
    await session.close()
    await events.aclose()

    last = read_transcript(session.path).conversation[-1]
    assert last.content
    assert last.error == INTERRUPTED


async def test_empty_text_and_a_second_turn_are_refused(bench: Bench) -> None:
    await bench.load(ENDLESS)
    session = bench.new()
    with pytest.raises(UsageError, match="nothing to send"):
        await ask(session, " \n")
    with pytest.raises(UsageError, match="has its answer"):
        await anext(session.resend())

    events = session.send("go")
    await anext(events)
    with pytest.raises(UsageError, match="being written"):
        await ask(session)
    await events.aclose()
    assert contents(session) == [("user", "go")]


async def test_partial_answers_reach_the_disk_while_they_come(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_runner, "PARTIAL_EVERY_S", 0.02)
    await bench.load(ENDLESS)
    session = bench.new()
    task = asyncio.create_task(ask(session, "go"))

    def partials() -> Iterator[PartialRecord]:
        for line in session.path.read_bytes().split(b"\n") if session.path.exists() else []:
            if line.startswith(b'{"record":"partial"'):
                yield msgspec.json.decode(line, type=PartialRecord)

    await until(lambda: len(list(partials())) >= 3)
    found = list(partials())
    assert [each.offset for each in found] == [sum(len(p.text) for p in found[:n]) for n in range(len(found))]
    interrupted = read_transcript(session.path).conversation[-1]
    assert interrupted.error == INTERRUPTED
    assert len(interrupted.content) >= len("".join(each.text for each in found))

    await session.cancel()
    await task
    assert read_transcript(session.path).conversation == session.messages


async def test_a_chat_that_was_killed_goes_on(bench: Bench) -> None:
    engine = await bench.load(SHORT)
    session = bench.new()
    await ask(session, "one")
    await session.close()
    asked = Message(id="u", parent_id=session.messages[-1].id, role="user", content="two", created_at="t")
    record = PartialRecord(id="p", parent_id="u", model="tiny", offset=0, text="so far", created_at="t")
    with session.path.open("ab") as file:
        file.write(encode_record(MessageRecord(message=asked)) + encode_record(record) + b'{"record":"part')

    again = bench.reopen(session.path)
    assert again.messages[-1].content == "so far"
    assert [turn.summary for turn in again.turns] == [turn.summary for turn in session.turns]
    await ask(again, "three")

    assert [chat.content for chat in engine.prompts[-1]] == ["one", "yes it is", "two", "so far", "three"]
    assert read_transcript(again.path).conversation == again.messages
    assert read_transcript(again.path).damaged == 0


async def test_a_full_disk_does_not_break_the_chat_and_heals(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.load(SHORT)
    session = bench.new()
    await ask(session, "one")
    assert session.save_problem is None
    real = os.write

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("llmtui.store.transcript_writer.os.write", full)
    assert isinstance((await ask(session, "two"))[-1], Finished)
    assert "disk is full" in (session.save_problem or "")
    assert len(session.messages) == 4

    monkeypatch.setattr("llmtui.store.transcript_writer.os.write", real)
    await ask(session, "three")
    assert session.save_problem is None
    assert read_transcript(session.path).conversation == session.messages


async def test_what_could_not_be_saved_is_tried_again_between_turns(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    await bench.load(SHORT)
    session = bench.new()
    with monkeypatch.context() as patch:
        patch.setattr("llmtui.store.transcript_writer.os.write", full)
        await ask(session, "one")
        session.retry_save()
        assert "disk is full" in (session.save_problem or "")

    session.retry_save()
    await until(lambda: session.save_problem is None)
    assert read_transcript(session.path).conversation == session.messages

    await session.close()
    session.retry_save()


async def test_a_data_folder_that_cannot_be_written(bench: Bench) -> None:
    bench.folders.data_dir.write_text("a file where the folder should be")
    await bench.load(SHORT)
    session = bench.new()

    assert isinstance((await ask(session))[-1], Finished)
    assert str(bench.folders.data_dir) in (session.save_problem or "")


async def test_a_disk_that_hangs_does_not_hold_the_turn(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PATIENCE_S", 0.02)
    answers = threading.Event()
    real = os.fsync

    def hang(fd: int) -> None:
        answers.wait(10)
        real(fd)

    monkeypatch.setattr("llmtui.store.transcript_writer.os.fsync", hang)
    await bench.load(SHORT)
    session = bench.new()

    assert isinstance((await ask(session))[-1], Finished)
    assert "does not answer" in (session.save_problem or "")

    answers.set()
    await until(lambda: session.save_problem is None)
    assert read_transcript(session.path).conversation == session.messages


async def test_the_figures_of_a_turn_come_from_looks_at_its_two_ends(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter((1_000, 3_500))

    def look(pid: int | None) -> HostReading:
        assert pid == 1
        return HostReading(t_ns=0, process=READING.process, gpu=GpuReading(energy_mj=next(looks)))

    monkeypatch.setattr("llmtui.probes.host.read_host", look)
    await bench.load(SHORT)
    session = bench.new()
    await ask(session)

    metrics = session.turns[0].metrics
    assert metrics.energy_j == 2.5
    assert metrics.total_s is not None
    assert metrics.total_s < 1
    assert (metrics.sources["energy_j"], metrics.sources["rss_anon_bytes"]) == ("estimated", "measured")


@pytest.mark.usefixtures("real_host")
async def test_the_session_looks_at_the_worker_itself(bench: Bench) -> None:
    model = LoadedModel(
        name="tiny", description="", engine="scripted", engine_build="1", context_size=64, pid=os.getpid()
    )
    bench.engine = SpyEngine([SHORT], model=model)
    [_ async for _ in bench.host.load(INFO)]
    session = ChatSession.new(bench.host, bench.folders, sampling=Sampling())
    bench.sessions.append(session)
    await ask(session)

    assert session.turns[0].metrics.rss_anon_bytes


async def test_two_instances_share_a_folder_but_not_a_chat(bench: Bench) -> None:
    await bench.load(SHORT)
    first, second = bench.new(), bench.new()
    await ask(first, "one")
    await ask(second, "two")

    with pytest.raises(StoreError, match="open in another"):
        bench.reopen(first.path)

    assert {chat.title for chat in list_chats(bench.folders.chats_dir)} == {"one", "two"}


async def test_reopening_something_else_leaves_it_as_it_is(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a chat\nand no last line feed")

    with pytest.raises(StoreError, match="not a chat"):
        bench.reopen(path)

    assert path.read_text() == "not a chat\nand no last line feed"


async def test_an_opened_chat_that_nothing_was_said_in_is_not_changed(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()
    await ask(session)
    await session.close()
    before = session.path.read_bytes()

    await bench.reopen(session.path).close()
    untouched = bench.new()
    await untouched.close()

    assert session.path.read_bytes() == before
    assert not untouched.path.exists()


async def test_text_that_utf8_cannot_hold_is_sent_and_kept(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()

    await ask(session, "a\ud800b")

    assert read_transcript(session.path).conversation[0].content == "a\ufffdb"


async def test_memory_bandwidth_comes_from_the_machines_figures(bench: Bench) -> None:
    write_machine(bench.folders, Machine(memory_bandwidth=1e9))
    await bench.load(SHORT)
    session = bench.new()
    await ask(session)

    reason = session.turns[0].metrics.reasons["bandwidth_fraction"]
    assert "not measured" not in reason


class TestDrafts:
    async def test_the_engine_counts_what_a_draft_adds(self, bench: Bench) -> None:
        engine = await bench.load(SHORT)
        session = bench.new()
        await ask(session, "one two")
        prompt = tuple(ChatMessage(message.role, message.content) for message in session.messages)

        count = await session.count_draft("three four")

        base = await engine.count_prompt(prompt)
        total = await engine.count_prompt((*prompt, ChatMessage("user", "three four")))
        assert (count.draft_tokens, count.total_tokens) == (total - base, total)
        assert count.exact
        assert count.context_size == 4096
        empty = await session.count_draft("")
        assert (empty.draft_tokens, empty.total_tokens) == (0, base)

    async def test_without_an_engine_it_is_estimated(self, bench: Bench) -> None:
        count = await bench.new().count_draft("床前明月光")

        assert (count.draft_tokens, count.total_tokens, count.context_size, count.exact) == (4, 4, None, False)

    async def test_while_an_answer_runs_it_is_estimated(self, bench: Bench) -> None:
        await bench.load(ENDLESS)
        session = bench.new()
        events = session.send("go")
        async for event in events:
            if isinstance(event, Delta):
                break

        count = await session.count_draft("abcd")

        assert not count.exact
        assert count.draft_tokens == 1
        assert count.total_tokens > 1
        assert count.context_size == 4096
        await events.aclose()

    async def test_a_dead_engine_is_no_reason_to_fail(self, bench: Bench) -> None:
        engine = await bench.load(SHORT)
        session = bench.new()
        await ask(session)
        engine.die()

        assert not (await session.count_draft("abcd")).exact


async def test_a_refused_question_is_not_counted_with_the_next_draft(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new()
    await ask(session)
    before = await session.count_draft("short")
    refused = await ask(session, "too long " * 4_000)
    assert isinstance(refused[-1], Failed)
    assert (await session.count_draft("short")).total_tokens == before.total_tokens


async def test_resending_without_a_model_changes_nothing(bench: Bench) -> None:
    engine = await bench.load(ScriptedTurn(tokens=("half",), dies=True))
    session = bench.new()
    await ask(session)
    before = session.messages
    assert before[-1].finish_reason == "error"
    with pytest.raises(UsageError, match="No model is running"):
        async for _ in session.resend():
            pass
    assert session.messages == before
    assert not engine.alive
