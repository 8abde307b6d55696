"""Why a metric of a turn is unknown, in words."""

from collections.abc import Iterable

import msgspec

from llmtui.domain.metrics import HostReading
from llmtui.domain.models import LoadedModel

_UNREPORTED = "the engine does not report it"
_TOO_SHORT = "fewer than two tokens were generated"
_IN_SERVER = "the model runs in a server's process"
_OF_GAPS = ("itl_p50_ms", "itl_p95_ms", "itl_p99_ms", "itl_max_ms")
_OF_PROCESS = ("rss_anon_bytes", "rss_file_bytes", "rss_peak_bytes")
_OF_DEVICE = ("gpu_bytes", "gpu_util", "gpu_power_w", "energy_j", "j_per_token")


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What of a turn, its model and its machine explains an unknown value.

    Attributes:
        bandwidth_known: memory bandwidth of this machine was measured.
        kv_known: the engine told the size of the KV cache.
        prompt_cached: the whole prompt was in the KV cache.
        cached_known: the engine told how much of it was.
        loaded_now: this turn loaded the model.
        several_chunks: text came more than once, so that a rate or gap that is unknown lacks a count, not time.
    """

    model: LoadedModel
    host: HostReading | None
    bandwidth_known: bool
    kv_known: bool
    prompt_cached: bool
    cached_known: bool
    loaded_now: bool
    several_chunks: bool


def reasons(unknown: Iterable[str], around: Circumstances) -> dict[str, str]:
    """One reason for each metric of `unknown`."""
    in_server, chunks = around.model.pid is None, around.several_chunks
    known = {
        "load_s": _UNREPORTED if around.loaded_now else "the model was loaded already",
        "prefill_tps": _prefill(around),
        "ttft_s": "no visible text was generated",
        "decode_tps": "the server sends chunks and does not count their tokens" if chunks else _TOO_SHORT,
        "decode_cps": _TOO_SHORT,
        "completion_tokens": "the server does not count the tokens it sends",
        **dict.fromkeys(_OF_GAPS, "the server sends chunks, not single tokens" if chunks else _TOO_SHORT),
        **dict.fromkeys(_OF_PROCESS, _IN_SERVER if in_server else "the system does not report it"),
        **dict.fromkeys(_OF_DEVICE, _device(around)),
        "bandwidth_fraction": _bandwidth(around),
        "total_s": "the turn has not ended",
    }
    return {key: known.get(key, _UNREPORTED) for key in unknown}


def _prefill(around: Circumstances) -> str:
    if not around.cached_known:
        return "the engine does not tell how much of the prompt was cached"
    return "the whole prompt was cached" if around.prompt_cached else _UNREPORTED


def _device(around: Circumstances) -> str:
    if around.model.pid is None:
        return _IN_SERVER
    if around.model.gpu_layers == 0:
        return "the model runs on the processor"
    return (around.host.gpu.reason if around.host else None) or "the GPU driver does not report it"


def _bandwidth(around: Circumstances) -> str:
    if around.model.devices:
        return "layers run on other machines"
    if around.model.gpu_layers:
        return "layers run on the GPU, whose memory bandwidth is not measured"
    if not around.bandwidth_known:
        return "memory bandwidth is not measured yet: run `llmtui doctor`"
    if around.model.weights_read_per_token_bytes is None:
        return "the bytes read a token are not known for this model"
    return _TOO_SHORT if around.kv_known else "the size of the KV cache is not known"
