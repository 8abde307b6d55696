"""Transcripts: what was written is read again, whatever happened to the disk or the program in between."""

import errno
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmtui.domain.messages import Message
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.transcript import (
    ChatRecord,
    EndRecord,
    HeadRecord,
    Manifest,
    MessageRecord,
    PartialRecord,
    Record,
    TurnRecord,
)
from llmtui.errors import StoreError
from llmtui.store.transcript_writer import TranscriptWriter
from llmtui.store.transcripts import INTERRUPTED, encode_record, list_chats, read_chats, read_transcript

CHAT = ChatRecord(id="c1", created_at="2026-01-01T00:00:00+00:00", llmtui="0.1.0")


def message(ident: str, parent: str | None, role: str = "user", content: str = "hi", **rest: str) -> MessageRecord:
    fields = {"id": ident, "parent_id": parent, "role": role, "content": content, "created_at": "t", **rest}
    return MessageRecord(message=msgspec.convert(fields, Message))


def answer(ident: str, parent: str, content: str = "yes") -> MessageRecord:
    return message(ident, parent, "assistant", content, model="m", finish_reason="stop")


def partial(offset: int, text: str, ident: str = "a1") -> PartialRecord:
    return PartialRecord(id=ident, parent_id="u1", model="m", offset=offset, text=text, created_at="t")


def turn(ident: str) -> TurnRecord:
    manifest = Manifest(model="m", engine="scripted", engine_build="1", llmtui="0")
    return TurnRecord(
        message_id=ident, finish_reason="stop", metrics=TurnMetrics(decode_tps=5.0), manifest=manifest, summary="s"
    )


def write(path: Path, *records: Record, tail: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(encode_record(record) for record in records) + tail)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chats" / "chat.jsonl"


def test_the_file_comes_with_the_first_record_and_is_private(path: Path) -> None:
    writer = TranscriptWriter(path)
    assert not path.parent.exists()

    writer.append(CHAT, message("u1", None), sync=True)
    writer.append(answer("a1", "u1"), turn("a1"), EndRecord(ended_at="t"))
    writer.close()

    assert writer.problem is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    transcript = read_transcript(path)
    assert transcript.chat == CHAT
    assert [each.id for each in transcript.conversation] == ["u1", "a1"]
    assert transcript.turns == {"a1": turn("a1")}


def test_partial_answers_join_and_are_interrupted(path: Path) -> None:
    write(path, CHAT, message("u1", None), partial(0, "床前"), partial(2, "明月"), partial(4, "光"))

    last = read_transcript(path).conversation[-1]

    assert (last.id, last.parent_id, last.content) == ("a1", "u1", "床前明月光")
    assert (last.finish_reason, last.error) == ("error", INTERRUPTED)


def test_a_partial_record_that_was_written_twice_counts_once(path: Path) -> None:
    write(path, CHAT, message("u1", None), partial(0, "ab"), partial(2, "cd"), partial(2, "cd"), partial(4, "e"))

    assert read_transcript(path).conversation[-1].content == "abcde"


def test_the_whole_message_replaces_its_partial_ones(path: Path) -> None:
    write(path, CHAT, message("u1", None), partial(0, "ye"), answer("a1", "u1", "yes"), partial(2, "late"))

    transcript = read_transcript(path)

    assert [each.content for each in transcript.messages] == ["hi", "yes"]
    assert transcript.conversation[-1].error is None


def test_siblings_leave_the_conversation_but_not_the_file(path: Path) -> None:
    write(path, CHAT, message("u1", None), answer("a1", "u1"), answer("a2", "u1"), message("u2", "a2"))

    transcript = read_transcript(path)

    assert [each.id for each in transcript.conversation] == ["u1", "a2", "u2"]
    assert [each.id for each in transcript.messages] == ["u1", "a1", "a2", "u2"]


def test_a_head_record_moves_the_end(path: Path) -> None:
    write(path, CHAT, message("u1", None), answer("a1", "u1"), HeadRecord(message_id="u1"))

    assert [each.id for each in read_transcript(path).conversation] == ["u1"]


def test_parents_in_a_circle_end(path: Path) -> None:
    write(path, CHAT, message("u1", "a1"), answer("a1", "u1"))

    assert [each.id for each in read_transcript(path).conversation] == ["u1", "a1"]


def test_line_separators_of_unicode_are_text(path: Path) -> None:
    content = "a\u2028b\u2029c\x85d\r\ne\x0bf"
    write(path, CHAT, message("u1", None, content=content))

    assert read_transcript(path).messages[0].content == content


def test_a_torn_last_line_is_left_out_and_cut_when_reopened(path: Path) -> None:
    write(path, CHAT, message("u1", None), tail=b'{"record":"message","message":{"id":"x"')
    size = path.stat().st_size

    assert [each.id for each in read_transcript(path).messages] == ["u1"]
    assert path.stat().st_size == size, "reading changes nothing"

    writer = TranscriptWriter.reopen(path)
    writer.append(answer("a1", "u1"))
    writer.close()

    transcript = read_transcript(path)
    assert [each.id for each in transcript.messages] == ["u1", "a1"]
    assert transcript.damaged == 0


