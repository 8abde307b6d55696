"""A run of prompt sets over models: the records of its file, and what each of them comes to."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from llmtui.domain.events import Failed, FinishReason
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.models import LoadedModel
from llmtui.domain.profile import Wanted
from llmtui.domain.scorers import Human, ModelGraded
from llmtui.domain.settings import Runtime
from llmtui.domain.transcript import SCHEMA, EndRecord, Manifest

Status = Literal["done", "failed", "cancelled"]
PERSON = "person"
"""Who gave a score, where it was a person."""
GRADES = frozenset({"model_graded", "human"})
"""Scorers that say the same of an answer: one grade is enough, and a person's stands above a judge's."""
Outcome = Literal["passed", "failed", "waiting", "unscored", "error", "cancelled"]
"""What became of a sample. `waiting` for a person, a judge or a sandbox; `unscored` has no scorer; `error` no
answer."""


class PlannedSet(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt set of a run.

    Attributes:
        samples: that are asked, `limit` counted in.
        turns: samples times epochs.
        waiting: how many samples wait for a `sandbox`, a `judge` or a `person`.
    """

    name: str
    path: str
    samples: int
    turns: int
    waiting: dict[str, int] = {}


class RunPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run asks, so that it can be taken up again.

    Attributes:
        models: as the user named them.
        wanted: profile and settings, below what the sets say.
        epochs: over what the sets say.
        seed: over what the sets say.
        drawn_seed: where nobody gives one.
        limit: samples of each set, from its beginning.
        timeout_s: of one sample.
        runtime: how models are loaded, but for the number of slots.
        folder: where it was planned, so that a model named by a relative path is found from elsewhere, too.
    """

    sets: tuple[PlannedSet, ...]
    models: tuple[str, ...]
    wanted: Wanted = Wanted()
    epochs: int | None = None
    seed: int | None = None
    drawn_seed: int = 0
    limit: int | None = None
    timeout_s: float
    runtime: Runtime = Runtime()
    folder: str = ""

    @property
    def turns(self) -> int:
        """Samples times epochs of all sets, for one model."""
        return sum(planned.turns for planned in self.sets)


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, tag="run", tag_field="record"):
    """The file's first line."""

    id: str
    created_at: str
    llmtui: str
    plan: RunPlan
    schema: str = SCHEMA


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What makes the answers of two loads comparable.

    Attributes:
        name: as the user named it.
        fingerprint, template_sha256: see `LoadedModel`; None where a server does not tell.
    """

    name: str
    fingerprint: str | None
    engine: str
    engine_build: str
    template_sha256: str | None = None


class ModelRecord(msgspec.Struct, frozen=True, kw_only=True, tag="model", tag_field="record"):
    """A model was loaded, or could not be, or was given up.

    Attributes:
        model: as the user named it.
        loaded: what the engine granted; None when it could not be loaded.
        unfit: `SET/SAMPLE` that the context cannot hold, by a count before anything was generated.
    """

    model: str
    at: str
    identity: Identity | None = None
    loaded: LoadedModel | None = None
    error: Failed | None = None
    unfit: tuple[str, ...] = ()


class SampleRecord(msgspec.Struct, frozen=True, kw_only=True, tag="sample", tag_field="record", omit_defaults=True):
    """A sample was put to a model. A later record of the same key counts in place of an earlier one.

    Attributes:
        key: sha256 over everything that the answer depends on.
        model: as the user named it.
        epoch: from 0.
        messages: the conversation with the model's own turns in between, without the answer; empty for a raw prompt.
        prompt: the raw prompt; None for a conversation.
        content: the answer, also a partial one; as the model wrote it, so not safe to show.
        metrics: of the last turn.
        earlier: metrics of the turns before it.
        attempts: how often it was asked before this came.
        parallel: samples in flight at once; above 1, timings tell of all of them.
        scores: how many score records follow at once.
        waiting: scorers that wait for somebody: their names.
        rubric: how a person or a judge should grade.
        graders: scorers that grade, by their index, so that they need no prompt set, which may have changed since.
        references: right answers, or a model answer, for whoever grades.
    """

    key: str
    set: str
    sample: str
    model: str
    epoch: int
    at: str
    status: Status
    content: str = ""
    messages: tuple[ChatMessage, ...] = ()
    prompt: str | None = None
    reasoning: str | None = None
    finish_reason: FinishReason | None = None
    error: Failed | None = None
    metrics: TurnMetrics = TurnMetrics()
    earlier: tuple[TurnMetrics, ...] = ()
    manifest: Manifest | None = None
    attempts: int = 1
    parallel: int = 1
    scores: int = 0
    waiting: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    rubric: str | None = None
    graders: dict[int, ModelGraded | Human] = {}
    references: tuple[str, ...] = ()


class ScoreRecord(msgspec.Struct, frozen=True, kw_only=True, tag="score", tag_field="record", omit_defaults=True):
    """One scorer's judgement of an answer; a later one of the same key and index counts in place of an earlier one.

    Attributes:
        key: of the sample.
        index: of the scorer among the sample's.
        value: 0 to 1.
        answer: what was read from the answer.
        error: why the scorer failed; the score then counts for nothing.
        by: who gave it, where it was not the scorer itself: a judge's name, or `PERSON`.
        at: when it was given, where that was later than the answer.
    """

    key: str
    index: int
    scorer: str
    value: float = 0.0
    passed: bool = False
    answer: str | None = None
    explanation: str = ""
    details: dict[str, float] = {}
    error: str | None = None
    by: str | None = None
    at: str | None = None


RunLine = RunRecord | ModelRecord | SampleRecord | ScoreRecord | EndRecord


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample came to: a record and its scores without their texts.

    Attributes:
        value: of the scorer that liked it least, 0 to 1; None when none has scored.
        waiting: names of scorers that wait for somebody.
        error: title of what went wrong.
    """

    key: str
    set: str
    sample: str
    model: str
    epoch: int
    outcome: Outcome
    value: float | None = None
    decode_tps: float | None = None
    ttft_s: float | None = None
    completion_tokens: int | None = None
    parallel: int = 1
    waiting: tuple[str, ...] = ()
    error: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether taking the run up again leaves it alone: there is an answer."""
        return self.outcome not in {"error", "cancelled"}


def result_of(record: SampleRecord, scores: Sequence[ScoreRecord]) -> Result:
    """A sample's result. All scorers must pass; one that waits leaves a sample waiting unless another has failed it."""
    counted = _counted(scores)
    value = min((score.value for score in counted), default=None)
    return Result(
        key=record.key,
        set=record.set,
        sample=record.sample,
        model=record.model,
        epoch=record.epoch,
        outcome=_outcome(record, scores, counted),
        value=value if record.status == "done" else None,
        decode_tps=record.metrics.decode_tps,
        ttft_s=record.metrics.ttft_s,
        completion_tokens=record.metrics.completion_tokens,
        parallel=record.parallel,
        waiting=waiting_for(record, scores),
        error=record.error.title if record.error else next((score.error for score in scores if score.error), None),
    )


def waiting_for(record: SampleRecord, scores: Sequence[ScoreRecord]) -> tuple[str, ...]:
    """Scorers that still wait for somebody: their names. One whose try failed waits on."""
    if record.status != "done":
        return ()
    given = Counter(score.scorer for score in scores if score.error is None)
    left = list(record.waiting)
    for name in record.waiting:
        if given[name] or (name in GRADES and given.keys() & GRADES):
            given[name] -= 1
            left.remove(name)
    return tuple(left)


def _counted(scores: Sequence[ScoreRecord]) -> list[ScoreRecord]:
    given = [score for score in scores if score.error is None]
    if any(score.scorer == "human" for score in given):
        given = [score for score in given if score.scorer != "model_graded"]
    return given


def _outcome(record: SampleRecord, scores: Sequence[ScoreRecord], counted: Sequence[ScoreRecord]) -> Outcome:
    if record.status != "done":
        return "cancelled" if record.status == "cancelled" else "error"
    if any(not score.passed for score in counted):
        return "failed"
    broken = any(score.error is not None and score.scorer not in record.waiting for score in scores)
    if broken or waiting_for(record, scores):
        return "waiting"
    return "passed" if counted else "unscored"
