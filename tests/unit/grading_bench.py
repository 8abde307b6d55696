"""Runs with answers that wait for a person, written record by record."""

from collections.abc import Sequence
from pathlib import Path

from llmtui.domain.messages import ChatMessage
from llmtui.domain.run import PlannedSet, RunPlan, RunRecord, SampleRecord, ScoreRecord
from llmtui.domain.scorers import Human, ModelGraded
from llmtui.domain.transcript import EndRecord
from llmtui.store.paths import Folders
from llmtui.store.run_answers import RunAnswers
from llmtui.store.runs import runs_dir
from llmtui.store.transcript_writer import TranscriptWriter

RUBRIC = "“生”是没有煮熟，不是活着。2 分：说清双关。1 分：没说清。0 分：上当。"
GRADERS = {0: ModelGraded(), 1: Human()}


def waiting(key: str, model: str = "qwen2-7b", **parts: object) -> SampleRecord:
    """An answer to the riddle of the raw fish that waits for a judge or a person."""
    fields: dict[str, object] = {
        "set": "ruozhiba",
        "sample": key,
        "epoch": 0,
        "at": "2026-01-01T00:00:00+00:00",
        "status": "done",
        "content": f"**不是**：“生”在这里是没有煮熟的意思。（{key}）",
        "messages": (ChatMessage("user", "生鱼片是不是死鱼片？"),),
        "waiting": ("model_graded", "human"),
        "rubric": RUBRIC,
        "graders": GRADERS,
    }
    return SampleRecord(key=key, model=model, **{**fields, **parts})  # type: ignore[arg-type]


def judged(key: str, grade: int = 2) -> ScoreRecord:
    return ScoreRecord(
        key=key, index=0, scorer="model_graded", value=grade / 2, passed=grade > 1, answer=str(grade),
        explanation="the judge's reason", by="judge-7b",
    )  # fmt: skip


def write_run(
    folders: Folders, records: Sequence[SampleRecord | ScoreRecord], *, name: str = "20260101-000000-aaa"
) -> Path:
    """A run in the user's folder that was finished."""
    path = runs_dir(folders) / f"{name}.jsonl"
    planned = PlannedSet(name="ruozhiba", path=str(path.with_name("gone.yaml")), samples=9, turns=9)
    plan = RunPlan(sets=(planned,), models=("qwen2-7b", "llama-8b"), timeout_s=10)
    run = RunRecord(id=name.rpartition("-")[2], created_at="2026-01-01T00:00:00+00:00", llmtui="1", plan=plan)
    writer = TranscriptWriter(path, what="run")
    writer.append(run, *records, EndRecord(ended_at="2026-01-01T00:00:00+00:00", reason="finished"))
    writer.close()
    return path


def grades(path: Path, key: str) -> list[tuple[str | None, str, str | None]]:
    """A person's grade of an answer as the file has it last: grade, note, by whom."""
    found = RunAnswers(path).read(key)
    scores = found.scores if found is not None else ()
    return [(score.answer, score.explanation, score.by) for score in scores if score.scorer == "human"]
