"""`llmtui models pull` against a hub on this machine: what comes, what stays, and what is said."""

import json
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from e2e.command import DEMO, POEM, RECITE, environment, llmtui
from servers.hub_server import COMMIT, HubServer, hub_server

REPOSITORY = "poets/demo-GGUF"
FILE = "demo-Q8_0.gguf"
SIZE = DEMO.stat().st_size
HALF = SIZE // 2


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with hub_server() as hub:
        hub.put(REPOSITORY, FILE, DEMO)
        hub.put(REPOSITORY, "README.md", b"# demo")
        yield hub


def pull(user: dict[str, str], hub: HubServer, *args: str, **more: Any) -> "subprocess.CompletedProcess[bytes]":
    return llmtui({**user, "HF_ENDPOINT": hub.url, "HF_HOME": user["HOME"] + "/hf"}, "models", "pull", *args, **more)


def home(user: dict[str, str]) -> Path:
    return Path(user["LLMTUI_DATA_DIR"], "models", REPOSITORY)


def left(user: dict[str, str]) -> dict[str, int]:
    """Names and sizes in the repository's folder."""
    return {path.name: path.stat().st_size for path in home(user).iterdir()} if home(user).exists() else {}


def test_a_pulled_model_is_listed_and_chats(user: dict[str, str], hub: HubServer) -> None:
    done = pull(user, hub, REPOSITORY)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip() == str(home(user) / FILE)
    told = done.stderr.decode()
    assert "downloading demo-Q8_0.gguf · 0 %" in told
    assert "downloading demo-Q8_0.gguf · 100 %" in told
    assert "checking demo-Q8_0.gguf · 100 %" in told
    assert (home(user) / FILE).read_bytes() == DEMO.read_bytes()
    assert left(user) == {FILE: SIZE}

    listed = json.loads(llmtui(user, "models", "--json").stdout)["models"]
    assert [info["name"] for info in listed] == ["demo", "demo-Q8_0"]
    answer = llmtui(user, "ask", "-m", "demo-Q8_0", "--temperature", "0", RECITE)
    assert answer.stdout.decode().strip() == POEM


def test_json_says_what_came_and_nothing_else_is_written(user: dict[str, str], hub: HubServer, tmp_path: Path) -> None:
    done = pull(user, hub, f"{REPOSITORY}:q8_0", "-o", str(tmp_path / "here"), "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {
        "path": str(tmp_path / "here" / FILE),
        "repository": REPOSITORY,
        "commit": COMMIT,
        "files": [FILE],
        "quantisation": "Q8_0",
        "size_bytes": SIZE,
    }
    assert not Path(user["HOME"], "hf").exists()


def test_after_a_cut_only_the_rest_is_asked_for(user: dict[str, str], hub: HubServer) -> None:
    hub.cut_after, hub.cuts, hub.refuse_after_cut = HALF, 1, 403
    done = pull(user, hub, REPOSITORY)
    assert done.returncode == 3
    assert "The hub refuses poets/demo-GGUF (403)" in done.stderr.decode()
    assert done.stdout == b""
    (name, came), *others = left(user).items()
    assert not others
    assert name.startswith(f".{FILE}.")
    assert name.endswith(".part")
    assert 0 < came <= HALF
    assert [info["name"] for info in json.loads(llmtui(user, "models", "--json").stdout)["models"]] == ["demo"]

    hub.cut_after = None
    hub.asked.clear()
    hub.sent = 0
    assert pull(user, hub, REPOSITORY).returncode == 0
    assert [asked.range for asked in hub.downloads()] == [f"bytes={came}-"]
    assert hub.sent == SIZE - came
    assert left(user) == {FILE: SIZE}
    assert (home(user) / FILE).read_bytes() == DEMO.read_bytes()


def test_a_wrong_checksum_leaves_nothing(user: dict[str, str], hub: HubServer) -> None:
    hub.sums[FILE] = "0" * 64
    done = pull(user, hub, REPOSITORY)
    assert done.returncode == 3
    assert "arrived damaged" in done.stderr.decode()
    assert left(user) == {}


def test_what_is_no_model_gets_no_name(user: dict[str, str], hub: HubServer) -> None:
    hub.put("poets/page", "model-Q4_0.gguf", b"<html>not here</html>" * 500)
    done = pull(user, hub, "poets/page")
    assert done.returncode == 3
    assert "not a GGUF file" in done.stderr.decode()
    assert not list(Path(user["LLMTUI_DATA_DIR"], "models", "poets", "page").iterdir())


def test_a_full_disk_keeps_what_came(user: dict[str, str], hub: HubServer) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF))

    done = pull(user, hub, REPOSITORY, preexec_fn=little_room)
    assert done.returncode == 3
    assert "The disk is full" in done.stderr.decode()
    (name, came), *others = left(user).items()
    assert not others
    assert name.endswith(".part")
    assert came == HALF
    assert pull(user, hub, REPOSITORY).returncode == 0
    assert left(user) == {FILE: SIZE}


def test_an_interrupt_ends_it_at_once_and_keeps_what_came(user: dict[str, str], hub: HubServer) -> None:
    hub.gate = (HALF, threading.Event())
    command = [sys.executable, "-m", "llmtui", "models", "pull", REPOSITORY]
    with subprocess.Popen(
        command,
        env={**environment(user), "HF_ENDPOINT": hub.url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        wait_until(lambda: any(size > HALF // 2 for size in left(user).values()))
        second = pull(user, hub, REPOSITORY)
        assert second.returncode == 3
        assert "is being pulled already" in second.stderr.decode()
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=10)
    assert running.returncode == 130
    assert "what has come is kept" in told.decode()
    (name,) = left(user)
    assert name.endswith(".part")
    wait_until(lambda: fetching(user) == [])


def wait_until(condition: Any) -> None:
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to pass")


def fetching(user: dict[str, str]) -> list[str]:
    """The fetching processes of this test's user."""
    found = []
    for process in psutil.process_iter():
        try:
            if "llmtui.engines.hub.worker" in process.cmdline() and user["HOME"] == process.environ().get("HOME"):
                found.append(str(process))
        except psutil.Error:
            continue
    return found
