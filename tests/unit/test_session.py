"""A conversation: events passed on, records on disk as things happen, and the next turn after every mishap."""

import asyncio
import os
import threading

import pytest
from unit.session_bench import ENDLESS, SHORT, Bench, ask, contents, until

from llmtui.domain.events import Delta, Failed, Finished, PrefillProgress
from llmtui.domain.messages import ChatMessage
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import UsageError
from llmtui.store.machine import Machine, write_machine
from llmtui.store.transcripts import INTERRUPTED, read_transcript

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
