"""Totals of a run: rates, means and pass@k. Pure."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, median

import msgspec

from llmtui.domain.run import Result


class SummaryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One set on one model.

    Attributes:
        planned: samples times epochs.
        asked: that have a record.
        score: mean over samples of their mean value; None when nothing has been scored.
        scored: samples behind the score.
        passed, failed, waiting, unscored, errors, cancelled: samples times epochs, by what became of them.
        pass_at: by k, mean over samples of pass@k; empty for a single epoch.
        decode_tps: median over answers, tokens a second of one stream.
        ttft_s: median over answers.
        completion_tokens: of all answers together.
    """

    set: str
    model: str
    planned: int
    asked: int
    score: float | None = None
    scored: int = 0
    passed: int = 0
    failed: int = 0
    waiting: int = 0
    unscored: int = 0
    errors: int = 0
    cancelled: int = 0
    pass_at: dict[int, float] = {}
    decode_tps: float | None = None
    ttft_s: float | None = None
    completion_tokens: int = 0


def pass_at_k(n: int, c: int, k: int) -> float:
    """Probability that one of k answers, drawn from n of which c are right, is right.

    The unbiased estimator 1 - C(n-c, k) / C(n, k) of Chen et al., "Evaluating Large Language Models Trained on Code",
    2021; as a product, so that large numbers do not overflow.

    Raises:
        ValueError: unless 0 <= c <= n and 1 <= k <= n.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@{k} of {c} right in {n} is not defined")
    if n - c < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def summarise(results: Iterable[Result], planned: Sequence[tuple[str, str, int]]) -> list[SummaryRow]:
    """A row for each pair of set and model.

    Args:
        results: one a key.
        planned: set, model, and samples times epochs, in the order of the rows.
    """
    groups: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        groups[result.set, result.model].append(result)
    return [_row(set_, model, turns, groups.get((set_, model), [])) for set_, model, turns in planned]


def _row(set_: str, model: str, planned: int, results: Sequence[Result]) -> SummaryRow:
    count = {"passed": 0, "failed": 0, "waiting": 0, "unscored": 0, "error": 0, "cancelled": 0}
    samples: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        count[result.outcome] += 1
        if result.value is not None:
            samples[result.sample].append(result)
    means = [fmean(result.value or 0.0 for result in group) for group in samples.values()]
    answered = [result for result in results if result.is_final]
    rates = [result.decode_tps for result in answered if result.decode_tps is not None]
    waits = [result.ttft_s for result in answered if result.ttft_s is not None]
    return SummaryRow(
        set=set_,
        model=model,
        planned=planned,
        asked=len(results),
        score=fmean(means) if means else None,
        scored=len(means),
        passed=count["passed"],
        failed=count["failed"],
        waiting=count["waiting"],
        unscored=count["unscored"],
        errors=count["error"],
        cancelled=count["cancelled"],
        pass_at=_pass_at(list(samples.values())),
        decode_tps=median(rates) if rates else None,
        ttft_s=median(waits) if waits else None,
        completion_tokens=sum(result.completion_tokens or 0 for result in answered),
    )


def _pass_at(samples: Sequence[Sequence[Result]]) -> dict[int, float]:
    """pass@1, and pass@k for the largest k that every repeated sample allows; waiting ones are not counted."""
    decided = [[one.outcome == "passed" for one in group if one.outcome in {"passed", "failed"}] for group in samples]
    repeated = [group for group in decided if len(group) > 1]
    if not repeated:
        return {}
    most = min(len(group) for group in repeated)
    return {k: fmean(pass_at_k(len(group), sum(group), k) for group in repeated) for k in (1, most)}
