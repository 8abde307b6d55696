"""`llmtui run --allow-code` with the real worker, the demo model, and programs in the real sandbox."""

import json
from pathlib import Path
from typing import Any

import pytest
from e2e.command import llmtui

from llmtui.services.sandbox.access import Absence, probe

SET = """\
schema: llmtui.promptset/1
samples:
  - id: reverse
    input: Write a function that reverses a string in Python.
    scorers:
      - type: unit_tests
        entry_point: reverse_string
        tests: [{args: ["abc"], expect: cba}, {args: [""], expect: ""}, {args: ["静夜思"], expect: 思夜静}]
"""


@pytest.fixture
def contained() -> None:
    found = probe()
    if isinstance(found, Absence):
        pytest.skip(found.cause)


@pytest.fixture
def own_set(tmp_path: Path) -> str:
    path = tmp_path / "own.yaml"
    path.write_text(SET, encoding="utf-8")
    return str(path)


def told(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.usefixtures("contained")
def test_code_is_run_scored_and_repeated(user: dict[str, str], own_set: str) -> None:
    done = llmtui(user, "run", own_set, "-m", "demo", "--epochs", "3", "--allow-code", "--json")
    assert done.returncode == 0, done.stderr.decode()
    samples = [event for event in told(done.stdout) if event["event"] == "sample"]
    assert [sample["outcome"] for sample in samples] == ["passed"] * 3
    assert samples[0]["scores"][0]["details"] == {"cases": 3.0, "cases_passed": 3.0}
    (total,) = told(done.stdout)[-1]["totals"]
    assert total["pass_at"] == {"1": 1.0, "3": 1.0}


@pytest.mark.usefixtures("contained")
def test_code_that_waits_is_scored_later(user: dict[str, str]) -> None:
    first = llmtui(user, "run", "coding", "-m", "demo", "--limit", "3")
    assert first.returncode == 0
    assert first.stdout.decode().splitlines()[1].split()[5:8] == ["0", "3", "0"]
    hint = first.stderr.decode().splitlines()[-1]
    assert hint.endswith("--allow-code")
    words = hint.split("llmtui run ")[1].split()
    then = llmtui(user, "run", *words)
    assert then.returncode == 1
    assert then.stdout.decode().splitlines()[1].split()[4:7] == ["0", "3", "0"]
    assert "--allow-code" not in then.stderr.decode()


def test_without_a_sandbox_it_is_refused_before_a_model_is_loaded(
    user: dict[str, str], own_set: str, tmp_path: Path
) -> None:
    nothing = {**user, "PATH": str(tmp_path)}
    refused = llmtui(nothing, "run", own_set, "-m", "demo", "--allow-code")
    assert refused.returncode == 2
    assert b"bubblewrap is not installed" in refused.stderr
    assert b"--unsafe-code" in refused.stderr
    assert not Path(user["LLMTUI_DATA_DIR"], "runs").exists()
    unsafe = llmtui(nothing, "run", own_set, "-m", "demo", "--allow-code", "--unsafe-code")
    assert unsafe.returncode == 0, unsafe.stderr.decode()
    assert b"WITHOUT A SANDBOX" in unsafe.stderr
    alone = llmtui(user, "run", own_set, "-m", "demo", "--unsafe-code")
    assert alone.returncode == 2
    assert b"--allow-code" in alone.stderr
