"""Turns that end early: stopped, closed, cancelled, or with an engine that dies."""

import asyncio
import contextlib
import threading

import pytest
from unit.session_bench import ENDLESS, SHORT, Bench, ask, contents, until

from llmtui.domain.events import Delta, Failed, Finished, PrefillProgress, TurnEvent
from llmtui.engines.scripted import ScriptedTurn
from llmtui.store.transcripts import read_transcript

pytestmark = pytest.mark.usefixtures("quiet_host")


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


async def test_what_came_of_a_failed_answer_stays_when_asking_again_fails(bench: Bench) -> None:
    await bench.load(ScriptedTurn(tokens=("half",), dies=True))
    session = bench.new()
    await ask(session)
    gone = Failed("engine", "It cannot be reached", "Connection refused", "Start it.")
    await bench.load(ScriptedTurn(failure=gone), SHORT)

    assert [event async for event in session.resend()][-1] == gone
    assert contents(session) == [("user", "is it?"), ("assistant", "half")]

    await session.close()
    again = bench.reopen(session.path)
    assert contents(again) == [("user", "is it?"), ("assistant", "half")]
    assert isinstance([event async for event in again.resend()][-1], Finished)
    assert contents(again)[-1] == ("assistant", "yes it is")


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
