"""Scores of an answer, as records."""

from llmtui.domain.prompt_set import Sample
from llmtui.domain.run import SampleRecord, ScoreRecord
from llmtui.domain.scorers import AnyScorer
from llmtui.domain.text import well_formed
from llmtui.services.scoring.registry import score, waits_for

_LONGEST = 4000
"""Characters kept of what a scorer says."""


def scores_of(record: SampleRecord, sample: Sample) -> tuple[ScoreRecord, ...]:
    """What every scorer says that waits for nobody; nothing for a sample without an answer.

    Slow for long answers: call it from a thread.
    """
    if record.status != "done":
        return ()
    return tuple(
        _scored(record, index, scorer, sample)
        for index, scorer in enumerate(sample.scorers)
        if waits_for(scorer) is None
    )


def _scored(record: SampleRecord, index: int, scorer: AnyScorer, sample: Sample) -> ScoreRecord:
    name = str(scorer.__struct_config__.tag)
    try:
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
