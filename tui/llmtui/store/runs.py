"""Run files: append-only JSONL, one file a run. Read record by record: a run can be long."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.run import (
    Identity,
    ModelRecord,
    Result,
    RunLine,
    RunRecord,
    SampleRecord,
    ScoreRecord,
    result_of,
)
from llmtui.domain.text import visible_line
from llmtui.domain.transcript import SCHEMA, EndRecord
from llmtui.errors import StoreError
from llmtui.store.files import open_regular
from llmtui.store.paths import Folders

SUFFIX = ".jsonl"
MAX_LINE = 256 << 20
_decoder = msgspec.json.Decoder(RunLine)


class StoredRun:
    """A run as its file tells it: its plan and what became of every sample, without the answers.

    Attributes:
        run: the first line.
        results: by key; of records of the same sample, model and epoch the last.
        identities: of the models, by the user's name, as they were loaded last.
        failures: models that could not be loaded, or were given up, and not loaded since: title by name.
        unscored: records whose scores are missing, because the program was killed between the two.
        ended: the last end record; None when the run was killed.
        damaged: lines that could not be read and were left out.
    """

    def __init__(self, path: Path, run: RunRecord) -> None:
        self.path = path
        self.run = run
        self.results: dict[str, Result] = {}
        self.identities: dict[str, Identity] = {}
        self.failures: dict[str, str] = {}
        self.unscored: dict[str, SampleRecord] = {}
        self.ended: EndRecord | None = None
        self.damaged = 0
        self._scores: dict[str, dict[int, ScoreRecord]] = {}
        self._keys: dict[tuple[str, str, str, int], str] = {}
        self._heads: dict[str, SampleRecord] = {}

    def scores(self, key: str) -> tuple[ScoreRecord, ...]:
        """Scores of an answer, the last of each scorer."""
        return tuple(self._scores.get(key, {}).values())

    def has_scorer(self, key: str, name: str) -> bool:
        """Whether an answer is for somebody to score: for `human` or `model_graded`, whether or not it was done."""
        return key in self._heads and name in self._heads[key].waiting

    def take(self, record: RunLine) -> None:
        """Take the next record of the file."""
        match record:
            case ModelRecord():
                self._take_model(record)
            case SampleRecord():
                self._take_sample(record)
            case ScoreRecord() if record.key in self._heads:
                self._take_score(record)
            case EndRecord():
                self.ended = record

    def _take_model(self, record: ModelRecord) -> None:
        if record.identity is not None:
            self.identities[record.model] = record.identity
        if record.error is not None:
            self.failures[record.model] = record.error.title
        else:
            self.failures.pop(record.model, None)

    def _take_sample(self, record: SampleRecord) -> None:
        place = (record.set, record.sample, record.model, record.epoch)
        before = self._keys.get(place)
        if before is not None:
            self.results.pop(before, None)
            self.unscored.pop(before, None)
            self._scores.pop(before, None)
        self._keys[place] = record.key
        self._heads[record.key] = _without_texts(record)
        self.results[record.key] = result_of(record, ())
        if record.scores:
            self.unscored[record.key] = record

    def _take_score(self, record: ScoreRecord) -> None:
        scores = self._scores.setdefault(record.key, {})
        scores[record.index] = record
        head = self._heads[record.key]
        at_once = sum(score.scorer not in head.waiting for score in scores.values())
        if at_once >= head.scores:
            self.unscored.pop(record.key, None)
            self.results[record.key] = result_of(head, tuple(scores.values()))


def runs_dir(folders: Folders) -> Path:
    """One file a run."""
    return folders.data_dir / "runs"


def run_files(folder: Path) -> list[Path]:
    """The files of a folder that may be runs, the newest first by name."""
    with contextlib.suppress(OSError):
        return sorted((path for path in folder.iterdir() if path.suffix == SUFFIX), reverse=True)
    return []


def read_head(path: Path) -> RunRecord | None:
    """The first line of a run; None where the file is none."""
    try:
        with open_regular(path) as file:
            record = _decoder.decode(file.readline(MAX_LINE))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if isinstance(record, RunRecord) else None


def read_run(path: Path) -> StoredRun:
    """Read a run.

    Raises:
        StoreError: the file is missing, no run, or of a newer schema.
    """
    stored: StoredRun | None = None
    damaged = 0
    for record in _records(path):
        if record is None:
            damaged += 1
        elif isinstance(record, RunRecord):
            _check_schema(record, path)
            stored = stored or StoredRun(path, record)
        elif stored is not None:
            stored.take(record)
    if stored is None:
        raise StoreError(
            "This is not a run of llmtui",
            cause=f"{visible_line(str(path))}: its first record is not that of a run",
            remedy="Give the id or the file of a run",
        )
    stored.damaged = damaged
    return stored


def _records(path: Path) -> Iterator[RunLine | None]:
    """Every record; None for a line that is damaged. A torn last line is left out."""
    try:
        with open_regular(path) as file:
            while line := file.readline(MAX_LINE):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield _decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    yield None
    except OSError as error:
        raise StoreError(
            "The run cannot be read",
            cause=f"{visible_line(str(path))}: {error.strerror or error}",
            remedy="Check the path and its permissions",
        ) from error


def _check_schema(record: RunRecord, path: Path) -> None:
    if _major(record.schema) != _major(SCHEMA):
        raise StoreError(
            "This run was written by another version of llmtui",
            cause=f"{visible_line(str(path))}: schema {visible_line(record.schema)[:40]}, this version reads {SCHEMA}",
            remedy="Update llmtui to open it; the file is left as it is",
        )


def _major(schema: str) -> tuple[str, str]:
    """`llmtui.transcript/1.2` is of the same kind as `llmtui.transcript/1`: it has more, and nothing else."""
    name, _, version = schema.partition("/")
    return name, version.partition(".")[0]


def _without_texts(record: SampleRecord) -> SampleRecord:
    """What a result is made of; the rest of a hundred thousand records would fill the memory."""
    figures = record.metrics
    metrics = TurnMetrics(
        decode_tps=figures.decode_tps, ttft_s=figures.ttft_s, completion_tokens=figures.completion_tokens
    )
    return msgspec.structs.replace(
        record,
        content="",
        messages=(),
        prompt=None,
        reasoning=None,
        manifest=None,
        metrics=metrics,
        earlier=(),
        rubric=None,
        graders={},
        references=(),
    )
