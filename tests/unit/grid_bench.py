"""A run over two sets and three models with everything that can become of a sample."""

from pathlib import Path

from llmtui.domain.events import Failed
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.run import ModelRecord, PlannedSet, RunPlan, RunRecord, SampleRecord, ScoreRecord
from llmtui.domain.transcript import EndRecord, Manifest
from llmtui.store.paths import Folders
from llmtui.store.runs import runs_dir
from llmtui.store.transcript_writer import TranscriptWriter

MODELS = ("qwen2-7b-instruct", "llama-8b", "通义千问-72b")
POEM = "**《静夜思》**\n\n> 床前明月光，疑是地上霜。\n> 举头望明月，低头思故乡。"


def record(sample: str, model: str, *, set_: str = "li-bai", epoch: int = 0, **parts: object) -> SampleRecord:
    """An answer that took a second."""
    fields: dict[str, object] = {
        "at": "2026-01-01T12:00:00+00:00",
        "status": "done",
        "content": f"{POEM}\n\n（{sample}）",
        "messages": (ChatMessage("system", "只写正文。"), ChatMessage("user", f"背诵{sample}")),
        "metrics": TurnMetrics(
            prompt_tokens=31,
            cached_tokens=12,
            completion_tokens=42,
            prefill_tps=812.0,
            decode_tps=41.5,
            decode_cps=55.0,
            ttft_s=0.21,
            total_s=1.3,
            context_used=73,
            context_size=8192,
        ),
        "scores": 1,
    }
    key = f"{set_}/{sample}/{model}/{epoch}"
    given = {**fields, **parts}
    return SampleRecord(key=key, set=set_, sample=sample, model=model, epoch=epoch, **given)  # type: ignore[arg-type]


def score(of: SampleRecord, value: float, explanation: str = "") -> ScoreRecord:
    return ScoreRecord(
        key=of.key, index=0, scorer="chinese_chars", value=value, passed=value > 0.9, explanation=explanation
    )


def write_grid(folders: Folders, *, name: str = "20260101-120000-a1b2", rows: int = 12) -> Path:
    """The run's file, as an interrupted run leaves it; its sets are gone, so that its rows are those of its answers."""
    path = runs_dir(folders) / f"{name}.jsonl"
    gone = str(path.with_name("gone.yaml"))
    sets = (
        PlannedSet(name="li-bai", path=gone, samples=rows, turns=rows),
        PlannedSet(name="弱智吧", path=gone, samples=2, turns=6),
    )
    plan = RunPlan(sets=sets, models=MODELS, timeout_s=10)
    first, second, third = MODELS
    manifest = Manifest(
        model=first,
        model_path="/models/qwen2.gguf",
        engine="llama.cpp",
        engine_build="b1",
        llmtui="1",
        quantisation="Q4_K_M",
    )
    lines: list[object] = []
    for number in range(rows):
        sample = f"静夜思-{number:02}"
        good = record(sample, first, manifest=manifest, reasoning="先想第一句。\n再想第二句。")
        poor = record(sample, second, metrics=TurnMetrics(decode_tps=120.25))
        lines += [good, score(good, 1.0, "20 of 20 characters"), poor, score(poor, 0.35, "7 of 20 characters")]
    failure = Failed("engine", "The worker has ended", "signal 9", "Load the model again")
    lines.append(record("静夜思-00", second, status="failed", content="", error=failure, scores=0))
    lines.append(record("静夜思-01", second, scores=0, waiting=("human",)))
    for epoch in range(3):
        one = record("生鱼片是不是死鱼片", first, set_="弱智吧", epoch=epoch)
        lines += [one, score(one, float(epoch > 0))]
    lines.append(
        ModelRecord(model=third, at="", error=Failed("memory", "The model does not fit", "", "Choose a smaller one"))
    )
    run = RunRecord(id=name.rpartition("-")[2], created_at="2026-01-01T12:00:00+00:00", llmtui="1", plan=plan)
    writer = TranscriptWriter(path, what="run")
    writer.append(run, *lines, EndRecord(ended_at="2026-01-01T12:30:00+00:00", reason="interrupted"))  # type: ignore[arg-type]
    writer.close()
    return path