def test_a_torn_line_longer_than_a_block_is_cut(path: Path) -> None:
    write(path, CHAT, message("u1", None), tail=b'{"record":"message"' + b"x" * 200_000)

    TranscriptWriter.reopen(path).close()

    assert path.read_bytes() == encode_record(CHAT) + encode_record(message("u1", None))


def test_what_stood_before_a_damaged_message_stays_in_the_conversation(path: Path) -> None:
    before = [encode_record(each) for each in (CHAT, message("u1", None), answer("a1", "u1"))]
    after = [encode_record(each) for each in (answer("a2", "u2"), message("u3", "a2"))]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join([*before, b'{"record":"message","mess\n', *after]))

    transcript = read_transcript(path)

    assert transcript.damaged == 1
    assert [each.id for each in transcript.conversation] == ["u1", "a1", "a2", "u3"]


def test_an_interrupted_answer_goes_on_with_what_stood_before_it(path: Path) -> None:
    lost = PartialRecord(id="a2", parent_id="u2", model="m", offset=0, text="so", created_at="t")
    write(path, CHAT, message("u1", None), answer("a1", "u1"), lost, message("u3", "a2"), answer("a3", "u3"))

    assert [each.id for each in read_transcript(path).conversation] == ["u1", "a1", "a2", "u3", "a3"]


def test_a_pipe_in_place_of_a_chat_is_not_waited_for(path: Path) -> None:
    good = write(path, CHAT, message("u1", None))
    os.mkfifo(path.with_name("pipe.jsonl"))

    assert [chat.path for chat in list_chats(path.parent)] == [str(good)]
    assert read_chats(path.parent).unreadable == ("pipe.jsonl",)
    with pytest.raises(StoreError, match="not a regular file"):
        read_transcript(path.with_name("pipe.jsonl"))


def test_impossible_offsets_cut_nothing(path: Path) -> None:
    write(path, CHAT, message("u1", None), partial(0, "abcd"), partial(-3, "x"), partial(6, "gh"))

    transcript = read_transcript(path)

    assert transcript.conversation[-1].content == "abcdgh"
    assert transcript.damaged == 1


def test_a_reopened_chat_that_cannot_be_written_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, CHAT, message("u1", None))
    with monkeypatch.context() as patch:
        patch.setattr("llmtui.store.transcript_writer.os.open", _read_only)
        writer = TranscriptWriter.reopen(path)
        writer.retry()
        assert "read-only" in (writer.problem or "")

    writer.retry()
    assert writer.problem is None
    writer.close()


def _read_only(*_words: object) -> int:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_damaged_line_costs_itself_only(path: Path) -> None:
    write(path, CHAT, message("u1", None))
    with path.open("ab") as file:
        file.write(b"\x00\xff\n{}\n[1]\n\n" + encode_record(answer("a1", "u1")))

    transcript = read_transcript(path)

    assert transcript.damaged == 3
    assert [each.id for each in transcript.conversation] == ["u1", "a1"]


def test_records_of_newer_versions_are_left_alone(path: Path) -> None:
    write(path, CHAT, message("u1", None), tail=b'{"record":"vote","for":"a1"}\n')

    transcript = read_transcript(path)

    assert (transcript.unknown, transcript.damaged) == (1, 0)


@pytest.mark.parametrize("schema", ["llmtui.transcript/2", "other/1"])
def test_a_newer_schema_is_refused_with_a_remedy(path: Path, schema: str) -> None:
    write(path, msgspec.structs.replace(CHAT, schema=schema), message("u1", None))

    with pytest.raises(StoreError) as caught:
        read_transcript(path)

    assert schema in caught.value.cause
    assert "Update" in caught.value.remedy


def test_a_newer_header_of_another_shape_is_refused_too(path: Path) -> None:
    write(path, tail=b'{"record":"chat","schema":"llmtui.transcript/2","head":{}}\n')

    with pytest.raises(StoreError, match="another version"):
        read_transcript(path)


def test_a_file_that_is_no_chat_is_refused(path: Path) -> None:
    write(path, tail=b"hello\n")

    with pytest.raises(StoreError, match="not a chat"):
        read_transcript(path)


def test_a_chat_that_is_open_elsewhere_is_refused(path: Path) -> None:
    first = TranscriptWriter(path)
    first.append(CHAT, message("u1", None))

    with pytest.raises(StoreError, match="open in another llmtui"):
        TranscriptWriter.reopen(path)

    first.close()
    TranscriptWriter.reopen(path).close()


