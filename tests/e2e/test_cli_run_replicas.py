"""`llmtui run` over several real llama.cpp servers that share the load."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from e2e.command import DEMO, environment, llmtui
from servers.llama_server import llama_process, llama_server

KILLED_S = 120


def configure(user: dict[str, str], *addresses: str) -> None:
    urls = ", ".join(f'"{address}/v1"' for address in addresses)
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text(f"[servers.lab]\nurls = [{urls}]\n", encoding="utf-8")


def samples(user: dict[str, str]) -> list[dict[str, Any]]:
    (path,) = Path(user["LLMTUI_DATA_DIR"], "runs").glob("*.jsonl")
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [record for record in records if record["record"] == "sample"]


def test_samples_are_spread_and_a_server_killed_in_the_middle_costs_none(user: dict[str, str]) -> None:
    with (
        llama_process(DEMO, context=2048, slots=2) as (first, victim),
        llama_server(DEMO, context=2048, slots=2) as second,
    ):
        configure(user, first, second)
        args = ["run", "li-bai", "-m", "lab/demo", "--epochs", "6", "--limit", "9", "--parallel", "4", "--json"]
        process = subprocess.Popen(
            [sys.executable, "-m", "llmtui", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(user),
        )
        with process:
            assert process.stdout is not None
            answered: set[str] = set()
            while len(answered) < 2:
                event = json.loads(process.stdout.readline())
                if event["event"] == "sample":
                    answered.add(event["manifest"]["replica"])
            victim.kill()
            out, err = process.communicate(timeout=KILLED_S)
    assert process.returncode == 0, err.decode()
    end = json.loads(out.splitlines()[-1])
    assert (end["totals"][0]["asked"], end["totals"][0]["passed"]) == (54, 54)
    found = samples(user)
    assert len({record["key"] for record in found}) == len(found) == 54
    assert all(record["status"] == "done" and record["parallel"] in {2, 4} for record in found)
    assert {record["manifest"]["replica"] for record in found} == {f"{first}/v1", f"{second}/v1"}
    assert found[-1]["manifest"]["replica"] == f"{second}/v1"
    assert found[-1]["manifest"]["model_path"] == f"{second}/v1#demo"
    told = err.decode()
    assert told.count(f"lab ({urlsplit(first).netloc})") == 1
    assert "it is left out, 1 of 2 replicas of lab go on" in told


def test_fewer_places_than_asked_for_are_told_and_all_servers_off_are_one(user: dict[str, str]) -> None:
    with llama_server(DEMO, context=2048, slots=2) as only:
        configure(user, only, "http://127.0.0.1:1")
        done = llmtui(user, "run", "li-bai", "-m", "lab", "--limit", "4", "--parallel", "16")
        listed = llmtui(user, "models").stdout.decode()
        shown = llmtui(user, "models", "show", "lab/demo").stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    told = done.stderr.decode()
    assert "lab writes 2 answers at once, so no more are sent, not 16" in told
    assert "lab (127.0.0.1:1) cannot be reached: Connection refused; it is left out" in told
    assert {(record["model"], record["parallel"]) for record in samples(user)} == {("lab", 2)}
    assert "lab/demo" in listed
    assert "! lab (127.0.0.1:1) cannot be reached" in listed
    assert "replica 2" in shown
    off = llmtui(user, "run", "li-bai", "-m", "lab/demo", "-o", user["HOME"])
    assert off.returncode == 3
    assert b"cannot be reached" in off.stderr
    assert b"none of the 2 replicas answers" in off.stderr
