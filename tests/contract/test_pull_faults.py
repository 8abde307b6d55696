"""Pulling from a hub that is not at its best, and from mirrors that tell less."""

import asyncio
import hashlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from servers.hub_server import COMMIT, HubServer, hub_server

from llmtui.domain.fit import Room
from llmtui.domain.operations import Progress
from llmtui.errors import EngineError, LlmtuiError, ModelError, UsageError
from llmtui.services.models import DEMO_FILE
from llmtui.services.pull import Found, look_up, pull

REPOSITORY = "poets/demo-GGUF"
FILE = "demo-Q8_0.gguf"
DATA = DEMO_FILE.read_bytes()
GIB = 1 << 30


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with hub_server() as hub:
        hub.put(REPOSITORY, FILE, DEMO_FILE)
        yield hub


async def look(hub: HubServer, text: str = REPOSITORY, **how: object) -> Found:
    return await look_up(text, endpoint=hub.url, room=Room(available_bytes=64 * GIB), **how)


async def bring(found: Found, folder: Path) -> list[Progress]:
    assert found.recommended is not None
    return [progress async for progress in pull(found, found.recommended, folder)]


def names(folder: Path) -> list[str]:
    """What is there, but for the library's own folder, which stays empty."""
    return sorted(path.name for path in folder.iterdir() if path.name != "hf")


async def fails(hub: HubServer, text: str = REPOSITORY, **how: object) -> LlmtuiError:
    with pytest.raises(LlmtuiError) as caught:
        await look(hub, text, **how)
    assert caught.value.remedy
    return caught.value


