"""What a command begins with: configuration, folders, and the chat that is meant."""

from pathlib import Path

import pytest

from llmtui.domain.messages import Message
from llmtui.domain.transcript import ChatRecord, MessageRecord
from llmtui.errors import ConfigError, StoreError, UsageError
from llmtui.services.chats import find_chat
from llmtui.services.setup import prepare
from llmtui.store.paths import Folders
from llmtui.store.transcript_writer import TranscriptWriter

NOW = "2026-11-20T12:00:00+00:00"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folders:
    monkeypatch.setenv("LLMTUI_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LLMTUI_CONFIG_DIR", str(tmp_path / "config"))
    return Folders.resolve()


def keep_chat(folders: Folders, chat_id: str) -> Path:
    path = folders.chats_dir / f"{chat_id}.jsonl"
    writer = TranscriptWriter(path)
    question = Message(id="m1", parent_id=None, role="user", content="hello", created_at=NOW)
    writer.append(ChatRecord(id=chat_id, created_at=NOW, llmtui="0.1.0"), MessageRecord(message=question))
    writer.close()
    return path


def test_options_go_over_the_configuration(folders: Folders) -> None:
    folders.config_dir.mkdir()
    folders.config_file.write_text("[runtime]\ncontext = 512\nthreads = 3\n")
    plain, given = prepare(), prepare(context=1024)
    assert (plain.host.runtime.context, plain.host.runtime.threads) == (512, 3)
    assert (given.host.runtime.context, given.host.runtime.threads) == (1024, 3)
    assert not folders.data_dir.exists()


def test_a_bad_configuration_stops_the_command(folders: Folders) -> None:
    folders.config_dir.mkdir()
    folders.config_file.write_text("[runtime]\ncontxt = 512\n")
    with pytest.raises(ConfigError, match="context"):
        prepare()


def test_a_chat_is_found_by_id_beginning_file_name_and_path(folders: Folders, tmp_path: Path) -> None:
    first, second = keep_chat(folders, "20260101-aaaa"), keep_chat(folders, "20260101-bbbb")
    assert find_chat(folders, "20260101-aaaa") == first
    assert find_chat(folders, "20260101-b") == second
    elsewhere = second.rename(tmp_path / "kept.jsonl")
    assert find_chat(folders, str(elsewhere)) == elsewhere
    dated = first.rename(first.with_name("20260101-120000-aaaa.jsonl"))
    assert find_chat(folders, dated.stem) == dated


def test_an_unclear_chat_lists_what_there_is(folders: Folders) -> None:
    with pytest.raises(UsageError, match="No chat is kept"):
        find_chat(folders, "2026")
    keep_chat(folders, "20260101-aaaa")
    keep_chat(folders, "20260101-bbbb")
    with pytest.raises(UsageError, match=r"Several chats.*20260101-") as several:
        find_chat(folders, "2026")
    assert "20260101-aaaa" in several.value.cause
    assert "20260101-bbbb" in several.value.cause
    with pytest.raises(UsageError, match=r"There is no chat `x`.*newest are 20260101-"):
        find_chat(folders, "x")


def test_a_file_that_is_no_chat_is_refused_before_the_screen_changes(folders: Folders, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear friend,\n")
    with pytest.raises(StoreError, match="not a chat"):
        find_chat(folders, str(letter))


def test_settings_of_two_places_that_exclude_each_other_are_refused_with_both(folders: Folders, tmp_path: Path) -> None:
    folders.config_dir.mkdir()
    folders.config_file.write_text('[runtime]\nflash_attention = "off"\n')
    poet = tmp_path / "poet.yaml"
    poet.write_text("runtime:\n  kv_type_v: q8_0\n")
    for given in ({"kv_type_v": "q8_0"}, {"profile": str(poet)}):
        with pytest.raises(UsageError, match=r"`kv_type_v` by (flag|profile poet)") as caught:
            prepare(**given)
        assert "`flash_attention` by config" in caught.value.cause
    assert prepare(profile=str(poet), flash_attention="on").host.runtime.kv_type_v == "q8_0"
