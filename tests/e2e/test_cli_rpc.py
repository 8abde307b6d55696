"""`--rpc`: a model over several machines, with a build of llama.cpp that can and with one that cannot."""

import json
import re
from pathlib import Path

import pytest
from e2e.command import POEM, RECITE, llmtui
from servers.rpc_worker import rpc_worker

from llmtui.engines.llama.features import read_features


@pytest.fixture(scope="module")
def has_rpc() -> bool:
    return read_features().rpc


def test_a_build_without_rpc_says_how_to_get_one(user: dict[str, str], *, has_rpc: bool) -> None:
    if has_rpc:
        pytest.skip("this build has RPC")
    done = llmtui(user, "ask", "-m", "demo", "--rpc", "127.0.0.1:50052,10.0.0.2:50052", "hello")
    assert done.returncode == 3
    told = done.stderr.decode()
    assert "This llama.cpp was built without RPC" in told
    assert "127.0.0.1:50052, 10.0.0.2:50052" in told
    assert 'CMAKE_ARGS="-DGGML_RPC=on" scripts/llmtui' in told


def test_endpoints_are_checked_wherever_they_are_written(user: dict[str, str], tmp_path: Path) -> None:
    flag = llmtui(user, "ask", "-m", "demo", "--rpc", "::1:50052", "hello")
    assert (flag.returncode, b"'::1:50052' is not HOST:PORT" in flag.stderr) == (2, True)
    profile = tmp_path / "far.yaml"
    profile.write_text("runtime: {rpc: [nowhere]}\n", encoding="utf-8")
    checked = llmtui(user, "profiles", "check", str(profile))
    assert (checked.returncode, b"'nowhere' in `rpc` is not of the form host:port" in checked.stdout) == (1, True)
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text('[runtime]\nrpc = ["nowhere"]\n', encoding="utf-8")
    config = llmtui(user, "ask", "-m", "demo", "hello")
    assert (config.returncode, b"line 1: `runtime`: 'nowhere' in `rpc`" in config.stderr) == (2, True)


def test_a_model_is_spread_over_workers_and_answers_the_same(user: dict[str, str], *, has_rpc: bool) -> None:
    if not has_rpc:
        pytest.skip("this build has no RPC")
    with rpc_worker() as (first, _), rpc_worker() as (second, victim):
        endpoints = f"{first},{second}"
        args = ("ask", "-m", "demo", "--temperature", "0", "--json", RECITE)
        done = llmtui(user, *args, "--rpc", endpoints)
        assert done.returncode == 0, done.stderr.decode()
        answer = json.loads(done.stdout)
        assert answer["content"].strip() == POEM
        assert answer["manifest"]["runtime"]["rpc"] == [first, second]
        told = llmtui(user, "run", "li-bai", "-m", "demo", "--limit", "3", "--rpc", endpoints)
        assert told.returncode == 0, told.stderr.decode()
        for endpoint in (first, second):  # as llama.cpp logs where it has put the weights
            assert re.search(rf"RPC\d\[{re.escape(endpoint)}\] \d[\d.]* MiB", told.stderr.decode())
        victim.kill()
        victim.wait()
        off = llmtui(user, *args, "--rpc", endpoints)
        assert off.returncode == 3
        assert f"The RPC worker {second} cannot be reached" in off.stderr.decode()
