"""Every scorer by its definition: those that score at once, and what the others wait for."""

from collections.abc import Callable
from typing import Any, Literal

from llmtui.domain import scorers as kinds
from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import AnyScorer, Scorer
from llmtui.services.scoring import chinese, readings, texts
from llmtui.services.scoring.folding import without_reasoning
from llmtui.services.scoring.result import Score

Waits = Literal["sandbox", "judge", "person"]
_NOW: dict[type[Scorer], Callable[[Any, str, Sample], Score]] = {
    kinds.Equals: texts.equals,
    kinds.Contains: texts.contains,
    kinds.NotContains: texts.not_contains,
    kinds.Regex: texts.regex,
    kinds.NotRegex: texts.not_regex,
    kinds.Similarity: texts.similarity,
    kinds.Length: texts.length,
    kinds.Number: readings.number,
    kinds.Choice: readings.choice,
    kinds.JsonSchema: readings.json_schema,
    kinds.ScriptRatio: chinese.script_ratio,
    kinds.Verbatim: chinese.verbatim,
}
_LATER: dict[type[Scorer], Waits] = {
    kinds.UnitTests: "sandbox",
    kinds.ModelGraded: "judge",
    kinds.Human: "person",
}


def waits_by_name(name: str) -> Waits | None:
    """What the scorer of a name needs, as `waits_for`."""
    return _LATER.get(kinds.SCORERS[name]) if name in kinds.SCORERS else None


def waits_for(scorer: AnyScorer) -> Waits | None:
    """What a scorer needs before it can score; None when `score` does it at once."""
    return _LATER.get(type(scorer))


def score(scorer: AnyScorer, answer: str, sample: Sample) -> Score:
    """Score an answer, without its reasoning.

    Raises:
        KeyError: the scorer waits for somebody else, see `waits_for`.
    """
    return _NOW[type(scorer)](scorer, without_reasoning(answer), sample)
