"""Chats in modes with a persona: greeting, names, and what of them is kept."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from session_bench import Bench, ask, contents

from llmtui.domain.events import Failed
from llmtui.domain.profile import Character, Profile
from llmtui.engines.scripted import ScriptedTurn
from llmtui.store.paths import Folders
from llmtui.store.transcripts import read_transcript

POET = Profile(mode="chat-instruct", character=Character(name="李白", user_name="杜甫", greeting="{{user}}，喝酒吗？"))
RUNS_ON = ScriptedTurn(tokens=(" ", "\n", "好", "酒", "\n", "杜", "甫", "：", "再来"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(Folders(data_dir=tmp_path, config_dir=tmp_path, cache_dir=tmp_path))
    yield bench
    for session in bench.sessions:
        await session.close()
    await bench.host.close()


async def test_the_greeting_opens_the_chat_and_is_kept_with_the_first_question(bench: Bench) -> None:
    await bench.load(RUNS_ON)
    session = bench.new(system="be brief")
    session.use(POET)
    assert contents(session) == [("assistant", "杜甫，喝酒吗？")]
    assert not session.path.exists()

    await ask(session, "喝！")

    said = [("assistant", "杜甫，喝酒吗？"), ("user", "喝！"), ("assistant", "好酒")]
    assert contents(session) == said
    assert session.messages[-1].speaker == "李白"
    await session.close()
    again = bench.reopen(session.path)
    assert contents(again) == said
    assert again.system == "be brief"


async def test_the_model_is_asked_in_one_turn_and_begins_behind_the_name(bench: Bench) -> None:
    engine = await bench.load(RUNS_ON)
    session = bench.new()
    session.use(POET)
    await ask(session, "喝！")
    ((turn,),) = engine.prompts
    assert turn.content.endswith("李白: 杜甫，喝酒吗？\n杜甫: 喝！")
    assert engine.starts == ["李白:"]
    manifest = session.turns[-1].manifest
    assert manifest.mode == "chat-instruct"
    assert manifest.sampling.stop == ("\n杜甫:", "\n杜甫：", "\n李白:", "\n李白：")


async def test_an_answer_goes_on_behind_its_name(bench: Bench) -> None:
    engine = await bench.load(ScriptedTurn(tokens=(" good",)))
    session = bench.new()
    session.use(POET)
    await ask(session, "喝！")
    async for _ in session.go_on():
        pass
    assert engine.starts == ["李白:", "李白: good"]
    assert session.messages[-1].content == "good good"


async def test_the_greeting_of_an_unsent_chat_can_be_edited_and_is_then_on_disk(bench: Bench) -> None:
    await bench.load(RUNS_ON)
    session = bench.new(system="S")
    session.use(POET)
    session.thread.edit(session.messages[0].id, "来，喝！")
    assert contents(session) == [("assistant", "来，喝！")]
    await session.close()
    assert [message.content for message in read_transcript(session.path).messages] == [
        "S",
        "杜甫，喝酒吗？",
        "来，喝！",
    ]
    assert contents(bench.reopen(session.path)) == [("assistant", "来，喝！")]


async def test_another_profile_changes_the_greeting_only_before_the_first_question(bench: Bench) -> None:
    await bench.load(RUNS_ON)
    session = bench.new()
    session.use(POET)
    session.use(Profile())
    assert contents(session) == []
    await ask(session, "hello")
    session.use(POET)
    assert [role for role, _ in contents(session)] == ["user", "assistant"]


async def test_what_a_mode_cannot_send_fails_the_turn_and_keeps_the_question(bench: Bench) -> None:
    engine = await bench.load(RUNS_ON)
    session = bench.new()
    session.use(Profile(mode="infill"))
    event = (await ask(session, "no gap"))[-1]
    assert isinstance(event, Failed)
    assert "no gap" in event.title
    assert not hasattr(engine, "prompts")
    assert contents(session) == [("user", "no gap")]
