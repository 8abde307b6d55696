"""Events into an answer and its metrics. The live view, the transcript and a replay all use this fold."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from llmtui.domain.events import Delta, Failed, Finished, FinishReason, PrefillProgress, Source, Timings, TurnEvent
from llmtui.domain.metrics import GpuReading, HostReading, TurnMetrics
from llmtui.domain.models import LoadedModel
from llmtui.domain.reasons import Circumstances, reasons
from llmtui.domain.text import visible_characters

NS = 1_000_000_000
Values = dict[str, float | int | str | None]
LIVE_WINDOW_NS = 2 * NS
"""Span over which live rates are taken: long enough to be calm, short enough to be live."""
SHORT_TURN_NS = NS
"""Counters of energy are updated some ten times a second: over a turn shorter than this they only estimate."""


class LiveTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A running or just finished turn as the profiler shows it; None is unknown (yet)."""

    decode_tps: float | None = None
    decode_cps: float | None = None
    prefill_done: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    prefill_tps: float | None = None
    ttft_s: float | None = None
    completion_tokens: int = 0
    itl_p50_ms: float | None = None
    itl_p95_ms: float | None = None
    context_used: int | None = None


def percentile(ordered: Sequence[float], fraction: float) -> float | None:
    """The value at `fraction` (0-1) of a sorted sequence, linearly interpolated; None when it is empty."""
    if not ordered:
        return None
    position = (len(ordered) - 1) * fraction
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


