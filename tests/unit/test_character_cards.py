"""Characters of other programs: what becomes of them, and what is said about files that are broken or hostile."""

import base64
import contextlib
import json
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmtui.domain.profile import Character
from llmtui.errors import ConfigError, UsageError
from llmtui.services.profile_import import import_profile, profile_of
from llmtui.services.profiles import load_profile
from llmtui.store import character_cards
from llmtui.store.character_cards import read_card
from llmtui.store.paths import Folders
from llmtui.store.profiles import user_folder

LIN = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Lin",
        "description": "{{char}} keeps a tea room. <USER> is a guest.",
        "personality": "calm",
        "scenario": "A night train.",
        "first_mes": "Good evening, {{User}}.",
        "mes_example": "<START>\n{{user}}: Tea?\n{{char}}: Black.\n<START>\n<USER>: Far?\n<BOT>: No.",
        "system_prompt": "{{original}} Be brief.",
        "creator_notes": "A quiet\nlady.",
        "alternate_greetings": ["Hm."],
        "post_history_instructions": "x",
        "character_book": {"entries": [{}, {}]},
        "tags": ["tea"],
    },
}


def chunk(kind: bytes, data: bytes, *, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def picture(*chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0\0\0\0"))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def kept(card: object, keyword: bytes = b"chara") -> bytes:
    return chunk(b"tEXt", keyword + b"\0" + base64.b64encode(json.dumps(card).encode()))


def put(folder: Path, data: bytes | str, name: str = "card.png") -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        profile_of(read_card(path), path)
    assert caught.value.cause.startswith(str(path))
    return caught.value.cause


def test_a_card_in_a_picture_becomes_a_profile_that_can_be_used(folders: Folders, tmp_path: Path) -> None:
    found = import_profile(folders, put(tmp_path, picture(kept(LIN))))
    assert (found.name, found.format) == ("lin", "character card v2")
    profile = load_profile(folders, "lin")
    assert profile == found.profile
    assert profile.character == Character(
        name="Lin",
        user_name="You",
        context="{{char}} keeps a tea room. {{user}} is a guest.\n\n{{char}}: calm\n\nA night train.",
        greeting="Good evening, {{user}}.",
        example_dialogue="{{user}}: Tea?\n{{char}}: Black.\n\n{{user}}: Far?\n{{char}}: No.",
    )
    assert (profile.mode, profile.system, profile.language) == ("chat-instruct", "Be brief.", None)
    assert profile.description == "A quiet lady."
    assert found.notes == (
        "1 other greetings were left out",
        "its lore book was left out (2 entries)",
        "its instructions behind the conversation were left out",
    )


def test_a_profile_that_is_there_is_not_replaced_unasked(folders: Folders, tmp_path: Path) -> None:
    card = put(tmp_path, json.dumps(LIN), "a.json")
    import_profile(folders, card)
    with pytest.raises(UsageError, match="called lin already"):
        import_profile(folders, card)
    assert import_profile(folders, card, force=True).name == "lin"
    assert import_profile(folders, card, name="other").name == "other"
    with pytest.raises(UsageError):
        import_profile(folders, card, name="../up")
    assert not list(user_folder(folders).parent.glob("*.yaml"))


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"zTXt", b"chara\0\0" + zlib.compress(base64.b64encode(json.dumps(LIN).encode())))],
        [chunk(b"iTXt", b"chara\0\0\0\0\0" + base64.b64encode(json.dumps(LIN).encode()))],
        [chunk(b"iTXt", b"Chara\0\1\0en\0x\0" + zlib.compress(base64.b64encode(json.dumps(LIN).encode())))],
        [kept({"name": "old", "description": "x"}), kept({**LIN, "spec": "chara_card_v3"}, b"ccv3")],
        [chunk(b"tEXt", b"Software\0x"), kept(LIN)],
        [chunk(b"tEXt", b"chara\0" + base64.encodebytes(json.dumps(LIN).encode()).replace(b"=", b""))],
    ],
)
def test_every_way_to_keep_a_card_in_a_picture(tmp_path: Path, chunks: list[bytes]) -> None:
    path = put(tmp_path, picture(*chunks))
    profile, _ = profile_of(read_card(path), path)
    assert profile.character is not None
    assert profile.character.name == "Lin"


