"""What a run tells while it goes on."""

import msgspec

from llmtui.domain.events import Failed
from llmtui.domain.models import LoadedModel
from llmtui.domain.run import Result, SampleRecord, ScoreRecord


class ModelLoading(msgspec.Struct, frozen=True):
    """A model is being opened; `fraction` is None where the engine does not say."""

    model: str
    stage: str
    fraction: float | None = None


class ModelReady(msgspec.Struct, frozen=True, kw_only=True):
    """A model answers from now on.

    Attributes:
        turns: samples times epochs that are to be asked.
        answered: that have their answer from before.
        unfit: `SET/SAMPLE` that the context cannot hold.
    """

    model: str
    loaded: LoadedModel
    turns: int
    answered: int
    unfit: tuple[str, ...] = ()


class ModelBack(msgspec.Struct, frozen=True):
    """A model whose process had died is loaded again; the run goes on with it where it was."""

    model: str


class ModelSkipped(msgspec.Struct, frozen=True):
    """Every sample has this model's answer from before."""

    model: str
    answered: int


class ModelFailed(msgspec.Struct, frozen=True):
    """A model cannot be loaded, or fails again and again; the run goes on with the next."""

    model: str
    error: Failed


class ModelDone(msgspec.Struct, frozen=True):
    """A model is through, and unloaded."""

    model: str


class SampleBegun(msgspec.Struct, frozen=True):
    """A sample is put to a model."""

    model: str
    set: str
    sample: str
    epoch: int


class SampleEnded(msgspec.Struct, frozen=True):
    """A sample has its record, which is on the disk."""

    record: SampleRecord
    scores: tuple[ScoreRecord, ...]
    result: Result


class SampleScored(msgspec.Struct, frozen=True):
    """An answer from before got scores that it had waited for; they are on the disk."""

    scores: tuple[ScoreRecord, ...]
    result: Result


class JudgeReady(msgspec.Struct, frozen=True, kw_only=True):
    """A model grades answers from now on.

    Attributes:
        model: its name.
        answers: to be graded.
        related: models among those graded that it may favour: itself, or of its family.
    """

    model: str
    loaded: LoadedModel
    answers: int
    related: tuple[str, ...] = ()


class JudgeFailed(msgspec.Struct, frozen=True):
    """The judge cannot be loaded, or fails again and again; what it has not graded waits on."""

    model: str
    error: Failed


class JudgeDone(msgspec.Struct, frozen=True, kw_only=True):
    """The judge is through, and unloaded.

    Attributes:
        graded: answers that have a grade now.
        agreed: of them, those where it gave the same grade with the scale listed from either end.
        ungraded: answers without a grade.
    """

    model: str
    graded: int
    agreed: int
    ungraded: int


class Remark(msgspec.Struct, frozen=True):
    """Something that people should know; one line, safe to show."""

    text: str


RunEvent = (
    ModelLoading
    | ModelReady
    | ModelBack
    | ModelSkipped
    | ModelFailed
    | ModelDone
    | SampleBegun
    | SampleEnded
    | SampleScored
    | JudgeReady
    | JudgeFailed
    | JudgeDone
    | Remark
)
