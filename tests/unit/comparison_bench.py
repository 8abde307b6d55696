"""Two runs over the same samples, a week apart: some are better in the second one, one is worse."""

import os
from pathlib import Path

from unit.grid_bench import record, score

from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.run import PlannedSet, RunPlan, RunRecord, SampleRecord
from llmtui.domain.transcript import EndRecord
from llmtui.store.paths import Folders
from llmtui.store.runs import runs_dir
from llmtui.store.transcript_writer import TranscriptWriter

QWEN, GLM = "qwen2-7b-instruct", "通义千问-72b"


def write_run(
    folders: Folders,
    id_: str,
    values: dict[str, tuple[float | None, ...]],
    *,
    day: int = 1,
    models: tuple[str, ...] = (QWEN, GLM),
    epochs: int = 1,
) -> Path:
    """A finished run of one set.

    Args:
        folders: of the user.
        id_: of the run.
        values: by sample, a score for each model; None for one that was not asked.
        day: of January, when it ran.
        models: that were asked.
        epochs: each with the same score.
    """
    path = runs_dir(folders) / f"202601{day:02}-120000-{id_}.jsonl"
    gone = str(path.with_name("gone.yaml"))
    planned = PlannedSet(name="li-bai", path=gone, samples=len(values), turns=len(values) * epochs)
    plan = RunPlan(sets=(planned,), models=models, timeout_s=10)
    lines: list[object] = []
    for sample, given in values.items():
        for model, value in zip(models, given, strict=True):
            for epoch in range(epochs if value is not None else 0):
                one: SampleRecord = record(sample, model, epoch=epoch, metrics=TurnMetrics(decode_tps=40.0 + day))
                lines += [one, score(one, value or 0.0)]
    run = RunRecord(id=id_, created_at=f"2026-01-{day:02}T12:00:00+00:00", llmtui="1", plan=plan)
    writer = TranscriptWriter(path, what="run")
    writer.append(run, *lines, EndRecord(ended_at="2026-01-01T12:30:00+00:00", reason="finished"))  # type: ignore[arg-type]
    writer.close()
    os.utime(path, (1_767_268_800 + day * 86_400,) * 2)
    return path


def two_runs(folders: Folders) -> tuple[Path, Path]:
    """The earlier and the later one."""
    first = write_run(
        folders,
        "a1b2",
        {"静夜思": (1.0, 0.2), "望庐山瀑布": (0.3, 1.0), "早发白帝城": (0.1, 0.1), "将进酒": (1.0, 1.0)},
    )
    later = write_run(
        folders,
        "c3d4",
        {"静夜思": (1.0, 1.0), "望庐山瀑布": (0.3, 0.4), "早发白帝城": (1.0, 0.1), "行路难": (0.2, None)},
        day=8,
    )
    return first, later
