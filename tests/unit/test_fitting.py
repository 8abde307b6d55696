"""Conversations that no longer fit into the context: what slides out, what is put into a note, what is told."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from session_bench import ENDLESS, Bench, ask, until

from llmtui.domain.events import Failed, Finished, Notice
from llmtui.domain.profile import Character, Profile
from llmtui.domain.settings import Sampling
from llmtui.engines.scripted import ScriptedTurn
from llmtui.services.fitting import reserve_of
from llmtui.store.paths import Folders
from llmtui.store.transcripts import read_transcript

TEN = ScriptedTurn(tokens=tuple(f"{n} " for n in range(10)))
NOTE = ScriptedTurn(tokens=("they", " counted"))
QUESTION = "one two three four five six seven eight nine ten"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(Folders(data_dir=tmp_path, config_dir=tmp_path, cache_dir=tmp_path))
    yield bench
    for session in bench.sessions:
        await session.close()
    await bench.host.close()


@pytest.mark.parametrize("mode", ["instruct", "chat", "chat-instruct"])
async def test_slide_over_many_turns_never_fails_and_accounts_for_every_message(bench: Bench, mode: str) -> None:
    engine = await bench.load(TEN, context=120)
    session = bench.new(system="be brief")
    character = Character(context="the persona", greeting="hello there")
    session.use(Profile(mode=mode, overflow="slide", reserve=20, character=character))
    dropped_before = 0
    for _ in range(12):
        path = [message.id for message in session.messages]
        events = await ask(session, QUESTION)
        assert isinstance(events[-1], Finished)
        turn = session.turns[-1]
        prompt = turn.metrics.prompt_tokens
        assert prompt is not None
        assert prompt + 20 <= 120
        dropped = turn.manifest.dropped
        assert list(dropped) == path[: len(dropped)]
        sent = " ".join(each.content for each in engine.prompts[-1])
        if mode == "instruct":
            assert len(engine.prompts[-1]) == 1 + len(path) + 1 - len(dropped)
            assert "be brief" in sent
        elif mode == "chat-instruct":
            assert "the persona" in sent
        told = [event for event in events if isinstance(event, Notice) and event.kind == "dropped"]
        assert bool(told) is (len(dropped) > (mode == "instruct"))
        dropped_before = len(dropped)
    assert dropped_before > 10


async def test_what_slid_out_is_told_and_in_the_file(bench: Bench) -> None:
    await bench.load(TEN, context=80)
    session = bench.new()
    session.use(Profile(overflow="slide", reserve=20))
    for _ in range(3):
        await ask(session, QUESTION)
    await session.close()
    transcript = read_transcript(session.path)
    last = transcript.conversation[-1]
    assert "not sent" in last.notices[0]
    assert "80 tokens, 20 of which" in last.notices[0]
    assert transcript.turns[last.id].manifest.dropped


@pytest.mark.parametrize("overflow", ["slide", "compact"])
async def test_a_last_message_that_does_not_fit_is_refused_with_the_numbers(bench: Bench, overflow: str) -> None:
    engine = await bench.load(TEN, context=60)
    session = bench.new()
    session.use(Profile(overflow=overflow, reserve=20))
    await ask(session, "short")
    event = (await ask(session, "word " * 70))[-1]
    assert isinstance(event, Failed)
    assert event.kind == "context"
    assert "the context holds 60" in event.cause
    assert len(engine.prompts) == 1
    assert session.thread.refused
    await ask(session, "short again")
    assert engine.prompts[-1][-1].content == "short again"


async def test_compact_puts_the_oldest_turns_into_a_note_that_is_sent_instead(bench: Bench) -> None:
    engine = await bench.load(TEN, TEN, TEN, NOTE, TEN, context=130)
    session = bench.new(system="be brief")
    session.use(Profile(overflow="compact", reserve=20, language="en"))
    for _ in range(3):
        await ask(session, QUESTION)
    events = await ask(session, QUESTION)
    assert isinstance(events[-1], Finished)
    (told,) = [event for event in events if isinstance(event, Notice)]
    assert "into a note" in told.text
    note = session.thread.note
    assert note is not None
    assert note.text == "they counted"
    covers = [message.id for message in session.messages[: len(note.covers)]]
    assert list(note.covers) == covers
    assert engine.prompts[-2][0].content.startswith("Sum up the dialogue")
    system, first, *_ = engine.prompts[-1]
    assert system.content == "be brief"
    assert first.content == f"What was said before this, in short:\nthey counted\n\n{QUESTION}"
    assert session.turns[-1].manifest.dropped == note.covers
    shown = session.thread.shown
    assert [message.role for message in shown].index("system") == len(covers)


async def test_the_note_is_kept_edited_and_taken_back(bench: Bench) -> None:
    await bench.load(TEN, TEN, TEN, NOTE, TEN, context=180)
    session = bench.new()
    session.use(Profile(overflow="compact", reserve=20))
    for _ in range(4):
        await ask(session, QUESTION)
    note = session.thread.note
    assert note is not None
    before = session.messages
    edited = session.thread.edit(note.id, "my own words")
    assert edited.edited_from == note.id
    assert session.messages == before
    await session.close()
    again = bench.reopen(session.path)
    again.use(session.wanted.profile)
    assert again.thread.note is not None
    assert again.thread.note.text == "my own words"
    engine = await bench.load(TEN)
    await ask(again, "and?")
    assert "my own words" in engine.prompts[-1][0].content
    again.thread.remove(again.thread.note.id)
    assert again.thread.note is None
    assert again.thread.shown == again.messages


async def test_a_note_that_fails_leaves_the_question_refused_with_the_reason(bench: Bench) -> None:
    failing = ScriptedTurn(tokens=(), failure=Failed("engine", "It broke", "a wire", ""))
    await bench.load(TEN, TEN, failing, context=130)
    session = bench.new()
    session.use(Profile(overflow="compact", reserve=20))
    await ask(session, QUESTION)
    await ask(session, QUESTION)
    event = (await ask(session, QUESTION))[-1]
    assert isinstance(event, Failed)
    assert event.kind == "context"
    assert "It broke: a wire" in event.cause
    assert session.thread.note is None


async def test_a_note_that_was_made_too_long_is_named_as_what_does_not_fit(bench: Bench) -> None:
    await bench.load(TEN, TEN, TEN, NOTE, TEN, context=180)
    session = bench.new()
    session.use(Profile(overflow="compact", reserve=20))
    for _ in range(4):
        await ask(session, QUESTION)
    assert session.thread.note is not None
    session.thread.edit(session.thread.note.id, "far too long " * 100)
    event = (await ask(session, QUESTION))[-1]
    assert isinstance(event, Failed)
    assert "the note and the turn behind it together are longer than the model can read" in event.cause


async def test_writing_a_note_can_be_stopped(bench: Bench) -> None:

    engine = await bench.load(TEN, TEN, ENDLESS, context=130)
    session = bench.new()
    session.use(Profile(overflow="compact", reserve=20))
    await ask(session, QUESTION)
    await ask(session, QUESTION)
    task = asyncio.create_task(ask(session, QUESTION))
    await until(lambda: session.running is not None and session.running.state == "compacting")
    await session.cancel()
    event = (await task)[-1]
    assert isinstance(event, Finished)
    assert event.reason == "cancelled"
    assert len(engine.prompts) <= 3
    assert session.messages[-1].content == QUESTION
    assert session.thread.note is None


def test_the_reserve_is_a_share_of_the_context_and_no_more_than_the_answer_may_have() -> None:
    assert reserve_of(Profile(), Sampling(), 512) == 64
    assert reserve_of(Profile(), Sampling(), 100_000) == 512
    assert reserve_of(Profile(reserve=300), Sampling(max_tokens=50), 512) == 50
    assert reserve_of(Profile(reserve=9_999), Sampling(), 512) == 511