class TurnFold:
    """Gathers the events of one turn.

    Args:
        submitted_ns: when the user sent it (`perf_counter_ns`).
    """

    def __init__(self, submitted_ns: int) -> None:
        self.submitted_ns = submitted_ns
        self.failure: Failed | None = None
        self.finish_reason: FinishReason | None = None
        self.timings = Timings()
        self._parts: list[str] = []
        self._stamps: list[int] = []
        self._characters = 0.0
        self._recent: deque[tuple[int, int, int]] = deque()
        self._prefill: tuple[PrefillProgress, PrefillProgress] | None = None
        self._first_text_ns: int | None = None
        self._ended_ns: int | None = None

    @property
    def text(self) -> str:
        """The answer so far."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @property
    def completion_tokens(self) -> int:
        """Tokens stamped so far."""
        return len(self._stamps)

    @property
    def running(self) -> bool:
        """Whether neither `Finished` nor `Failed` has come."""
        return self.finish_reason is None

    def add(self, event: TurnEvent) -> None:
        """Take one event; events come in the order in which they happened."""
        match event:
            case PrefillProgress():
                self._prefill = (self._prefill[0] if self._prefill else event, event)
            case Delta():
                self._add_delta(event)
            case Finished():
                self.finish_reason = event.reason
                self.timings = event.timings
                self._ended_ns = event.t_ns
            case Failed():
                self.finish_reason = "error"
                self.failure = event

    def end(self, t_ns: int) -> None:
        """Note when a turn ended that brought no `Finished` (the engine died)."""
        self._ended_ns = t_ns

    def _add_delta(self, event: Delta) -> None:
        """The first token's characters are not counted, as the span of the rate begins with its stamp."""
        self._parts.append(event.text)
        self._stamps.extend(event.t_ns)
        characters = visible_characters(event.text)
        self._characters += characters
        if self._first_text_ns is None and self._stamps and event.text.strip():
            # Engines send until then without gathering, so the text is that of the event's last token.
            self._first_text_ns = self._stamps[-1]
        if not event.t_ns:
            return
        last = event.t_ns[-1]
        if len(self._stamps) == event.n_tokens:
            self._characters -= characters / event.n_tokens
        self._recent.append((last, event.n_tokens, characters))
        while self._recent and last - self._recent[0][0] > LIVE_WINDOW_NS:
            self._recent.popleft()

    def live(self) -> LiveTurn:
        """Rates over the last two seconds, counts over the turn."""
        gaps = self._sorted_gaps_ms(self._stamps[-512:])
        tps = cps = None
        if len(self._recent) > 1:
            span = (self._recent[-1][0] - self._recent[0][0]) / NS
            if span > 0:
                tps = sum(n for _, n, _ in list(self._recent)[1:]) / span
                cps = sum(c for _, _, c in list(self._recent)[1:]) / span
        progress = self._prefill[1] if self._prefill else None
        return LiveTurn(
            decode_tps=tps,
            decode_cps=cps,
            prefill_done=progress.done if progress else None,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            prefill_tps=self._prefill_tps(),
            ttft_s=self._ttft_s(),
            completion_tokens=self.completion_tokens,
            itl_p50_ms=percentile(gaps, 0.5),
            itl_p95_ms=percentile(gaps, 0.95),
            context_used=self._context_used(),
        )

    def metrics(
        self,
        model: LoadedModel,
        *,
        host: HostReading | None = None,
        gpu_before: GpuReading | None = None,
        load_s: float | None = None,
        memory_bandwidth: float | None = None,
    ) -> TurnMetrics:
        """The turn's metrics, each unknown with its reason.

        Args:
            model: what the engine granted.
            host: a reading taken at the end of the turn.
            gpu_before: a GPU reading from the turn's start, for energy.
            load_s: when this turn had to load the model.
            memory_bandwidth: of this machine in bytes a second, as measured.
        """
        values = self._own_values(load_s)
        values["context_size"] = model.context_size
        values |= _host_values(host, model)
        values |= self._energy_values(model, host, gpu_before)
        values["bandwidth_fraction"] = self._bandwidth_fraction(model, values["decode_tps"], memory_bandwidth)
        around = Circumstances(
            model=model,
            host=host,
            bandwidth_known=memory_bandwidth is not None,
            kv_known=self.timings.kv_bytes is not None,
            prompt_cached=self._whole_prompt_cached(),
            loaded_now=load_s is not None,
        )
        why = reasons([key for key, value in values.items() if value is None], around)
        sources: dict[str, Source] = {key: self._source_of(key) for key, value in values.items() if value is not None}
        return msgspec.convert({**values, "sources": sources, "reasons": why}, TurnMetrics)

    def _own_values(self, load_s: float | None) -> Values:
        """What the events alone tell."""
        gaps = self._sorted_gaps_ms(self._stamps)
        span = self._decode_span_s()
        completion = self.timings.completion_tokens
        return {
            "load_s": load_s,
            "prompt_tokens": self._prompt_tokens,
            "cached_tokens": self._cached_tokens,
            "prefill_tps": self._prefill_tps(),
            "ttft_s": self._ttft_s(),
            "completion_tokens": self.completion_tokens if completion is None else completion,
            "decode_tps": (len(self._stamps) - 1) / span if span else None,
            "decode_cps": self._characters / span if span else None,
            "itl_p50_ms": percentile(gaps, 0.5),
            "itl_p95_ms": percentile(gaps, 0.95),
            "itl_p99_ms": percentile(gaps, 0.99),
            "itl_max_ms": gaps[-1] if gaps else None,
            "context_used": self._context_used(),
            "kv_bytes": self.timings.kv_bytes,
            "finish_reason": self.finish_reason,
            "total_s": (self._ended_ns - self.submitted_ns) / NS if self._ended_ns else None,
        }

    def _source_of(self, key: str) -> Source:
        if key == "bandwidth_fraction" or (key in {"energy_j", "j_per_token"} and self._is_short()):
            return "estimated"
        counted_by_engine = {"prompt_tokens", "cached_tokens", "completion_tokens", "prefill_tps", "kv_bytes"}
        return self.timings.source if key in counted_by_engine else "measured"

    def _is_short(self) -> bool:
        return self._ended_ns is not None and self._ended_ns - self.submitted_ns < SHORT_TURN_NS

    @property
    def _prompt_tokens(self) -> int | None:
        """As the engine's account says; before it comes, or without one, as the progress said."""
        if self.timings.prompt_tokens is None and self._prefill:
            return self._prefill[1].total
        return self.timings.prompt_tokens

    @property
    def _cached_tokens(self) -> int | None:
        if self.timings.cached_tokens is None and self._prefill:
            return self._prefill[1].cached
        return self.timings.cached_tokens

    def _ttft_s(self) -> float | None:
        return None if self._first_text_ns is None else (self._first_text_ns - self.submitted_ns) / NS

    def _prefill_tps(self) -> float | None:
        timings = self.timings
        whole = bool(self._stamps) or self._prefill is None or self._prefill[1].done >= self._prefill[1].total
        if whole and timings.prefill_ns and timings.prompt_tokens is not None and timings.cached_tokens is not None:
            evaluated = timings.prompt_tokens - timings.cached_tokens
            return evaluated / (timings.prefill_ns / NS) if evaluated > 0 else None
        if self._prefill is None:
            return None
        first, last = self._prefill
        span = (last.t_ns - first.t_ns) / NS
        return (last.done - first.done) / span if span > 0 and last.done > first.done else None

    def _decode_span_s(self) -> float | None:
        if len(self._stamps) < 2 or self._stamps[-1] <= self._stamps[0]:
            return None
        return (self._stamps[-1] - self._stamps[0]) / NS

    def _context_used(self) -> int | None:
        if self.timings.context_used is not None:
            return self.timings.context_used
        done = self._prefill[1].done if self._prefill and not self._stamps else self._prompt_tokens
        return None if done is None else done + self.completion_tokens

    def _bandwidth_fraction(self, model: LoadedModel, tps: object, bandwidth: float | None) -> float | None:
        read = model.weights_read_per_token_bytes
        kv = self.timings.kv_bytes
        if read is None or kv is None or bandwidth is None or not isinstance(tps, float) or model.gpu_layers:
            return None
        return (read + kv) * tps / bandwidth

    def _energy_values(self, model: LoadedModel, host: HostReading | None, before: GpuReading | None) -> Values:
        after = host.gpu.energy_mj if host else None
        start = before.energy_mj if before else None
        if after is None or start is None or after < start or not _is_energy_of(model, host):
            return {"energy_j": None, "j_per_token": None}
        joules = (after - start) / 1000
        return {"energy_j": joules, "j_per_token": joules / self.completion_tokens if self.completion_tokens else None}

    @staticmethod
    def _sorted_gaps_ms(stamps: Sequence[int]) -> list[float]:
        return sorted((b - a) / 1e6 for a, b in pairwise(stamps))

    def _whole_prompt_cached(self) -> bool:
        return self._prompt_tokens is not None and self._prompt_tokens == self._cached_tokens


def _host_values(host: HostReading | None, model: LoadedModel) -> Values:
    if host is None or model.pid is None:
        host = HostReading(t_ns=0)
    gpu = GpuReading() if model.gpu_layers == 0 else host.gpu
    return {
        "rss_anon_bytes": host.process.rss_anon_bytes,
        "rss_file_bytes": host.process.rss_file_bytes,
        "rss_peak_bytes": host.process.rss_peak_bytes,
        "gpu_bytes": gpu.process_bytes,
        "gpu_util": gpu.util_percent,
        "gpu_power_w": gpu.power_w,
    }


def _is_energy_of(model: LoadedModel, host: HostReading | None) -> bool:
    """Whether the energy read is that of the device that works: a reading without a device is the processor's."""
    if host is None or model.pid is None:
        return False
    return model.gpu_layers is None or (model.gpu_layers == 0) == (host.gpu.name is None)
