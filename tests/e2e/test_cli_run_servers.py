"""`llmtui run` with a real llama.cpp server, with one that is off, and with a worker that is killed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from e2e.command import DEMO, environment, llmtui, workers_of
from servers.llama_server import llama_server


def records(user: dict[str, str]) -> list[dict[str, Any]]:
    (path,) = Path(user["LLMTUI_DATA_DIR"], "runs").glob("*.jsonl")
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_several_requests_at_once_and_a_server_that_is_off(user: dict[str, str]) -> None:
    with llama_server(DEMO, context=2048, slots=3) as address:
        done = llmtui(
            user, "run", "li-bai", "-m", "http://127.0.0.1:1/v1#x", "-m", address, "--limit", "6", "--parallel", "3"
        )
    assert done.returncode == 1, done.stderr.decode()
    assert b"cannot be reached" in done.stderr
    found = records(user)
    samples = [record for record in found if record["record"] == "sample"]
    assert len({record["sample"] for record in samples}) == len(samples) == 6
    assert {record["model"] for record in samples} == {address}
    assert all(record["status"] == "done" and record["parallel"] == 3 for record in samples)
    assert sum(record["record"] == "score" and record.get("passed", False) for record in found) == 12
    alone = llmtui(user, "run", "li-bai", "-m", "http://127.0.0.1:1/v1#x", "-o", user["HOME"])
    assert alone.returncode == 3


def test_a_worker_killed_in_mid_sample_is_replaced(user: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "llmtui", "run", "li-bai", "-m", "demo", "--epochs", "4", "--limit", "9", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment(user),
    )
    with process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "sample":
            pass
        for worker in workers_of(process.pid):
            worker.kill()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err.decode()
    end = json.loads(out.splitlines()[-1])
    assert (end["totals"][0]["asked"], end["totals"][0]["passed"]) == (36, 36)
    samples = [record for record in records(user) if record["record"] == "sample"]
    assert len({record["key"] for record in samples}) == len(samples) == 36
    assert max(record.get("attempts", 1) for record in samples) <= 2