@pytest.mark.parametrize(
    ("name", "text", "character"),
    [
        (
            "a.yaml",
            "name: 小林\ncontext: 小林是茶馆的主人。\ngreeting: |-\n  晚上好，<USER>。\n",
            Character(name="小林", user_name="用户", context="小林是茶馆的主人。", greeting="晚上好，{{user}}。"),
        ),
        (
            "b.json",
            '{"char_name": "Bo", "char_persona": "a cat", "char_greeting": "Meow", "world_scenario": "A roof."}',
            Character(name="Bo", context="a cat\n\nA roof.", greeting="Meow"),
        ),
        ("c.json", '\ufeff{"name": 7, "context": "x", "greeting": null}', Character(name="7", context="x")),
        ("d.json", '{"name": "", "first_mes": "Hi"}', Character(name="d", greeting="Hi")),
    ],
)
def test_characters_of_text_generation_webui(tmp_path: Path, name: str, text: str, character: Character) -> None:
    path = put(tmp_path, text, name)
    assert profile_of(read_card(path), path)[0].character == character


def test_what_a_page_or_a_terminal_would_act_on_is_taken_out(tmp_path: Path) -> None:
    card = {
        "name": "E\x1b[31mve\u202e\n!",
        "description": "a<script>alert(1)</script>b<!-- c --><IMG src=x>d\x1b]0;t\x07\u200be <b>f</b> {{random:1,2}}",
        "first_mes": "<style>*{}</style>Hi\x00\u2028there<script>never ends",
    }
    path = put(tmp_path, json.dumps(card), "x.json")
    profile, notes = profile_of(read_card(path), path)
    assert profile.character is not None
    assert profile.character.name == "E[31mve !"
    assert profile.character.context == "abd]0;te <b>f</b> {{random:1,2}}"
    assert profile.character.greeting == "Hithere"
    assert any("scripts or markup" in note for note in notes)
    assert any("control or invisible" in note for note in notes)
    assert any("{{random:1,2}}" in note for note in notes)


def test_what_is_wrong_with_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = picture(kept(LIN))
    assert "keeps no card" in refused(put(tmp_path, picture()))
    assert "ends too early" in refused(put(tmp_path, whole[:60]))
    assert "ends too early" in refused(put(tmp_path, whole[:8]))
    assert "ends too early" in refused(put(tmp_path, whole[:8] + b"\xff\xff\xff\xfftEXt" + b"a" * 20))
    assert "checksum" in refused(put(tmp_path, picture(chunk(b"tEXt", b"chara\0e30=", crc=1))))
    assert "not base64" in refused(put(tmp_path, picture(chunk(b"tEXt", b"chara\0{{{"))))
    assert "not valid" in refused(put(tmp_path, picture(chunk(b"tEXt", b"chara\0" + base64.b64encode(b"{")))))
    assert "cannot be unpacked" in refused(put(tmp_path, picture(chunk(b"zTXt", b"chara\0\0junk"))))
    short = zlib.compress(b"x" * 999)[:-6]
    assert "ends too early" in refused(put(tmp_path, picture(chunk(b"zTXt", b"chara\0\0" + short))))
    bomb = zlib.compress(b"A" * (40 << 20))
    assert len(bomb) < 100_000
    for packed in (chunk(b"zTXt", b"chara\0\0" + bomb), chunk(b"iTXt", b"chara\0\1\0\0\0" + bomb)):
        assert "unpacks to more than 16 MiB" in refused(put(tmp_path, picture(packed)))
    monkeypatch.setattr(character_cards, "MAX_CARD", 1000)
    assert "more than" in refused(put(tmp_path, b"x" * 1001))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b"\xff\xd8\xff\xe0JFIF", "not PNG"),
        (b'{"a": 1}', "holds no card"),
        (b'{"name": ', "not valid"),
        (b'{"name": "a", "description": ["x"]}', "$.description must be a text, not list"),
        (b'{"name": "a", "description": "' + b"x" * (1 << 21) + b'"}', "longer than 1,048,576"),
        (b"{" * 100_000, "not valid"),
        (b"[1, 2]", "it is no character"),
        (b"name: a\nname: b\n", "line 2: the key `name` is there twice"),
        (b"\xfe\xff\x00a", "not UTF-8"),
        (b"just words", "it is no character"),
        (b'{"spec": "chara_card_v2", "data": []}', "holds no card"),
        (b'{"name": "\xff"}', "not valid"),
    ],
)
def test_what_is_wrong_with_a_text(tmp_path: Path, data: bytes, told: str) -> None:
    assert told in refused(put(tmp_path, data, "card.json"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(ConfigError):
            read_card(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 900), at=st.integers(0, 900), byte=st.integers(0, 255))
def test_a_damaged_picture_is_read_or_refused(tmp_path: Path, cut: int, at: int, byte: int) -> None:
    data = bytearray(picture(kept(LIN)))
    data[at % len(data)] = byte
    path = put(tmp_path, bytes(data[: len(data) - cut % 300]))
    with contextlib.suppress(ConfigError):
        profile_of(read_card(path), path)
