"""The system message made by the user: for the turns to come, kept in the file, nothing overwritten."""

import shutil
from pathlib import Path

import msgspec
import pytest
from unit.session_bench import ENDLESS, SHORT, Bench, ask, until

from llmtui.domain.defaults import ModelDefaults
from llmtui.domain.messages import ChatMessage
from llmtui.errors import UsageError
from llmtui.store.transcripts import read_transcript

pytestmark = pytest.mark.usefixtures("quiet_host")


def sent(bench: Bench) -> list[str | None]:
    """The system message of each prompt."""
    heads = [prompt[0] for prompt in bench.engine.prompts]
    return [head.content if head.role == "system" else None for head in heads]


def cut_copy(path: Path, target: Path, cut: int) -> Path:
    """What a program that was killed left, so many bytes of the last line missing."""
    target.write_bytes(path.read_bytes()[: -cut or None])
    return target


async def test_it_counts_from_the_next_turn_and_the_old_one_stays_on_the_disk(bench: Bench) -> None:
    await bench.load(SHORT, SHORT, SHORT)
    session = bench.new("Be brief.")
    await ask(session)
    session.thread.edit_system("Be\nlong.")
    await ask(session)
    session.thread.edit_system("")
    await ask(session)
    assert sent(bench) == ["Be brief.", "Be\nlong.", None]
    assert [turn.manifest.system for turn in session.turns] == [None, "Be\nlong.", ""]
    assert [turn.manifest.origins.get("system") for turn in session.turns] == ["config", "edit", "edit"]
    assert len(session.messages) == 6
    kept = read_transcript(session.path)
    assert kept.messages[0].content == "Be brief."
    assert [message.content for message in kept.conversation if message.role != "system"] == ["is it?", "yes it is"] * 3


async def test_a_chat_that_was_killed_is_reopened_with_it(bench: Bench, tmp_path: Path) -> None:
    await bench.load(SHORT, SHORT)
    session = bench.new("Be brief.")
    await ask(session)
    session.thread.edit_system("你是李白。")
    await until(lambda: read_transcript(session.path).system is not None)
    for name, cut in (("whole.jsonl", 0), ("torn.jsonl", 5)):
        copy = cut_copy(session.path, tmp_path / name, cut)
        again = bench.reopen(copy)
        wanted = "Be brief." if cut else "你是李白。"
        assert (again.system, again.messages) == (wanted, session.messages)
        assert again.thread.system == "Be brief."
    whole = bench.reopen(Path(shutil.copy(session.path, tmp_path / "third.jsonl")))
    assert whole.thread.shown[0] == session.thread.shown[0]
    await ask(whole)
    assert sent(bench)[-1] == "你是李白。"


async def test_before_the_first_turn_it_is_written_with_it(bench: Bench, tmp_path: Path) -> None:
    await bench.load(SHORT)
    session = bench.new()
    session.thread.edit_system("Rhyme.")
    assert not session.path.exists()
    await ask(session)
    assert sent(bench) == ["Rhyme."]
    assert bench.reopen(Path(shutil.copy(session.path, tmp_path / "copy.jsonl"))).system == "Rhyme."


async def test_it_can_be_taken_back_edited_and_removed_as_a_message(bench: Bench, tmp_path: Path) -> None:
    await bench.load(SHORT, SHORT)
    session = bench.new("Be brief.")
    await ask(session)
    thread = session.thread
    thread.edit_system("a")
    first = thread.shown[0]
    fresh = thread.edit(first.id, "b")
    assert (fresh.content, fresh.edited_from, session.system) == ("b", first.id, "b")
    with pytest.raises(UsageError, match="empty"):
        thread.edit(fresh.id, " ")
    thread.remove(fresh.id)
    assert (session.system, thread.shown) == ("Be brief.", session.messages)
    thread.edit_system("c")
    thread.edit_system(None)
    await until(lambda: read_transcript(session.path).system is None)
    assert bench.reopen(Path(shutil.copy(session.path, tmp_path / "copy.jsonl"))).system == "Be brief."


async def test_it_gives_way_to_another_profile_but_not_to_the_same(bench: Bench) -> None:
    await bench.load(SHORT)
    session = bench.new("Be brief.")
    session.thread.edit_system("mine")
    session.take(msgspec.structs.replace(session.wanted))
    assert session.system == "mine"
    session.take(msgspec.structs.replace(session.wanted, system="poet"))
    assert (session.system, session.thread.system_edit) == ("poet", None)


async def test_an_empty_one_also_keeps_the_publishers_away(bench: Bench) -> None:
    await bench.load(SHORT, SHORT)
    session = bench.new()
    session.wanted = msgspec.structs.replace(session.wanted, publishers=True)
    loaded = msgspec.structs.replace(bench.host.loaded, defaults=ModelDefaults(system="I am Qwen."))
    assert session.settled(loaded).system == "I am Qwen."
    session.thread.edit_system("")
    assert session.settled(loaded).system == ""
    assert session.settled(loaded).origins["system"] == "edit"


async def test_not_while_an_answer_is_written(bench: Bench) -> None:
    await bench.load(ENDLESS)
    session = bench.new()
    events = session.send("go")
    await anext(events)
    with pytest.raises(UsageError, match="being written"):
        session.thread.edit_system("x")
    await session.cancel()
    async for _ in events:
        pass
    assert ChatMessage("system", "x") not in bench.engine.prompts[0]
