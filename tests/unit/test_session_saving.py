"""Chats on the disk: written as they happen, through full, closed and hanging disks, and opened again."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from unit.session_bench import ENDLESS, INFO, READING, SHORT, Bench, SpyEngine, ask, until

from llmtui.domain.events import Finished
from llmtui.domain.messages import Message
from llmtui.domain.metrics import GpuReading, HostReading
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Sampling
from llmtui.domain.transcript import MessageRecord, PartialRecord
from llmtui.errors import StoreError
from llmtui.services import journal, turn_runner
from llmtui.services.session import ChatSession
from llmtui.store.transcripts import INTERRUPTED, encode_record, list_chats, read_transcript

pytestmark = pytest.mark.usefixtures("quiet_host")


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
