"""Answers to be graded: found by key in a run's file, with what whoever grades needs to know."""

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from llmtui.domain.prompt_set import Sample
from llmtui.domain.run import SampleRecord, ScoreRecord
from llmtui.domain.scorers import Human, ModelGraded
from llmtui.errors import ConfigError
from llmtui.services.runs.judging import grading_parts
from llmtui.services.runs.plan import jobs_of, key_of
from llmtui.store.run_answers import RunAnswers
from llmtui.store.runs import StoredRun

Grader = ModelGraded | Human


class ToGrade(NamedTuple):
    """An answer and the scorer that grades it.

    Attributes:
        place: of the scorer among the sample's.
        given: scores that the answer has, the last of each scorer.
        changed: the sample is not in its set any more as it was asked; what was asked stands in the record.
    """

    record: SampleRecord
    place: int
    scorer: Grader
    given: tuple[ScoreRecord, ...]
    changed: bool = False

    @property
    def grade(self) -> ScoreRecord | None:
        """The grade that this scorer gave before."""
        return next((score for score in self.given if score.index == self.place and score.error is None), None)


def to_grade(
    stored: StoredRun,
    kind: type[Grader],
    keys: Iterable[str],
    *,
    answers: RunAnswers | None = None,
    samples: dict[str, Sample] | None = None,
) -> Iterator[ToGrade]:
    """Answers by key with their graders of one kind. Reads from disk: call it from a thread.

    Args:
        stored: the run.
        kind: of grader.
        keys: of the answers, in order.
        answers: of the run, where the caller has them.
        samples: as their sets have them now; None reads the sets only for records without graders.

    Raises:
        StoreError: the run's file cannot be read.
    """
    answers = answers or RunAnswers(stored.path)
    for key in keys:
        found = answers.read(key)
        if found is None:
            continue
        record, graders = found.record, found.record.graders
        if not graders:
            samples = samples if samples is not None else current_samples(stored, set(keys))
            graders = grading_parts(samples[key]).get("graders", {}) if key in samples else {}
        changed = samples is not None and key not in samples
        for index, scorer in graders.items():
            if isinstance(scorer, kind):
                yield ToGrade(record, index, scorer, found.scores, changed)


def current_samples(stored: StoredRun, keys: set[str], stop: threading.Event | None = None) -> dict[str, Sample]:
    """Samples of a run by key, as far as their sets still have them as they were asked.

    Reads the sets from the disk until all are found, or until `stop` is set: call it from a thread.
    """
    plan, identities = stored.run.plan, list(stored.identities.values())
    found: dict[str, Sample] = {}
    for planned in plan.sets:
        try:
            for job in jobs_of(plan, planned):
                found.update({key: job.sample for one in identities if (key := key_of(job, one)) in keys})
                if len(found) == len(keys) or (stop is not None and stop.is_set()):
                    return found
        except ConfigError:  # a set that is gone, or is not valid any more, has none of them
            continue
    return found
