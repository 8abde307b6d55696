"""`llmtui run` with the real worker and the demo model."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from e2e.command import DEMO, environment, llmtui, workers_of

KNOWN = {"jing-ye-si", "wang-lushan-pubu", "zao-fa-baidicheng"}
SETS = ("li-bai", "ruozhiba", "coding")
KILLED_S = 60.0


def lines(user: dict[str, str]) -> list[dict[str, Any]]:
    """Records of the one run of a user, a torn last line left out."""
    (path,) = Path(user["LLMTUI_DATA_DIR"], "runs").glob("*.jsonl")
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def answers(records: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """What a run says of each sample, without what time and place make of it."""
    scores: dict[str, list[Any]] = {}
    for record in records:
        if record["record"] == "score":
            scores.setdefault(record["key"], []).append(record)
    return {
        record["key"]: (
            *(record["set"], record["sample"], record["epoch"], record["status"], record.get("content")),
            *(record.get("messages"), record.get("prompt"), record.get("waiting"), record.get("error")),
            scores.get(record["key"]),
        )
        for record in records
        if record["record"] == "sample"
    }


def test_a_run_recites_fails_queues_and_keeps_everything(user: dict[str, str]) -> None:
    done = llmtui(user, "run", "li-bai", "ruozhiba", "coding", "-m", "demo")
    assert done.returncode == 1, done.stderr.decode()
    table = {line.split()[0]: line.split() for line in done.stdout.decode().splitlines()}
    assert table["SET"][:7] == ["SET", "MODEL", "ASKED", "SCORE", "PASSED", "FAILED", "WAITING"]
    assert table["ruozhiba"][2:7] == ["28", "–", "0", "0", "28"]
    assert int(table["li-bai"][4]) >= 10
    assert int(table["li-bai"][5]) >= 10
    assert table["coding"][2:8] == ["34", "–", "0", "0", "34", "0"]
    assert "--allow-code" in done.stderr.decode()
    records = lines(user)
    assert [record["record"] for record in records[:3]] == ["run", "model", "sample"]
    assert records[-1]["record"] == "end"
    passed = {
        record["key"]
        for record in records
        if record["record"] == "score" and record["scorer"] == "verbatim" and record.get("passed")
    }
    recited = {record["sample"] for record in records if record.get("key") in passed and record["record"] == "sample"}
    assert recited >= KNOWN
    (path,) = Path(user["LLMTUI_DATA_DIR"], "runs").glob("*.jsonl")
    assert path.stat().st_mode & 0o777 == 0o600


def test_killed_at_three_moments_and_resumed_it_says_the_same(user: dict[str, str], tmp_path: Path) -> None:
    whole = {**user, "LLMTUI_DATA_DIR": str(tmp_path / "whole")}
    assert llmtui(whole, "run", *SETS, "-m", "demo").returncode == 1
    moments = random.Random(7)
    args = ["run", *SETS, "-m", "demo"]
    for count in (moments.randrange(1, 30) for _ in range(3)):
        kill_at(user, args, count)
        args = ["run", "--resume", lines(user)[0]["id"]]
    done = llmtui(user, *args)
    assert done.returncode == 1, done.stderr.decode()
    records = lines(user)
    keys = [record["key"] for record in records if record["record"] == "sample" and record["status"] == "done"]
    assert len(keys) == len(set(keys))
    assert answers(records) == answers(lines(whole))
    assert llmtui(user, *args).returncode == 1
    assert [record["record"] for record in lines(user)[len(records) :]] == ["end"]


def kill_at(user: dict[str, str], args: list[str], samples: int) -> None:
    """Run until so many samples have been told, then kill the program, and wait until its worker is gone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "llmtui", *args, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env=environment(user),
    )
    with process:
        assert process.stdout is not None
        while samples:
            line = process.stdout.readline()
            assert line, "it ended before it was killed"
            samples -= json.loads(line)["event"] == "sample"
        workers = workers_of(process.pid)
        process.kill()
    for worker in workers:
        worker.wait(timeout=KILLED_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_has_come_and_says_how_to_go_on(user: dict[str, str], number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "llmtui", "run", "li-bai", "-m", "demo", "--epochs", "50", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment(user),
    )
    with process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "sample":
            pass
        process.send_signal(number)
        out, err = process.communicate(timeout=KILLED_S)
    assert process.returncode == 130
    end = json.loads(out.splitlines()[-1])
    assert (end["event"], end["finished"], end["exit_code"]) == ("end", False, 130)
    assert f"llmtui run --resume {end['id']}" in err.decode()
    assert lines(user)[-1]["reason"] == "interrupted"


def test_a_run_of_a_model_named_by_its_place_is_taken_up_from_elsewhere(
    user: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here / "a.gguf").symlink_to(DEMO)
    monkeypatch.chdir(here)
    kill_at(user, ["run", "li-bai", "-m", "./a.gguf", "--limit", "9"], 2)
    number = lines(user)[0]["id"]
    monkeypatch.chdir(there)
    done = llmtui(user, "run", "--resume", number)
    assert "does not exist" not in done.stderr.decode()
    assert len(answers(lines(user))) == 9


def test_epochs_give_pass_at_k_and_seeds_count_up(user: dict[str, str]) -> None:
    done = llmtui(user, "run", "li-bai", "-m", "demo", "--epochs", "3", "--limit", "2", "--seed", "5")
    assert done.returncode == 0, done.stderr.decode()
    head, row = done.stdout.decode().splitlines()
    assert head.split()[4:6] == ["PASS@1", "PASS@3"]
    assert row.split()[2:7] == ["6", "1.000", "1.000", "1.000", "6"]
    samples = [record for record in lines(user) if record["record"] == "sample"]
    assert [record["manifest"]["seed"] for record in samples] == [5, 6, 7, 5, 6, 7]


def test_slots_ask_at_once_and_say_the_same(user: dict[str, str], tmp_path: Path) -> None:
    one = {**user, "LLMTUI_DATA_DIR": str(tmp_path / "one")}
    for who, count in ((one, "1"), (user, "4")):
        assert llmtui(who, "run", "li-bai", "-m", "demo", "--limit", "9", "--parallel", count).returncode == 0
    alone, together = answers(lines(one)), answers(lines(user))
    assert alone == together
    assert all(record["parallel"] == 4 for record in lines(user) if record["record"] == "sample")


def test_what_is_wrong_is_told_before_anything_runs(user: dict[str, str]) -> None:
    for args, told in (
        (("run", "-m", "demo"), "at least one prompt set"),
        (("run", "no-such-set", "-m", "demo"), "No prompt set"),
        (("run", "li-bai", "-m", "no-such-model"), "no-such-model"),
        (("run", "li-bai", "li-bai", "-m", "demo"), "named twice"),
        (("run", "--resume", "abc"), "There is no run"),
        (("run", "li-bai", "--resume", "abc"), "leave out"),
    ):
        done = llmtui(user, *args)
        assert (done.returncode, told in done.stderr.decode()) == (2, True), (args, done.stderr)
    assert not Path(user["LLMTUI_DATA_DIR"], "runs").exists()


def test_a_model_that_does_not_load_is_recorded_and_the_next_goes_on(user: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    demo = Path(__file__).resolve().parents[2] / "tui" / "llmtui" / "data" / "demo.gguf"
    broken.write_bytes(demo.read_bytes()[: 1 << 20])
    done = llmtui(user, "run", "li-bai", "-m", str(broken), "-m", "demo", "--limit", "2")
    assert done.returncode == 1, done.stderr.decode()
    assert b"not asked to the end" in done.stderr
    models = [record for record in lines(user) if record["record"] == "model"]
    assert [record["error"] is None for record in models] == [False, True]
    alone = llmtui({**user, "LLMTUI_DATA_DIR": str(tmp_path / "x")}, "run", "li-bai", "-m", str(broken))
    assert alone.returncode == 3
