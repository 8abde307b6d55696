"""The table behind `llmtui ask --stats`."""

from llmtui.cli.columns import aligned
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.quantities import UNKNOWN, number, percent, size, whole
from llmtui.domain.text import visible_line


def stats_lines(metrics: TurnMetrics, template: str | None = None) -> list[str]:
    """Every metric of a turn, a line for each group; what is unknown says why.

    Args:
        metrics: of the turn.
        template: where the chat template is from, as in the manifest.
    """
    source, _, why = (template or f"{UNKNOWN}: the server does not tell it").partition(": ")
    rows = [
        ("template", source, why),
        ("load", number(metrics.load_s, "s", 2), _why(metrics, "load_s")),
        ("prefill", number(metrics.prefill_tps, "tok/s"), _prompt(metrics)),
        ("ttft", number(metrics.ttft_s, "s", 3), _why(metrics, "ttft_s")),
        ("decode", number(metrics.decode_tps, "tok/s"), _decode(metrics)),
        ("itl", number(metrics.itl_p50_ms, "ms"), _gaps(metrics)),
        ("context", _context(metrics), _kv(metrics)),
        ("memory", size(metrics.rss_anon_bytes), _memory(metrics)),
        ("gpu", size(metrics.gpu_bytes), _gpu(metrics)),
        ("energy", number(metrics.energy_j, "J"), _energy(metrics)),
        ("bandwidth", percent(metrics.bandwidth_fraction, 1), _bandwidth(metrics)),
        ("finish", metrics.finish_reason or UNKNOWN, ""),
        ("total", number(metrics.total_s, "s", 2), _why(metrics, "total_s")),
    ]
    return aligned([tuple(visible_line(cell) for cell in row) for row in rows], right=frozenset({1}))


def _why(metrics: TurnMetrics, key: str) -> str:
    return metrics.reasons.get(key, "") if getattr(metrics, key) is None else ""


def _prompt(metrics: TurnMetrics) -> str:
    counts = f"{whole(metrics.prompt_tokens)} prompt tokens, {whole(metrics.cached_tokens)} cached"
    return "; ".join(filter(None, (counts, _why(metrics, "prefill_tps"))))


def _decode(metrics: TurnMetrics) -> str:
    counts = f"{number(metrics.decode_cps, '字/s')}, {whole(metrics.completion_tokens)} tokens"
    return _why(metrics, "decode_tps") or counts


def _gaps(metrics: TurnMetrics) -> str:
    if metrics.itl_p50_ms is None:
        return _why(metrics, "itl_p50_ms")
    parts = (("p95", metrics.itl_p95_ms), ("p99", metrics.itl_p99_ms), ("max", metrics.itl_max_ms))
    return "p50; " + ", ".join(f"{name} {number(value, 'ms')}" for name, value in parts)


def _context(metrics: TurnMetrics) -> str:
    return f"{whole(metrics.context_used)} / {whole(metrics.context_size)}"


def _kv(metrics: TurnMetrics) -> str:
    if metrics.context_used is None or not metrics.context_size:
        return _why(metrics, "context_used")
    return f"{percent(metrics.context_used / metrics.context_size, 1)}, KV cache {size(metrics.kv_bytes)}"


def _memory(metrics: TurnMetrics) -> str:
    if metrics.rss_anon_bytes is None:
        return _why(metrics, "rss_anon_bytes")
    return f"anonymous; mapped file {size(metrics.rss_file_bytes)}, peak {size(metrics.rss_peak_bytes)}"


def _gpu(metrics: TurnMetrics) -> str:
    if metrics.gpu_util is None and metrics.gpu_power_w is None:
        return _why(metrics, "gpu_bytes")
    load = f"{number(metrics.gpu_util, '%', 0)} busy, {number(metrics.gpu_power_w, 'W')}"
    return "; ".join(filter(None, (load, _why(metrics, "gpu_bytes"))))


def _energy(metrics: TurnMetrics) -> str:
    if metrics.energy_j is None:
        return _why(metrics, "energy_j")
    per_token = f"{number(metrics.j_per_token, 'J/token', 2)}, whole device"
    short = metrics.sources.get("energy_j") == "estimated"
    return f"{per_token}; the turn is too short for an exact figure" if short else per_token


def _bandwidth(metrics: TurnMetrics) -> str:
    if metrics.bandwidth_fraction is None:
        return _why(metrics, "bandwidth_fraction")
    return f"of the measured memory bandwidth ({metrics.sources.get('bandwidth_fraction', 'estimated')})"
