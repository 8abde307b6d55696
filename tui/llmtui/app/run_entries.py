"""An answer of a run as entries of a conversation: prompt, answer, scores, figures, and what it came from. Pure."""

from typing import TYPE_CHECKING

import msgspec

from llmtui.app import format as fmt
from llmtui.app.entries import error_entry, notice_entry, with_thoughts
from llmtui.app.run_cells import GLYPHS, WORDS, score
from llmtui.app.widgets.transcript_view import Entry, Kind
from llmtui.domain.run import waiting_for
from llmtui.services.summary import summary_line

if TYPE_CHECKING:
    from llmtui.domain.messages import Role
    from llmtui.domain.metrics import TurnMetrics
    from llmtui.domain.run import SampleRecord, ScoreRecord
    from llmtui.domain.transcript import Manifest
    from llmtui.services.runs.grid import Mark
    from llmtui.services.runs.open_run import Answer

_ROLES: "dict[Role, tuple[str, Kind]]" = {
    "system": ("system message", "notice"),
    "user": ("user", "user"),
    "assistant": ("assistant", "assistant"),
}


def answer_entries(answer: "Answer", *, opened: bool = False, settings: bool = False) -> list[Entry]:
    """Everything that is kept of an answer.

    Args:
        answer: the record and its scores.
        opened: show what the model thought, not only how much.
        settings: show what the answer came from.
    """
    record = answer.record
    entries = [*_prompt(record), _answer(record, opened=opened)]
    if record.error is not None:
        entries.append(error_entry("error", record.error))
    entries += [_score(one, number) for number, one in enumerate(answer.scores)]
    entries += _waiting(record, answer.scores)
    entries.append(notice_entry("figures", "figures", "\n".join(_figures(record))))
    if settings and record.manifest is not None:
        entries.append(notice_entry("settings", "what it came from", "\n".join(_settings(record.manifest))))
    return entries


def no_answer(mark: "Mark | None") -> list[Entry]:
    """What stands in place of an answer that is not there."""
    state = mark.state if mark is not None else "open"
    return [notice_entry("none", WORDS[state], (mark.error if mark is not None else None) or "")]


def _prompt(record: "SampleRecord") -> list[Entry]:
    if record.prompt is not None:
        return [Entry("prompt", "user", "text, sent as it is", record.prompt, None, whole=True)]
    entries: list[Entry] = []
    for number, message in enumerate(record.messages):
        label, kind = _ROLES[message.role]
        entries.append(Entry(f"message-{number}", kind, label, message.content, None, whole=True))
    return entries


def _answer(record: "SampleRecord", *, opened: bool) -> Entry:
    text = with_thoughts(record.reasoning, record.content, opened=opened)
    figures = summary_line(msgspec.structs.replace(record.metrics, finish_reason=record.finish_reason))
    footer = figures if record.content else f"no text · {figures}"
    return Entry("answer", "assistant", fmt.name(record.model), text, footer)


def _score(given: "ScoreRecord", number: int) -> Entry:
    if given.error is not None:
        return Entry(f"score-{number}", "error", f"{given.scorer} could not score it", given.error, None)
    sign = GLYPHS["passed" if given.passed else "failed"][0]
    label = f"{sign} {given.scorer} · {score(given.value)}"
    parts = [given.explanation]
    if given.answer is not None:
        parts.append(f"read from the answer: {given.answer}")
    if given.details:
        parts.append(" · ".join(f"{name} {value:g}" for name, value in given.details.items()))
    return notice_entry(f"score-{number}", label, "\n".join(part for part in parts if part))


def _waiting(record: "SampleRecord", given: "tuple[ScoreRecord, ...]") -> list[Entry]:
    left = waiting_for(record, given)
    rubric = f"rubric: {record.rubric}" if record.rubric else ""
    return [notice_entry("waiting", f"{GLYPHS['waiting'][0]} waits for {', '.join(left)}", rubric)] if left else []


def _figures(record: "SampleRecord") -> list[str]:
    metrics = record.metrics
    read, cached = fmt.integer(metrics.prompt_tokens), fmt.integer(metrics.cached_tokens)
    written, letters = fmt.integer(metrics.completion_tokens), fmt.rate(metrics.decode_cps)
    lines = [
        f"prompt     {read} tok read at {fmt.rate(metrics.prefill_tps)} tok/s, {cached} cached",
        f"answer     {written} tok at {fmt.rate(metrics.decode_tps)} tok/s, {letters} 字/s",
        f"time       ttft {fmt.seconds(metrics.ttft_s)} s, {fmt.seconds(metrics.total_s)} s in all{_gaps(metrics)}",
        f"context    {fmt.integer(metrics.context_used)} of {fmt.integer(metrics.context_size)}",
    ]
    if metrics.energy_j is not None:
        lines.append(f"energy     {metrics.energy_j:.1f} J")
    asked = f"asked      {record.at[:19].replace('T', ' ')} UTC, try {record.attempts}"
    lines.append(asked + (f", {record.parallel} samples at once" if record.parallel > 1 else ""))
    return lines


def _gaps(metrics: "TurnMetrics") -> str:
    if metrics.itl_p50_ms is None:
        return ""
    return f", itl {fmt.milliseconds(metrics.itl_p50_ms)}/{fmt.milliseconds(metrics.itl_p95_ms)} ms"


def _settings(manifest: "Manifest") -> list[str]:
    template = manifest.template_source or "unknown"
    said = {"model": manifest.model, "file": manifest.model_path, "quantisation": manifest.quantisation}
    said |= {"engine": f"{manifest.engine} {manifest.engine_build}", "fingerprint": manifest.model_fingerprint}
    said |= {"template": template, "profile": manifest.profile, "mode": manifest.mode}
    said |= {"seed": None if manifest.seed is None else str(manifest.seed), "system": manifest.system}
    lines = [f"{name:<13}{fmt.name(value)}" for name, value in said.items() if value]
    defaults = type(manifest.sampling)()
    for name in manifest.sampling.__struct_fields__:
        value, origin = getattr(manifest.sampling, name), manifest.origins.get(name)
        if name != "seed" and (origin is not None or value != getattr(defaults, name)):
            told = msgspec.json.encode(value).decode()
            lines.append(f"{name:<18} {fmt.name(told)}{f'  · {fmt.name(origin)}' if origin else ''}")
    return lines
