"""`llmtui run --judge` with the real worker: the demo model grades; its grades mean nothing, but every one is read."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.command import environment, llmtui, workers_of


def records(user: dict[str, str], kind: str) -> list[dict[str, Any]]:
    """Records of a kind in the user's only run."""
    (path,) = Path(user["LLMTUI_DATA_DIR"], "runs").glob("*.jsonl")
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [record for record in found if record["record"] == kind]


def test_the_demo_model_judges_its_own_answers_and_is_told_of_its_partiality(user: dict[str, str]) -> None:
    done = llmtui(user, "run", "ruozhiba", "-m", "demo", "--limit", "3", "--judge", "demo", "--parallel", "2")
    told = done.stderr.decode()
    assert done.returncode in {0, 1}, told
    assert "judge demo: 3 to grade" in told
    assert "favour itself and models of its family: demo" in told
    assert "the same grade with the scale listed from either end" in told
    grades = records(user, "score")
    assert len(grades) == 3
    for grade in grades:
        assert (grade["scorer"], grade["by"]) == ("model_graded", "demo")
        assert grade["answer"] in {"0", "1", "2"}
        assert grade["details"]["grade"] == int(grade["answer"])
        assert "error" not in grade
    assert len(records(user, "model")) == 1


def test_a_run_is_graded_later_without_asking_again_and_once_only(user: dict[str, str]) -> None:
    first = llmtui(user, "run", "ruozhiba", "-m", "demo", "--limit", "3")
    assert first.returncode == 0
    assert "wait for a judge model" in first.stderr.decode()
    (run,) = records(user, "run")
    graded = llmtui(user, "run", "--resume", run["id"], "--judge", "demo", "--json")
    events = [json.loads(line) for line in graded.stdout.decode().splitlines()]
    assert [event["event"] for event in events] == ["run", "judge", "score", "score", "score", "end"]
    assert events[-1]["totals"][0]["waiting"] == 0
    assert events[-1]["judges"][0]["graded"] == 3
    again = llmtui(user, "run", "--resume", run["id"], "--judge", "demo")
    assert "nothing waits for a judge" in again.stderr.decode()
    assert len(records(user, "score")) == 3
    assert len(records(user, "sample")) == 3


@contextlib.contextmanager
def grading(user: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose judge has given its first of six grades."""
    command = ["run", "ruozhiba", "-m", "demo", "--limit", "6", "--judge", "demo", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "llmtui", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment(user),
    ) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "score":
            pass
        yield process


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_ended_among_its_grades_goes_on_behind_the_last_one(user: dict[str, str], how: signal.Signals) -> None:
    with grading(user) as process:
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode == (130 if how is signal.SIGINT else -how)
    before = len(records(user, "score"))
    assert 1 <= before < 6
    (run,) = records(user, "run")
    done = llmtui(user, "run", "--resume", run["id"], "--judge", "demo")
    assert f"judge demo: {6 - before} to grade" in done.stderr.decode()
    grades = records(user, "score")
    assert len({grade["key"] for grade in grades}) == len(grades) == 6
    assert len(records(user, "sample")) == 6


def test_a_judge_killed_in_mid_grade_is_loaded_again(user: dict[str, str]) -> None:
    with grading(user) as process:
        for worker in workers_of(process.pid):
            worker.kill()
        out, _ = process.communicate(timeout=60)
    end = json.loads(out.splitlines()[-1])
    assert (end["judges"][0]["graded"], end["totals"][0]["waiting"]) == (6, 0)


def test_a_judge_that_nobody_knows_is_told_before_anything_is_asked(user: dict[str, str]) -> None:
    done = llmtui(user, "run", "ruozhiba", "-m", "demo", "--judge", "no-such-model")
    assert done.returncode == 2
    assert "No model is called 'no-such-model'" in done.stderr.decode()
    assert not list(Path(user["LLMTUI_DATA_DIR"]).glob("runs/*"))
