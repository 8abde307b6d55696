"""Regenerating, editing, going on, branching and removing: the same tree in memory and on disk."""

import asyncio
from pathlib import Path

import pytest
from unit.session_bench import ENDLESS, SHORT, Bench, ask, contents, until

from llmtui.domain.events import Failed, Finished, TurnEvent
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import UsageError
from llmtui.services.session import ChatSession
from llmtui.store.transcripts import read_transcript

pytestmark = pytest.mark.usefixtures("quiet_host")

OTHER = ScriptedTurn(tokens=("no", " way"))
THIRD = ScriptedTurn(tokens=("perhaps",))
BROKEN = ScriptedTurn(failure=Failed("engine", "It broke", "", "Again"))
TOO_LONG = ScriptedTurn(prompt_tokens=9999)


async def regenerate(session: ChatSession, **options: str) -> list[TurnEvent]:
    return [event async for event in session.regenerate(**options)]


async def go_on(session: ChatSession) -> list[TurnEvent]:
    return [event async for event in session.go_on()]


async def resend(session: ChatSession) -> list[TurnEvent]:
    return [event async for event in session.resend()]


def shown(session: ChatSession) -> list[str]:
    return [content for _, content in contents(session)]


def on_disk(path: Path) -> list[str]:
    return [message.content for message in read_transcript(path).conversation]


async def test_a_new_version_of_an_answer_stands_beside_the_old(bench: Bench) -> None:
    engine = await bench.load(SHORT, OTHER, THIRD)
    session = bench.new()
    await ask(session)
    await regenerate(session)
    await regenerate(session)
    assert shown(session) == ["is it?", "perhaps"] == on_disk(session.path)
    versions = session.thread.tree.versions(session.messages[-1].id)
    assert [version.content for version in versions] == ["yes it is", "no way", "perhaps"]
    assert len({tuple(prompt) for prompt in engine.prompts}) == 1
    session.thread.show_version(versions[0].id)
    assert shown(session) == ["is it?", "yes it is"]
    await session.close()
    assert on_disk(session.path) == ["is it?", "yes it is"]
    again = bench.reopen(session.path)
    assert again.thread.tree.versions(again.messages[-1].id) == versions
    assert len(again.turns) == 3


async def test_a_version_goes_on_to_the_talk_that_followed_it(bench: Bench) -> None:
    await bench.load(SHORT, OTHER, THIRD)
    session = bench.new()
    await ask(session)
    first = session.messages[-1].id
    await ask(session, "sure?")
    session.thread.end_at(first)
    await regenerate(session)
    assert shown(session) == ["is it?", "perhaps"]
    session.thread.show_version(first)
    assert shown(session) == ["is it?", "yes it is", "sure?", "no way"]


@pytest.mark.parametrize("nothing", [BROKEN, TOO_LONG])
async def test_when_nothing_comes_the_old_version_is_shown_again(bench: Bench, nothing: ScriptedTurn) -> None:
    await bench.load(SHORT, nothing, OTHER)
    session = bench.new()
    await ask(session)
    assert isinstance((await regenerate(session))[-1], Failed)
    assert shown(session) == ["is it?", "yes it is"] == on_disk(session.path)
    await ask(session, "and now?")
    assert shown(session) == ["is it?", "yes it is", "and now?", "no way"] == on_disk(session.path)


async def test_a_new_version_that_was_stopped_keeps_what_came(bench: Bench) -> None:
    await bench.load(SHORT, ENDLESS)
    session = bench.new()
    await ask(session)
    task = asyncio.create_task(regenerate(session))
    await until(lambda: session.running is not None and len(session.running.text) > 3)
    with pytest.raises(UsageError, match="being written"):
        session.thread.end_at(session.messages[0].id)
    await session.cancel()
    events = await task
    assert isinstance(events[-1], Finished)
    assert session.messages[-1].content.startswith("aaa")
    assert session.messages[-1].finish_reason == "cancelled"
    assert len(session.thread.tree.versions(session.messages[-1].id)) == 2


async def test_an_answer_goes_on_where_it_ends(bench: Bench) -> None:
    engine = await bench.load(SHORT, OTHER)
    session = bench.new()
    await ask(session)
    await go_on(session)
    assert shown(session) == ["is it?", "yes it isno way"] == on_disk(session.path)
    assert engine.starts == ["", "yes it is"]
    assert [turn.message.content for turn in session.turns] == ["yes it is", "yes it isno way"]


