"""What the profiler panel shows at one moment: one frozen value, built purely from what is known then."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from llmtui.domain.fold import LiveTurn
from llmtui.domain.metrics import GpuReading, HostReading, TurnMetrics
from llmtui.domain.models import LoadedModel, MemoryParts

Phase = Literal["empty", "loading", "idle", "prefill", "decode"]


class TurnRow(msgspec.Struct, frozen=True, kw_only=True):
    """One finished turn in the panel's table.

    Attributes:
        number: from 1 in the order of the chat.
        tokens: generated.
        context_used: tokens in the sequence after the turn.
        memory_bytes: resident memory of the process that holds the model, at the turn's end.
    """

    number: int
    decode_tps: float | None = None
    ttft_s: float | None = None
    tokens: int | None = None
    context_used: int | None = None
    memory_bytes: int | None = None


class ProfilerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The profiler at one moment. Rates are those of the running turn, else of the last one; None is unknown.

    Attributes:
        phase: what the engine is doing.
        rates: recent decode rates in tokens/s, oldest first, for the sparkline.
        prefill_done: prompt tokens in the cache so far, while `phase` is `prefill`.
        context_used, context_size: tokens.
        rss_anon_bytes: KV, compute buffers and repacked weights of the model's process.
        rss_file_bytes: its mapped weights.
        cpu_percent: of the whole machine, 0 to 100.
        served: the model runs in a server's process, whose memory only the server can tell.
        rows: the finished turns, oldest first.
    """

    phase: Phase = "empty"
    decode_tps: float | None = None
    decode_cps: float | None = None
    rates: tuple[float, ...] = ()
    prefill_tps: float | None = None
    prefill_done: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    ttft_s: float | None = None
    itl_p50_ms: float | None = None
    itl_p95_ms: float | None = None
    completion_tokens: int | None = None
    context_used: int | None = None
    context_size: int | None = None
    memory: MemoryParts = MemoryParts()
    rss_anon_bytes: int | None = None
    rss_file_bytes: int | None = None
    load_s: float | None = None
    threads: int | None = None
    cpu_percent: float | None = None
    gpu: GpuReading = GpuReading()
    served: bool = False
    rows: tuple[TurnRow, ...] = ()

    @property
    def context_fraction(self) -> float | None:
        """How full the context is, 0 to 1."""
        if self.context_used is None or not self.context_size:
            return None
        return self.context_used / self.context_size

    @property
    def rss_bytes(self) -> int | None:
        """Resident memory of the model's process."""
        return _sum(self.rss_anon_bytes, self.rss_file_bytes)


def build_snapshot(
    *,
    live: LiveTurn | None = None,
    turns: Sequence[TurnMetrics] = (),
    last: TurnMetrics | None = None,
    host: HostReading | None = None,
    loaded: LoadedModel | None = None,
    rates: Sequence[float] = (),
    loading: bool = False,
) -> ProfilerSnapshot:
    """Put one moment together.

    Args:
        live: the running turn, when there is one.
        turns: the finished turns of this chat, oldest first.
        last: the newest of them, when it is the present model's; shown while none runs.
        host: the latest reading of the machine and of the model's process.
        loaded: the model that answers; None when none is loaded.
        rates: recent decode rates in tokens/s, oldest first.
        loading: whether a model is being opened.
    """
    host = host or HostReading(t_ns=0)
    has_process = loaded is not None and loaded.pid is not None
    return msgspec.structs.replace(
        _with_turn(live, last),
        phase=_phase(live, loaded, loading=loading),
        rates=tuple(rates),
        context_size=loaded.context_size if loaded else None,
        memory=loaded.memory if loaded else MemoryParts(),
        load_s=loaded.load_s if loaded else None,
        threads=loaded.threads if loaded else None,
        rss_anon_bytes=host.process.rss_anon_bytes if has_process else None,
        rss_file_bytes=host.process.rss_file_bytes if has_process else None,
        cpu_percent=host.cpu_percent,
        gpu=host.gpu,
        served=loaded is not None and loaded.served_by is not None,
        rows=tuple(_row(number, turn) for number, turn in enumerate(turns, start=1)),
    )


def _phase(live: LiveTurn | None, loaded: LoadedModel | None, *, loading: bool) -> Phase:
    if live is not None:
        return "prefill" if live.completion_tokens == 0 else "decode"
    if loading:
        return "loading"
    return "idle" if loaded else "empty"


def _with_turn(live: LiveTurn | None, last: TurnMetrics | None) -> ProfilerSnapshot:
    if live is not None:
        context = live.context_used
        if context is None and last is not None:
            context = last.context_used
        prefilling = live.completion_tokens == 0
        return ProfilerSnapshot(
            decode_tps=live.decode_tps,
            decode_cps=live.decode_cps,
            prefill_tps=live.prefill_tps,
            prefill_done=live.prefill_done if prefilling else None,
            prompt_tokens=live.prompt_tokens,
            cached_tokens=live.cached_tokens,
            ttft_s=live.ttft_s,
            itl_p50_ms=live.itl_p50_ms,
            itl_p95_ms=live.itl_p95_ms,
            completion_tokens=live.completion_tokens,
            context_used=context,
        )
    if last is None:
        return ProfilerSnapshot()
    return ProfilerSnapshot(
        decode_tps=last.decode_tps,
        decode_cps=last.decode_cps,
        prefill_tps=last.prefill_tps,
        prompt_tokens=last.prompt_tokens,
        cached_tokens=last.cached_tokens,
        ttft_s=last.ttft_s,
        itl_p50_ms=last.itl_p50_ms,
        itl_p95_ms=last.itl_p95_ms,
        completion_tokens=last.completion_tokens,
        context_used=last.context_used,
    )


def _row(number: int, turn: TurnMetrics) -> TurnRow:
    return TurnRow(
        number=number,
        decode_tps=turn.decode_tps,
        ttft_s=turn.ttft_s,
        tokens=turn.completion_tokens,
        context_used=turn.context_used,
        memory_bytes=_sum(turn.rss_anon_bytes, turn.rss_file_bytes),
    )


def _sum(*parts: int | None) -> int | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
