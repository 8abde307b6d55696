"""The coding set proves itself: every reference solution passes its tests, an empty answer and a wrong one fail."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Case, UnitTests
from llmtui.store.prompt_sets import open_prompt_set, shipped_folder

WRONG: dict[str, str] = yaml.safe_load(Path(__file__).with_name("coding_wrong.yaml").read_text(encoding="utf-8"))
RUN = """
import json, sys
names = {}
try:
    exec(sys.argv[1], names)
    function = names[sys.argv[2]]
except Exception as error:
    print(json.dumps([{"raised": type(error).__name__}])); sys.exit()
found = []
for case in json.loads(sys.argv[3]):
    try:
        found.append({"value": function(*case["args"], **case["kwargs"])})
    except Exception as error:
        found.append({"raised": type(error).__name__})
print(json.dumps(found))
"""
"""Runs in a process of its own and knows no expected value."""


def coding_samples() -> list[Sample]:
    with open_prompt_set(shipped_folder() / "coding.yaml") as reader:
        return list(reader.samples())


SAMPLES = coding_samples()


def scorer_of(sample: Sample) -> UnitTests:
    (scorer,) = sample.scorers
    assert isinstance(scorer, UnitTests)
    return scorer


def cases_of(sample: Sample) -> tuple[Case, ...]:
    tests = scorer_of(sample).tests
    assert isinstance(tests, tuple)
    return tests


def program(sample: Sample, answer: str) -> str:
    match scorer_of(sample).assemble:
        case "continuation":
            return f"{sample.text}{answer}"
        case "infill":
            return f"{sample.prefix}{answer}{sample.suffix}"
        case _:
            return answer


def equal(found: Any, expected: Any, tolerance: float | None) -> bool:
    if isinstance(expected, list):
        same_length = isinstance(found, list) and len(found) == len(expected)
        return same_length and all(equal(one, other, tolerance) for one, other in zip(found, expected, strict=True))
    if tolerance is not None and isinstance(found, int | float) and not isinstance(found, bool):
        return math.isclose(found, expected, rel_tol=0, abs_tol=tolerance)
    return type(found) is type(expected) and bool(found == expected)


def passes(sample: Sample, answer: str) -> bool:
    """Whether all cases pass; each set of cases runs once, with three seconds to end."""
    cases = cases_of(sample)
    calls = json.dumps([{"args": case.args, "kwargs": case.kwargs} for case in cases])
    words = (sys.executable, "-I", "-c", RUN, program(sample, answer), scorer_of(sample).entry_point, calls)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=3, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        return False
    found = json.loads(done.stdout)
    return len(found) == len(cases) and all(map(_case_passes, found, cases))


def _case_passes(found: dict[str, Any], case: Case) -> bool:
    if case.raises is not None:
        return found.get("raised") == case.raises
    return "value" in found and equal(found["value"], case.expect, case.tolerance)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_the_reference_passes_and_an_empty_and_a_wrong_answer_fail(sample: Sample) -> None:
    assert sample.reference is not None
    assert passes(sample, sample.reference)
    assert not passes(sample, "")
    assert not passes(sample, WRONG[sample.id])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_what_is_to_be_fixed_fails_and_no_test_is_told(sample: Sample) -> None:
    if "fix" in sample.tags:
        broken = sample.prompt.split("```python\n")[1].split("```")[0]
        assert not passes(sample, broken)
    assert len(cases_of(sample)) >= 3
    assert "expect" not in sample.prompt


def test_every_way_of_asking_is_there() -> None:
    kinds = [sample.tags[0] for sample in SAMPLES]
    assert len(SAMPLES) >= 30
    assert min(kinds.count(kind) for kind in ("write", "fix", "complete", "infill")) >= 6
    assert set(WRONG) == {sample.id for sample in SAMPLES}
    assert {sample.mode for sample in SAMPLES if "complete" in sample.tags} == {"text"}
    assert {sample.mode for sample in SAMPLES if "infill" in sample.tags} == {"infill"}