async def test_the_answer_can_be_begun_for_the_model(bench: Bench) -> None:
    engine = await bench.load(SHORT, OTHER)
    session = bench.new()
    assert [event async for event in session.send("is it?", answer_start="Well, ")]
    await regenerate(session, answer_start="Hm: ")
    assert shown(session) == ["is it?", "Hm: no way"]
    assert engine.starts == ["Well, ", "Hm: "]


async def test_an_edited_question_is_asked_again_beside_the_old(bench: Bench) -> None:
    engine = await bench.load(SHORT, OTHER)
    session = bench.new(system="be brief")
    await ask(session)
    question = session.messages[0]
    edited = session.thread.edit(question.id, "is it not?")
    assert (edited.edited_from, edited.parent_id) == (question.id, question.parent_id)
    await resend(session)
    assert shown(session) == ["is it not?", "no way"]
    assert [message.content for message in engine.prompts[-1]] == ["be brief", "is it not?"]
    await session.close()
    again = bench.reopen(session.path)
    assert shown(again) == ["is it not?", "no way"]
    again.thread.show_version(question.id)
    assert shown(again) == ["is it?", "yes it is"]


async def test_an_edited_answer_is_what_the_model_is_told_it_said(bench: Bench) -> None:
    engine = await bench.load(SHORT, OTHER)
    session = bench.new()
    await ask(session)
    session.thread.edit(session.messages[-1].id, "maybe")
    await ask(session, "sure?")
    assert [message.content for message in engine.prompts[-1]] == ["is it?", "maybe", "sure?"]
    assert session.messages[1].model == "tiny"


async def test_the_next_question_after_a_message_is_a_branch(bench: Bench) -> None:
    await bench.load(SHORT, OTHER, THIRD)
    session = bench.new()
    await ask(session)
    first = session.messages[1].id
    await ask(session, "sure?")
    session.thread.end_at(first)
    assert shown(session) == ["is it?", "yes it is"] == on_disk(session.path) or await until_written(session)
    await ask(session, "why?")
    assert shown(session) == ["is it?", "yes it is", "why?", "perhaps"] == on_disk(session.path)
    assert len(session.thread.tree.versions(session.messages[2].id)) == 2


async def until_written(session: ChatSession) -> bool:
    await until(lambda: on_disk(session.path) == shown(session))
    return True


async def test_what_is_removed_is_gone_also_after_reopening(bench: Bench) -> None:
    await bench.load(SHORT, OTHER, THIRD)
    session = bench.new()
    await ask(session)
    await ask(session, "sure?")
    session.thread.remove(session.messages[2].id)
    assert shown(session) == ["is it?", "yes it is"]
    await ask(session, "why?")
    await session.close()
    again = bench.reopen(session.path)
    assert shown(again) == ["is it?", "yes it is", "why?", "perhaps"]
    assert "sure?" not in [message.content for message in again.thread.tree.messages]
    again.thread.remove(again.messages[0].id)
    assert again.messages == ()
    await again.close()
    assert bench.reopen(session.path).messages == ()


async def test_the_same_tree_after_a_kill(bench: Bench) -> None:
    """A writer that is never closed stands for a killed program."""
    await bench.load(SHORT, OTHER, THIRD, ENDLESS)
    session = bench.new()
    await ask(session)
    for _ in range(2):
        await regenerate(session)
    session.thread.edit(session.messages[0].id, "was it?")
    task = asyncio.create_task(resend(session))
    await until(lambda: session.running is not None and session.running.saved_characters > 0)
    await until(lambda: bool(on_disk(session.path)) and on_disk(session.path)[-1].startswith("aaa"))
    transcript = read_transcript(session.path)
    assert transcript.conversation[0].content == "was it?"
    answers = [message.content for message in transcript.messages if message.role == "assistant"]
    assert answers[:3] == ["yes it is", "no way", "perhaps"]
    await session.cancel()
    await task


async def test_what_cannot_be_done_is_refused(bench: Bench) -> None:
    session = bench.new()
    for refused in (regenerate(session), go_on(session)):
        with pytest.raises(UsageError, match="does not end with an answer"):
            await refused
    for change in (session.thread.remove, session.thread.end_at, session.thread.show_version):
        with pytest.raises(UsageError, match="no such message"):
            change("nothing")
    await bench.load(SHORT)
    await ask(session)
    with pytest.raises(UsageError, match="would be empty"):
        session.thread.edit(session.messages[0].id, " \n")
    await bench.host.close()
    with pytest.raises(UsageError, match="No model is running"):
        await regenerate(session)
    assert shown(session) == ["is it?", "yes it is"]
