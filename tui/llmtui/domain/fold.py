"""Events into an answer and its metrics. The live view, the transcript and a replay all use this fold."""

from collections import deque
from collections.abc import Sequence

import msgspec

from llmtui.domain.events import (
    Delta,
    Failed,
    Finished,
    FinishReason,
    Generated,
    Notice,
    PrefillProgress,
    ReasoningDelta,
    Source,
    Timings,
    TurnEvent,
)
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
    """A running or just finished turn as the profiler shows it; None is unknown (yet).

    `completion_tokens` is 0 until the answer begins, and None once it has where the server does not count.
    """

    decode_tps: float | None = None
    decode_cps: float | None = None
    prefill_done: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    prefill_tps: float | None = None
    ttft_s: float | None = None
    completion_tokens: int | None = 0
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

    Attributes:
        notices: what the user should know of the turn, in the order in which it came.
    """

    def __init__(self, submitted_ns: int) -> None:
        self.submitted_ns = submitted_ns
        self.notices: list[Notice] = []
        self.failure: Failed | None = None
        self.finish_reason: FinishReason | None = None
        self.timings = Timings()
        self._parts: list[str] = []
        self._reasoning: list[str] = []
        self._stamps: list[int] = []
        self._tokens: int | None = 0
        self._first_tokens: int | None = 0
        self._gaps_ms: list[float] = []
        self._recent_gaps_ms: deque[float] = deque(maxlen=512)
        self._characters = 0.0
        self._recent: deque[tuple[int, int | None, int]] = deque()
        self._prefill: tuple[PrefillProgress, PrefillProgress] | None = None
        self._first_text_ns: int | None = None
        self._ended_ns: int | None = None

    @property
    def text(self) -> str:
        """The answer so far."""
        return _joined(self._parts)

    @property
    def reasoning(self) -> str:
        """What the model thought so far, where the engine tells it apart from the answer."""
        return _joined(self._reasoning)

    @property
    def completion_tokens(self) -> int | None:
        """Tokens that came so far; None when chunks came whose tokens nobody counted."""
        return self._tokens

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
                self._parts.append(event.text)
                self._add_generated(event, visible=True)
            case ReasoningDelta():
                self._reasoning.append(event.text)
                self._add_generated(event, visible=False)
            case Notice():
                self.notices.append(event)
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

    def _add_generated(self, event: Generated, *, visible: bool) -> None:
        """The first token's characters are not counted, as the span of the rate begins with its stamp.

        Thoughts count for the rates, whose span they take up, and not for the time to the first visible text.
        """
        begins = not self._stamps
        self._add_stamps(event)
        characters = visible_characters(event.text)
        self._characters += characters
        if visible and self._first_text_ns is None and self._stamps and event.text.strip():
            # Engines send until then without gathering, so the text is that of the event's last token.
            self._first_text_ns = self._stamps[-1]
        if not event.t_ns:
            return
        last = event.t_ns[-1]
        if begins:
            self._characters -= characters / len(event.t_ns)
        self._recent.append((last, event.n_tokens, characters))
        while self._recent and last - self._recent[0][0] > LIVE_WINDOW_NS:
            self._recent.popleft()

    def _add_stamps(self, event: Generated) -> None:
        """Note stamps, tokens and gaps; a gap counts as one between tokens when one token came at its end."""
        each = event.tokens_per_stamp
        for stamp in event.t_ns:
            if not self._stamps:
                self._first_tokens = each
            elif each == 1:
                gap = (stamp - self._stamps[-1]) / 1e6
                self._gaps_ms.append(gap)
                self._recent_gaps_ms.append(gap)
            self._stamps.append(stamp)
            self._tokens = None if each is None or self._tokens is None else self._tokens + each

    def live(self) -> LiveTurn:
        """Rates over the last two seconds, counts over the turn."""
        gaps = sorted(self._recent_gaps_ms)
        tps = cps = None
        if len(self._recent) > 1:
            span = (self._recent[-1][0] - self._recent[0][0]) / NS
            if span > 0:
                counts = [n for _, n, _ in list(self._recent)[1:] if n is not None]
                tps = sum(counts) / span if len(counts) == len(self._recent) - 1 else None
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
            cached_known=self._cached_tokens is not None,
            loaded_now=load_s is not None,
            several_chunks=len(self._stamps) > 1,
        )
        why = reasons([key for key, value in values.items() if value is None], around)
        sources: dict[str, Source] = {key: self._source_of(key) for key, value in values.items() if value is not None}
        told = {"load_s": load_s is None, "gpu_bytes": model.pid is None}
        sources |= {key: "engine" for key, by_engine in told.items() if by_engine and key in sources}
        return msgspec.convert({**values, "sources": sources, "reasons": why}, TurnMetrics)

    def _own_values(self, load_s: float | None) -> Values:
        """What the events alone tell."""
        gaps = sorted(self._gaps_ms)
        span = self.timings.decode_ns / NS if self.timings.decode_ns else self._decode_span_s()
        completion = self.timings.completion_tokens
        return {
            "load_s": self.timings.load_ns / NS if load_s is None and self.timings.load_ns else load_s,
            "prompt_tokens": self._prompt_tokens,
            "cached_tokens": self._cached_tokens,
            "prefill_tps": self._prefill_tps(),
            "ttft_s": self._ttft_s(),
            "completion_tokens": self.completion_tokens if completion is None else completion,
            "decode_tps": self._decode_tps(),
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
        if key == "decode_cps" and self.timings.decode_ns is not None:
            return self.timings.source
        counted_by_engine = {"prompt_tokens", "cached_tokens", "completion_tokens", "prefill_tps", "kv_bytes"}
        if key == "decode_tps" and self.timings.decode_ns is None:
            return "measured" if self._one_token_a_chunk() else "estimated"
        return self.timings.source if key in counted_by_engine | {"decode_tps"} else "measured"

    def _decode_tps(self) -> float | None:
        """By the engine's clock where it tells; else by our stamps.

        Where chunks came without a count, the tokens of the whole answer are taken as spread evenly over them: of n
        tokens in c chunks, n (c - 1) / c came after the first one. With a token a chunk that is n - 1.
        """
        total = self.timings.completion_tokens
        if self.timings.decode_ns is not None:
            return (
                (total - 1) / (self.timings.decode_ns / NS) if total and total > 1 and self.timings.decode_ns else None
            )
        span = self._decode_span_s()
        if span is None:
            return None
        if self._tokens is not None and self._first_tokens is not None:
            return (self._tokens - self._first_tokens) / span
        chunks = len(self._stamps)
        return None if total is None else total * (chunks - 1) / chunks / span

    def _one_token_a_chunk(self) -> bool:
        """Whether tokens were counted as they came, or were as many as the chunks; an end token brings no chunk."""
        total = self.timings.completion_tokens
        return self._tokens is not None or (total is not None and 0 <= total - len(self._stamps) <= 1)

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
        return None if done is None or self.completion_tokens is None else done + self.completion_tokens

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

    def _whole_prompt_cached(self) -> bool:
        return self._prompt_tokens is not None and self._prompt_tokens == self._cached_tokens


def _joined(parts: list[str]) -> str:
    """The text of the parts, which become one, so that asking often stays cheap."""
    if len(parts) > 1:
        parts[:] = ["".join(parts)]
    return parts[0] if parts else ""


def _host_values(host: HostReading | None, model: LoadedModel) -> Values:
    if host is None or model.pid is None:
        host = HostReading(t_ns=0)
    gpu = GpuReading() if model.gpu_layers == 0 else host.gpu
    if model.pid is None:
        gpu = GpuReading(process_bytes=model.memory.gpu_bytes)
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
