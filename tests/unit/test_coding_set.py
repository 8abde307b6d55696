"""The coding set proves itself: every reference solution passes its tests, an empty answer and a wrong one fail."""

from pathlib import Path

import msgspec
import pytest
import yaml

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Case, Limits, UnitTests
from llmtui.services.sandbox.bubblewrap import Bubblewrap
from llmtui.services.scoring.result import Score
from llmtui.services.scoring.unit_tests import unit_tests
from llmtui.store.prompt_sets import open_prompt_set, shipped_folder

WRONG: dict[str, str] = yaml.safe_load(Path(__file__).with_name("coding_wrong.yaml").read_text(encoding="utf-8"))


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


def scored(sandbox: Bubblewrap, sample: Sample, answer: str) -> Score:
    scorer = msgspec.structs.replace(scorer_of(sample), limits=Limits(wall_s=2))
    return unit_tests(scorer, answer, sample, sandbox)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_the_reference_passes_and_an_empty_and_a_wrong_answer_fail(sandbox: Bubblewrap, sample: Sample) -> None:
    assert sample.reference is not None
    right = scored(sandbox, sample, sample.reference)
    assert (right.passed, right.value, right.explanation) == (True, 1.0, "")
    assert sample.reference.strip() in (right.answer or "")
    assert right.details["cases_passed"] == right.details["cases"] == len(cases_of(sample))
    assert not scored(sandbox, sample, "").passed
    wrong = scored(sandbox, sample, WRONG[sample.id])
    assert not wrong.passed
    assert wrong.explanation
    assert wrong.details["cases_passed"] < wrong.details["cases"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_what_is_to_be_fixed_fails_and_no_test_is_told(sandbox: Bubblewrap, sample: Sample) -> None:
    if "fix" in sample.tags:
        broken = sample.prompt.split("```python\n")[1].split("```")[0]
        assert not scored(sandbox, sample, broken).passed
    assert len(cases_of(sample)) >= 3
    assert "expect" not in sample.prompt


def test_every_way_of_asking_is_there() -> None:
    kinds = [sample.tags[0] for sample in SAMPLES]
    assert len(SAMPLES) >= 30
    assert min(kinds.count(kind) for kind in ("write", "fix", "complete", "infill")) >= 6
    assert set(WRONG) == {sample.id for sample in SAMPLES}
    assert {sample.mode for sample in SAMPLES if "complete" in sample.tags} == {"text"}
    assert {sample.mode for sample in SAMPLES if "infill" in sample.tags} == {"infill"}
