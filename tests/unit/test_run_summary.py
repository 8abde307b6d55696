"""Totals of a run, against counting by hand."""

from itertools import combinations

import pytest

from llmtui.domain.run import Outcome, Result, SampleRecord, ScoreRecord, result_of
from llmtui.domain.run_summary import pass_at_k, summarise


@pytest.mark.parametrize(("n", "c"), [(1, 0), (1, 1), (4, 1), (5, 0), (5, 2), (6, 6)])
def test_pass_at_k_is_the_share_of_draws_with_a_right_answer(n: int, c: int) -> None:
    answers = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        draws = list(combinations(answers, k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws))


def test_pass_at_k_of_many_does_not_overflow() -> None:
    assert 0.0 < pass_at_k(1000, 3, 100) < 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(3, 4, 1), (3, 1, 0), (3, 1, 4), (0, 0, 1), (3, -1, 1)])
def test_pass_at_k_refuses_what_is_not_defined(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(n, c, k)


def result(sample: str, epoch: int, outcome: Outcome, value: float | None = None, tps: float | None = None) -> Result:
    return Result(
        key=f"{sample}{epoch}",
        set="s",
        sample=sample,
        model="m",
        epoch=epoch,
        outcome=outcome,
        value=value,
        decode_tps=tps,
        completion_tokens=10,
    )


def test_a_row_counts_and_takes_means_by_sample() -> None:
    results = [
        result("a", 0, "passed", 1.0, 10.0),
        result("a", 1, "failed", 0.5, 20.0),
        result("b", 0, "failed", 0.0, 90.0),
        result("b", 1, "failed", 0.0),
        result("c", 0, "waiting"),
        result("c", 1, "error"),
        result("d", 0, "cancelled"),
        result("d", 1, "unscored"),
    ]
    row, empty = summarise(results, [("s", "m", 8), ("s", "other", 8)])
    assert (row.asked, row.passed, row.failed, row.waiting, row.errors, row.cancelled, row.unscored) == (
        *(8, 1, 3, 1),
        *(1, 1, 1),
    )
    assert (row.score, row.scored) == (pytest.approx(0.375), 2)
    assert row.pass_at == {1: pytest.approx(0.25), 2: pytest.approx(0.5)}
    assert row.decode_tps == 20.0
    assert row.completion_tokens == 60
    assert (empty.asked, empty.score, empty.pass_at, empty.decode_tps) == (0, None, {}, None)


def test_one_epoch_has_no_pass_at_k() -> None:
    (row,) = summarise([result("a", 0, "passed", 1.0)], [("s", "m", 1)])
    assert row.pass_at == {}


def record(**changes: object) -> SampleRecord:
    values = {"key": "k", "set": "s", "sample": "a", "model": "m", "epoch": 0, "at": "", "status": "done"}
    return SampleRecord(**(values | changes))  # type: ignore[arg-type]


def score(index: int, *, value: float, passed: bool, error: str | None = None) -> ScoreRecord:
    return ScoreRecord(key="k", index=index, scorer="x", value=value, passed=passed, error=error)


def test_all_scorers_must_pass_and_the_least_counts() -> None:
    both = (score(0, value=1.0, passed=True), score(1, value=0.9, passed=False))
    assert (result_of(record(), both).outcome, result_of(record(), both).value) == ("failed", 0.9)
    assert result_of(record(), both[:1]).outcome == "passed"
    assert result_of(record(), ()).outcome == "unscored"


def test_who_waits_can_fail_and_cannot_pass() -> None:
    waits = record(waiting=("human",))
    assert result_of(waits, (score(0, value=1.0, passed=True),)).outcome == "waiting"
    assert result_of(waits, (score(0, value=0.0, passed=False),)).outcome == "failed"
    assert result_of(record(), (score(0, value=0.0, passed=False, error="boom"),)).outcome == "waiting"


def test_what_was_not_answered_has_no_value() -> None:
    assert result_of(record(status="failed"), ()).outcome == "error"
    assert result_of(record(status="cancelled"), ()).outcome == "cancelled"
    assert not result_of(record(status="cancelled"), ()).is_final
