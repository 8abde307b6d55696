"""One line about a turn: shown under the answer and kept in the transcript."""

from llmtui.domain.metrics import TurnMetrics

UNKNOWN = "–"
_MARKS = {"cancelled": "stopped", "length": "length limit", "context_full": "context full", "error": "error"}


def summary_line(metrics: TurnMetrics) -> str:
    """E.g. `42.1 tok/s · ttft 0.21 s · 128 tok · ctx 19 %`; what is unknown is `–`, an early end is named."""
    parts = [
        f"{_number(metrics.decode_tps, 1)} tok/s",
        f"ttft {_number(metrics.ttft_s, 2)} s",
        f"{UNKNOWN if metrics.completion_tokens is None else f'{metrics.completion_tokens:,}'} tok",
        f"ctx {_percent(metrics.context_used, metrics.context_size)} %",
    ]
    mark = _MARKS.get(metrics.finish_reason or "")
    return " · ".join([*parts, mark] if mark else parts)


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def _percent(used: int | None, size: int | None) -> str:
    return UNKNOWN if used is None or not size else f"{100 * used / size:.0f}"