def test_a_full_disk_keeps_the_records_until_there_is_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = TranscriptWriter(path)
    writer.append(CHAT, message("u1", None))
    real, whole = os.write, path.stat().st_size

    def half_then_full(fd: int, data: bytes) -> int:
        if os.lseek(fd, 0, os.SEEK_END) == whole:
            return real(fd, bytes(data)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    writer.append(answer("a1", "u1"))
    writer.append(message("u2", "a1"), sync=True)
    assert writer.problem is not None
    assert "disk is full" in writer.problem
    assert str(path) in writer.problem
    assert [each.id for each in read_transcript(path).messages] == ["u1"], "what is torn is left out"

    monkeypatch.setattr(os, "write", real)
    writer.append(turn("a1"))
    writer.close()

    assert writer.problem is None
    transcript = read_transcript(path)
    assert [each.id for each in transcript.conversation] == ["u1", "a1", "u2"]
    assert transcript.damaged == 0


def test_a_folder_that_cannot_be_made_is_a_problem_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    writer = TranscriptWriter(tmp_path / "file" / "chats" / "c.jsonl")

    writer.append(CHAT, message("u1", None), sync=True)

    assert writer.problem is not None
    (tmp_path / "file").unlink()
    writer.append(answer("a1", "u1"))
    assert writer.problem is None
    assert len(read_transcript(writer.path).messages) == 2


def test_a_deleted_file_is_noticed(path: Path) -> None:
    writer = TranscriptWriter(path)
    writer.append(CHAT, message("u1", None), sync=True)
    path.unlink()

    writer.append(answer("a1", "u1"), sync=True)

    assert "deleted" in (writer.problem or "")


def test_text_that_utf8_cannot_hold_is_written_all_the_same(path: Path) -> None:
    writer = TranscriptWriter(path)
    writer.append(CHAT, message("u1", None, content="a\ud800b"))
    writer.close()

    assert writer.problem is None
    assert read_transcript(path).messages[0].content == "a\ufffdb"


def test_the_list_is_newest_first_and_skips_what_is_no_chat(tmp_path: Path) -> None:
    long = "第一个问题\x1b[2J\n" + "很长" * 100
    write(tmp_path / "old.jsonl", CHAT, message("u1", None, content="old"), answer("a1", "u1"), turn("a1"))
    write(tmp_path / "new.jsonl", message("s", None, "system"), message("u1", "s", content=long), tail=b"{torn")
    write(tmp_path / "empty.jsonl")
    write(tmp_path / "noise.jsonl", tail=b"\xff\xfe\n{}\n")
    (tmp_path / "folder.jsonl").mkdir()
    os.utime(tmp_path / "old.jsonl", ns=(1, 1))

    new, old = list_chats(tmp_path)

    assert (old.id, old.title, old.turns, old.model) == ("c1", "old", 1, "m")
    assert new.id == "new"
    assert new.title.startswith("第一个问题␛[2J 很长")
    assert len(new.title) == 60
    assert list_chats(tmp_path / "nowhere") == []


def test_a_question_that_looks_like_a_record_is_not_counted(tmp_path: Path) -> None:
    write(tmp_path / "c.jsonl", CHAT, message("u1", None, content='\n{"record":"turn"'))

    assert list_chats(tmp_path)[0].turns == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_anywhere_loses_at_most_its_last_record(tmp_path: Path, data: st.DataObject) -> None:
    records = [CHAT, message("u1", None), answer("a1", "u1"), turn("a1"), message("u2", "a1"), answer("a2", "u2")]
    lines = [encode_record(record) for record in records]
    whole = b"".join(lines)
    cut = data.draw(st.integers(len(lines[0]), len(whole)))
    path = tmp_path / "cut.jsonl"
    path.write_bytes(whole[:cut])

    transcript = read_transcript(path)

    complete = whole[:cut].count(b"\n")
    assert transcript.damaged == 0
    assert len(transcript.messages) + len(transcript.turns) + 1 == complete


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_a_transcript_or_a_store_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(data)
    error = None
    try:
        read_transcript(path)
    except StoreError as caught:
        error = caught
    assert error is None or error.remedy
    assert len(list_chats(tmp_path)) <= 1


def test_files_that_no_chat_can_be_read_from_are_named_and_empty_ones_are_not(path: Path) -> None:
    good = write(path, CHAT, message("u1", None))
    write(path.with_name("no-question.jsonl"), CHAT)
    path.with_name("empty.jsonl").touch()
    path.with_name("notes.txt").write_text("no chat")
    for name, content in (("zeros", b"\x00" * 40), ("text", b"hello\nyou\n"), ("other", b'{"record":"message"}\n')):
        path.with_name(f"{name}.jsonl").write_bytes(content)
    path.with_name("dangling.jsonl").symlink_to(path.with_name("gone"))

    found = read_chats(path.parent)
    assert [chat.path for chat in found.chats] == [str(good)]
    assert found.unreadable == ("dangling.jsonl", "other.jsonl", "text.jsonl", "zeros.jsonl")
