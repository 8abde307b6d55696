"""The metrics of a turn. Field names are the JSON keys; the unit is in the name. Unknown is None, never 0."""

import msgspec

from llmtui.domain.events import Source


class TurnMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn cost. `sources` says who measured each value, `reasons` why a value is unknown.

    Attributes:
        load_s: model load and context creation, when this turn had to load.
        prompt_tokens, cached_tokens: whole prompt; the part reused from the KV cache.
        prefill_tps: (prompt - cached) / prefill seconds.
        ttft_s: submit to first visible text; queue, template and tokenising included.
        completion_tokens: generated, end token included.
        decode_tps: (n - 1) / (t_n - t_1); the first token belongs to prefill.
        decode_cps: visible characters a second over the same span, comparable across tokenizers.
        itl_*_ms: gaps between tokens of this stream.
        context_used, context_size: tokens in the sequence after the turn; granted size.
        kv_bytes: live KV of this sequence.
        rss_*_bytes: the worker's memory; anon is KV, compute and repacked weights, file is mapped weights.
        gpu_bytes, gpu_util, gpu_power_w: bytes of this process where given, percent, watts.
        energy_j, j_per_token: energy of the whole device over the turn.
        bandwidth_fraction: bytes read a token x decode_tps / measured memory bandwidth.
        total_s: submit to finished.
    """

    load_s: float | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    prefill_tps: float | None = None
    ttft_s: float | None = None
    completion_tokens: int | None = None
    decode_tps: float | None = None
    decode_cps: float | None = None
    itl_p50_ms: float | None = None
    itl_p95_ms: float | None = None
    itl_p99_ms: float | None = None
    itl_max_ms: float | None = None
    context_used: int | None = None
    context_size: int | None = None
    kv_bytes: int | None = None
    rss_anon_bytes: int | None = None
    rss_file_bytes: int | None = None
    rss_peak_bytes: int | None = None
    gpu_bytes: int | None = None
    gpu_util: float | None = None
    gpu_power_w: float | None = None
    energy_j: float | None = None
    j_per_token: float | None = None
    bandwidth_fraction: float | None = None
    finish_reason: str | None = None
    total_s: float | None = None
    sources: dict[str, Source] = {}
    reasons: dict[str, str] = {}


METRIC_KEYS = tuple(name for name in TurnMetrics.__struct_fields__ if name not in {"sources", "reasons"})


class ProcessMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one process in bytes; None where the system does not tell."""

    rss_anon_bytes: int | None = None
    rss_file_bytes: int | None = None
    rss_peak_bytes: int | None = None


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the GPU that holds the model; `reason` says why the rest is unknown."""

    name: str | None = None
    process_bytes: int | None = None
    used_bytes: int | None = None
    total_bytes: int | None = None
    util_percent: float | None = None
    power_w: float | None = None
    energy_mj: int | None = None
    reason: str | None = None


class HostReading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the machine and at the process that holds the model."""

    t_ns: int
    cpu_percent: float | None = None
    process: ProcessMemory = ProcessMemory()
    gpu: GpuReading = GpuReading()