async def test_a_busy_hub_is_asked_again(hub: HubServer, tmp_path: Path):
    hub.fail = [(500, {}), (429, {"Retry-After": "0"})]
    found = await look(hub)
    assert found.listing.commit == COMMIT
    hub.fail = [(503, {}), (429, {"Retry-After": "0"})]
    events = await bring(found, tmp_path)
    assert events[-1].path == str(tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == DATA


async def test_a_hub_that_stays_busy_is_told(hub: HubServer):
    hub.fail = [(429, {})] * 20
    error = await fails(hub)
    assert isinstance(error, EngineError)
    assert "429" in error.title


async def test_a_server_error_is_told(hub: HubServer):
    hub.fail = [(500, {})] * 20
    assert "(500)" in (await fails(hub)).title


async def test_gated_and_private_repositories_want_a_token(hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    hub.put("meta/gated", FILE, DEMO_FILE)
    hub.gated.add("meta/gated")
    hub.private.add(REPOSITORY)
    gated = await fails(hub, "meta/gated")
    assert "is gated" in gated.title
    assert "HF_TOKEN" in gated.remedy
    assert "HF_TOKEN" in (await fails(hub)).remedy
    monkeypatch.setenv("HF_TOKEN", hub.token)
    assert (await look(hub, "meta/gated")).matching


async def test_a_token_with_a_line_break_at_its_end_works(hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    hub.gated.add(REPOSITORY)
    monkeypatch.setenv("HF_TOKEN", f"{hub.token}\n")
    assert (await look(hub)).matching
    assert hub.asked[-1].headers["authorization"] == f"Bearer {hub.token}"


@pytest.mark.parametrize("token", ["hf_sec\nret", "hf_sec密ret"])
async def test_a_token_that_cannot_be_sent_is_not_shown(hub: HubServer, monkeypatch: pytest.MonkeyPatch, token: str):
    monkeypatch.setenv("HF_TOKEN", token)
    error = await fails(hub)
    assert error.title == "The token cannot be sent"
    assert "sec" not in str(error)
    assert hub.asked == []


async def test_a_token_on_the_disk_is_not_used(hub: HubServer, tmp_path: Path):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(hub.token)
    await look(hub)
    assert all("Authorization" not in asked.headers for asked in hub.asked)


@pytest.mark.parametrize(
    ("text", "how", "words"),
    [
        ("poets/none", {}, "has no repository"),
        (REPOSITORY, {"revision": "v9"}, "has no such revision"),
        (f"{REPOSITORY}/other.gguf", {}, "has no other.gguf"),
        (f"{REPOSITORY}:Q5_K_M", {}, "has no Q5_K_M"),
    ],
)
async def test_what_the_hub_does_not_have_is_the_users_words(hub: HubServer, text: str, how: dict, words: str):
    error = await fails(hub, text, **how)
    assert isinstance(error, UsageError)
    assert words in error.title


async def test_a_repository_without_gguf_files_says_so(hub: HubServer):
    hub.put("poets/torch", "model.safetensors", b"x")
    assert "no GGUF models" in (await fails(hub, "poets/torch")).title


async def test_a_projector_is_no_model(hub: HubServer):
    hub.put(REPOSITORY, "mmproj-demo.gguf", DEMO_FILE)
    assert "is not a language model" in (await fails(hub, f"{REPOSITORY}/mmproj-demo.gguf")).title


async def test_nobody_at_the_address():
    with pytest.raises(EngineError, match="cannot be reached"):
        await look_up(REPOSITORY, endpoint="http://127.0.0.1:1")


async def test_a_page_in_the_place_of_the_hub(hub: HubServer):
    assert isinstance(await fails(HubServer(url=hub.url + "/elsewhere")), LlmtuiError)


async def test_offline_mode_is_respected(hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in (await fails(hub)).remedy
    assert hub.asked == []


async def test_a_mirror_that_lists_no_checksums_is_checked_by_its_headers(hub: HubServer, tmp_path: Path):
    hub.plain = True
    found = await look(hub)
    assert found.matching[0].size_bytes is None
    assert (await bring(found, tmp_path))[-1].path == str(tmp_path / FILE)
    hub.sums[FILE] = "0" * 64
    (tmp_path / FILE).unlink()
    with pytest.raises(EngineError, match="arrived damaged"):
        await bring(found, tmp_path)
    assert names(tmp_path) == []


async def test_a_server_without_ranges_sends_all_again(hub: HubServer, tmp_path: Path):
    hub.ranges = False
    hub.cut_after, hub.cuts = len(DATA) // 2, 1
    await bring(await look(hub), tmp_path)
    assert (tmp_path / FILE).read_bytes() == DATA


async def test_all_parts_of_a_split_model_come(hub: HubServer, tmp_path: Path):
    for number in (1, 2):
        hub.put("poets/split", f"Q4_0/big-Q4_0-0000{number}-of-00002.gguf", DEMO_FILE)
    events = await bring(await look(hub, "poets/split:q4_0"), tmp_path)
    assert names(tmp_path) == [
        "big-Q4_0-00001-of-00002.gguf",
        "big-Q4_0-00002-of-00002.gguf",
    ]
    assert events[-1].path == str(tmp_path / "big-Q4_0-00001-of-00002.gguf")
    done = [event.done or 0 for event in events if event.stage == "downloading"]
    assert done == sorted(done)
    assert done[-1] == 2 * len(DATA)


async def test_what_is_there_already_is_not_fetched_again(hub: HubServer, tmp_path: Path):
    shutil.copy(DEMO_FILE, tmp_path / FILE)
    events = await bring(await look(hub), tmp_path)
    assert events[-1].path == str(tmp_path / FILE)
    assert hub.downloads() == []
    assert names(tmp_path) == [FILE]


async def test_another_file_of_that_name_is_not_touched(hub: HubServer, tmp_path: Path):
    (tmp_path / FILE).write_bytes(b"mine")
    with pytest.raises(ModelError, match="Another file of that name"):
        await bring(await look(hub), tmp_path)
    assert (tmp_path / FILE).read_bytes() == b"mine"


async def test_a_link_of_that_name_that_leads_nowhere_now_is_not_touched(hub: HubServer, tmp_path: Path):
    (tmp_path / FILE).symlink_to("/mnt/unplugged/model.gguf")
    with pytest.raises(ModelError, match="Another file of that name"):
        await bring(await look(hub), tmp_path)
    assert (tmp_path / FILE).is_symlink()


async def test_a_process_that_cannot_be_started_is_no_defect(hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    error = await fails(hub)
    assert error.title == "The downloading process cannot be started"
    assert "/nonexistent/python" in error.cause


async def test_a_disk_without_room_is_told_before(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=len(DATA))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match="too little room"):
        await bring(await look(hub), tmp_path)
    assert hub.downloads() == []
    assert names(tmp_path) == []


async def test_a_folder_that_cannot_be_written_is_told(hub: HubServer, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be put there"):
        await bring(await look(hub), tmp_path / "file" / "below")


async def test_a_partial_that_is_longer_than_the_file_begins_anew(hub: HubServer, tmp_path: Path):
    key = hashlib.sha256(DATA).hexdigest()[:16]
    (tmp_path / f".{FILE}.{key}.part").write_bytes(b"x" * (len(DATA) + 1))
    await bring(await look(hub), tmp_path)
    assert (tmp_path / FILE).read_bytes() == DATA


async def test_a_name_that_could_leave_the_folder_is_refused(hub: HubServer, tmp_path: Path):
    hub.put("poets/evil", "a/\x1b[2Jx-Q4_0.gguf", DEMO_FILE)
    with pytest.raises(ModelError, match="name that cannot be used"):
        await bring(await look(hub, "poets/evil"), tmp_path)


async def test_closing_the_generator_ends_the_process_within_a_second(hub: HubServer, tmp_path: Path):
    hub.gate = (len(DATA) // 2, threading.Event())
    found = await look(hub)
    assert found.recommended is not None
    events = pull(found, found.recommended, tmp_path)
    async for progress in events:
        if progress.done:
            break
    async with asyncio.timeout(1):
        await events.aclose()
    (partial,) = names(tmp_path)
    came = (tmp_path / partial).stat().st_size
    assert 0 < came < len(DATA)
    hub.gate[1].set()
    await bring(found, tmp_path)
    assert [asked.range for asked in hub.downloads()] == [None, f"bytes={came}-"]


async def test_a_file_that_no_hub_sends_is_refused_before(hub: HubServer, tmp_path: Path):
    found = await look(hub)
    (offer,) = found.matching
    huge = msgspec.structs.replace(offer.files[0], size_bytes=60 * 10**9)
    monster = msgspec.structs.replace(offer, files=(huge,))
    usage = shutil.disk_usage(tmp_path)._replace(free=10**12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(EngineError, match="larger than a hub sends"):
            await bring(msgspec.structs.replace(found, recommended=monster), tmp_path)
    assert names(tmp_path) == []


async def test_what_came_of_an_older_state_is_forgotten(hub: HubServer, tmp_path: Path):
    (tmp_path / f".{FILE}.0123456789abcdef.part").write_bytes(b"old")
    (tmp_path / ".other.gguf.0123456789abcdef.part").write_bytes(b"another file's")
    await bring(await look(hub), tmp_path)
    assert names(tmp_path) == [".other.gguf.0123456789abcdef.part", FILE]


async def test_no_proxy_leads_to_this_machine(hub: HubServer, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await look(hub)).matching
