"""One line about a turn: shown under the answer and kept in the transcript."""

from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.quantities import number, percent, whole

_MARKS = {"cancelled": "stopped", "length": "length limit", "context_full": "context full", "error": "error"}


def summary_line(metrics: TurnMetrics) -> str:
    """E.g. `42.1 tok/s · ttft 0.21 s · 128 tok · ctx 19 %`; what is unknown is `–`, an early end is named."""
    used, size = metrics.context_used, metrics.context_size
    parts = [
        f"{number(metrics.decode_tps)} tok/s",
        f"ttft {number(metrics.ttft_s, digits=2)} s",
        f"{whole(metrics.completion_tokens)} tok",
        f"ctx {percent(used / size if used is not None and size else None)}",
    ]
    mark = _MARKS.get(metrics.finish_reason or "")
    return " · ".join([*parts, mark] if mark else parts)
