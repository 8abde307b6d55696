"""Scores of an answer, as records."""

from collections.abc import Callable
from typing import Any, NamedTuple

from llmtui.domain.prompt_set import Sample
from llmtui.domain.run import SampleRecord, ScoreRecord
from llmtui.domain.scorers import AnyScorer, Human, ModelGraded, UnitTests, name_of
from llmtui.domain.text import well_formed
from llmtui.services.scoring.registry import score, waits_for
from llmtui.services.scoring.result import Score

_LONGEST = 4000
"""Characters kept of what a scorer says."""
RunCode = Callable[[UnitTests, str, Sample], Score]
"""Runs the code in an answer against its tests; slow, and called from threads."""


class Scoring(NamedTuple):
    """Who scores besides the scorers that need nobody.

    Attributes:
        run_code: scores code by running it; None where the user has not allowed it.
        judge: the model that grades, as the user named it.
    """

    run_code: RunCode | None = None
    judge: str | None = None

    def waits(self, scorer: AnyScorer) -> bool:
        """Whether a scorer cannot score an answer as soon as it is there."""
        kind = waits_for(scorer)
        return kind is not None and not (kind == "sandbox" and self.run_code is not None)


def waiting_names(sample: Sample, scoring: Scoring) -> tuple[str, ...]:
    """Names of a sample's scorers that wait."""
    return tuple(name_of(scorer) for scorer in sample.scorers if scoring.waits(scorer))


def grading_parts(sample: Sample) -> dict[str, Any]:
    """Fields of a sample's record that whoever grades it needs; none where nobody does."""
    graders = {index: one for index, one in enumerate(sample.scorers) if isinstance(one, ModelGraded | Human)}
    if not graders:
        return {}
    reference = (sample.reference,) if sample.reference else ()
    return {"graders": graders, "references": (*reference, *sample.targets)}


def scores_of(record: SampleRecord, sample: Sample, scoring: Scoring | None = None) -> tuple[ScoreRecord, ...]:
    """What every scorer says that waits for nobody; nothing for a sample without an answer.

    Slow for long answers and for code: call it from a thread.
    """
    scoring = scoring or Scoring()
    if record.status != "done":
        return ()
    return tuple(
        scored(record, index, scorer, sample, scoring)
        for index, scorer in enumerate(sample.scorers)
        if not scoring.waits(scorer) and name_of(scorer) not in record.waiting
    )


def code_scores_of(record: SampleRecord, sample: Sample, scoring: Scoring) -> tuple[ScoreRecord, ...]:
    """What comes of running the code in an answer; nothing where that is not allowed. Slow: call it from a thread."""
    if record.status != "done" or scoring.run_code is None:
        return ()
    coded = [(index, one) for index, one in enumerate(sample.scorers) if isinstance(one, UnitTests)]
    return tuple(scored(record, index, one, sample, scoring) for index, one in coded)


def scored(record: SampleRecord, index: int, scorer: AnyScorer, sample: Sample, scoring: Scoring) -> ScoreRecord:
    """What one scorer says; of one that fails, why."""
    name = name_of(scorer)
    try:
        if isinstance(scorer, UnitTests) and scoring.run_code is not None:
            found = scoring.run_code(scorer, record.content, sample)
        else:
            found = score(scorer, record.content, sample)
    except Exception as error:  # noqa: BLE001 - scorers meet whatever models write; one that fails must not end a run
        told = well_formed(f"{type(error).__name__}: {error}")[:_LONGEST]
        return ScoreRecord(key=record.key, index=index, scorer=name, error=told)
    return ScoreRecord(
        key=record.key,
        index=index,
        scorer=name,
        value=found.value,
        passed=found.passed,
        answer=None if found.answer is None else well_formed(found.answer)[:_LONGEST],
        explanation=well_formed(found.explanation)[:_LONGEST],
        details=found.details,
    )
