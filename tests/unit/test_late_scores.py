"""Scores that come later than their answers, and answers read back from a run's file."""

import itertools
from pathlib import Path

import pytest
from unit.run_bench import Opened, models, samples, scores

from llmtui.domain.prompt_set import Sample
from llmtui.domain.run import PERSON, SampleRecord, ScoreRecord, result_of
from llmtui.domain.scorers import UnitTests
from llmtui.engines.scripted import ScriptedTurn
from llmtui.services.runs.events import SampleEnded, SampleScored
from llmtui.services.runs.judging import Scoring
from llmtui.services.runs.late import waiting_scorers
from llmtui.services.sandbox.process import SandboxError
from llmtui.services.scoring.result import Score, verdict
from llmtui.store.run_answers import RunAnswers
from llmtui.store.runs import read_run

pytestmark = pytest.mark.usefixtures("quiet_host")
CODE = """samples:
  - id: a
    input: write f
    scorers: [{type: unit_tests, entry_point: f, tests: [{args: [1], expect: 1}]}, {type: length, min: 1}]
  - {id: b, input: write g, scorers: [{type: human}]}
"""
ANSWER = ScriptedTurn(tokens=("def ", "f"))
GRADED = ("model_graded", "human")


def code_passes(scorer: UnitTests, answer: str, sample: Sample) -> Score:
    return verdict("unit_tests", passed=answer == "def f" and sample.id == "a", explanation=scorer.entry_point)


async def test_code_waits_until_it_may_run_and_is_scored_without_loading_a_model(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [ANSWER], samples=CODE)
    book = await opened.run(await opened.begin())
    assert [record.waiting for record in samples(book)] == [("unit_tests",), ("human",)]
    assert book.waiting() == {"set": {"sandbox": 1, "person": 1}}
    again = await opened.run(opened.reopen(book), scoring=Scoring(run_code=code_passes))
    assert len(opened.engines) == len(models(again)) == 1
    assert isinstance(opened.events[-1], SampleScored)
    late = scores(again)[-1]
    assert (late.scorer, late.passed, late.explanation, late.at is not None) == ("unit_tests", True, "f", True)
    assert (again.summary()[0].passed, again.waiting()) == (1, {"set": {"person": 1}})
    third = await opened.run(opened.reopen(book), scoring=Scoring(run_code=code_passes))
    assert len(scores(third)) == len(scores(again))


async def test_what_another_scorer_has_failed_waits_for_nobody(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [ScriptedTurn(tokens=("no",))])
    book = await opened.run(await opened.begin())
    assert [record.waiting for record in samples(book)] == [(), ("human",)]
    assert book.summary()[0].waiting == 1
    failed = Opened(tmp_path, [ANSWER])
    book = await failed.run(await failed.begin())
    assert (book.summary()[0].failed, book.waiting()) == (2, {})


async def test_code_that_may_run_is_scored_with_the_answer(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [ANSWER], samples=CODE)
    book = await opened.run(await opened.begin(), scoring=Scoring(run_code=code_passes))
    first = samples(book)[0]
    assert (first.waiting, first.scores) == (("unit_tests",), 1)
    assert [score.scorer for score in scores(book)] == ["length", "unit_tests"]
    assert (book.summary()[0].passed, book.waiting()) == (1, {"set": {"person": 1}})


async def test_an_answer_is_on_the_disk_before_its_code_is_run(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [ANSWER], samples=CODE)
    book = await opened.begin()
    kept: list[str] = []

    def looks(scorer: UnitTests, answer: str, sample: Sample) -> Score:
        kept.extend(result.sample for result in read_run(book.path).results.values())
        return code_passes(scorer, answer, sample)

    await opened.run(book, scoring=Scoring(run_code=looks))
    assert kept == ["a"]
    ended = next(event for event in opened.events if isinstance(event, SampleEnded))
    assert ([score.scorer for score in ended.scores], ended.result.outcome) == (["length", "unit_tests"], "passed")


async def test_code_that_could_not_be_run_waits_for_another_try(tmp_path: Path) -> None:
    def fails(scorer: UnitTests, answer: str, sample: Sample) -> Score:
        raise SandboxError("no sandbox", remedy="mend it")

    opened = Opened(tmp_path, [ANSWER], samples=CODE)
    book = await opened.run(await opened.begin(), scoring=Scoring(run_code=fails))
    assert (samples(book)[0].waiting, samples(book)[0].scores) == (("unit_tests",), 1)
    assert book.waiting() == {"set": {"sandbox": 1, "person": 1}}
    again = await opened.run(opened.reopen(book), scoring=Scoring(run_code=fails))
    assert again.waiting() == book.waiting()
    third = await opened.run(opened.reopen(book), scoring=Scoring(run_code=code_passes))
    assert (third.summary()[0].passed, third.waiting()) == (1, {"set": {"person": 1}})


async def test_an_answer_whose_sample_was_changed_is_not_scored_by_the_new_one(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [ANSWER], samples=CODE)
    book = await opened.run(await opened.begin())
    assert len(list(waiting_scorers(book, "person"))) == 1
    opened.path.write_text(opened.path.read_text().replace("write g", "write h"))
    assert list(waiting_scorers(book, "person")) == []
    assert len(list(waiting_scorers(book, "sandbox"))) == 1


async def test_answers_are_read_from_a_file_that_grows(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [ANSWER], samples=CODE)
    book = await opened.run(await opened.begin(), stop_after=1)
    answers, first = RunAnswers(book.path), samples(book)[0]
    found = answers.read(first.key)
    assert found is not None
    assert (found.record, [score.scorer for score in found.scores]) == (first, ["length"])
    assert answers.read("no such key") is None
    book = await opened.run(opened.reopen(book))
    last = answers.read(samples(book)[-1].key)
    assert last is not None
    assert last.record.sample == "b"
    with book.path.open("ab") as file:
        file.write(b'{"record":"sample","key":"torn')
    assert answers.read(first.key) == found


def score(scorer: str, value: float, *, index: int = 0, error: str | None = None) -> ScoreRecord:
    by = PERSON if scorer == "human" else "judge"
    return ScoreRecord(key="k", index=index, scorer=scorer, value=value, passed=value > 0.5, error=error, by=by)


@pytest.mark.parametrize(
    ("given", "outcome", "value"),
    [
        ([], "waiting", None),
        ([score("model_graded", 1.0)], "passed", 1.0),
        ([score("human", 0.0, index=1)], "failed", 0.0),
        ([score("model_graded", 0.0), score("human", 1.0, index=1)], "passed", 1.0),
        ([score("model_graded", 0.0, error="garbage")], "waiting", None),
        ([score("model_graded", 0.0, error="garbage"), score("human", 1.0, index=1)], "passed", 1.0),
    ],
)
def test_one_grade_is_enough_and_a_persons_stands_above_a_judges(
    given: list[ScoreRecord], outcome: str, value: float | None
) -> None:
    record = SampleRecord(key="k", set="s", sample="a", model="m", epoch=0, at="now", status="done", waiting=GRADED)
    for order in itertools.permutations(given):
        result = result_of(record, order)
        assert (result.outcome, result.value) == (outcome, value)
