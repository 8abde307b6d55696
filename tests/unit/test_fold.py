"""Events into metrics: every formula by hand, and what holds for any stream."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.events import Delta, Failed, Finished, PrefillProgress, Timings
from llmtui.domain.fold import NS, TurnFold, percentile
from llmtui.domain.metrics import METRIC_KEYS, GpuReading, HostReading, ProcessMemory, TurnMetrics
from llmtui.domain.models import LoadedModel

MS = 1_000_000
MODEL = LoadedModel(
    name="m",
    description="d",
    engine="scripted",
    engine_build="1",
    context_size=1000,
    pid=7,
    weights_read_per_token_bytes=1_000_000,
)


def finished(**timings: int) -> Finished:
    return Finished(reason="stop", timings=Timings(**timings), t_ns=2 * NS)  # type: ignore[arg-type]


def test_a_whole_turn() -> None:
    fold = TurnFold(0)
    fold.add(PrefillProgress(done=20, total=100, cached=20, t_ns=100 * MS))
    fold.add(PrefillProgress(done=100, total=100, cached=20, t_ns=200 * MS))
    fold.add(Delta("床前", (250 * MS,)))
    fold.add(Delta("明月", (350 * MS,)))
    fold.add(Delta("光，", (400 * MS, 450 * MS)))
    fold.add(
        finished(
            prompt_tokens=100,
            cached_tokens=20,
            prefill_ns=200 * MS,
            completion_tokens=5,
            context_used=105,
            kv_bytes=1_000_000,
        )
    )

    metrics = fold.metrics(MODEL, memory_bandwidth=1e9, load_s=1.5)

    assert fold.text == "床前明月光，"
    assert metrics.prefill_tps == pytest.approx(80 / 0.2)
    assert metrics.ttft_s == pytest.approx(0.25)
    assert metrics.decode_tps == pytest.approx(3 / 0.2)
    assert metrics.decode_cps == pytest.approx(4 / 0.2), "the first token's characters precede the span"
    assert metrics.itl_max_ms == pytest.approx(100)
    assert metrics.itl_p50_ms == pytest.approx(50)
    assert metrics.completion_tokens == 5
    assert metrics.total_s == pytest.approx(2)
    assert metrics.bandwidth_fraction == pytest.approx(2_000_000 * 15 / 1e9)
    assert metrics.load_s == 1.5
    assert metrics.sources["bandwidth_fraction"] == "estimated"


def test_every_unknown_value_has_a_reason_and_every_known_one_a_source() -> None:
    fold = TurnFold(0)
    fold.add(Failed(kind="engine", title="gone", cause="", remedy="reload"))
    fold.end(NS)

    metrics = fold.metrics(MODEL)

    unknown = {key for key in METRIC_KEYS if getattr(metrics, key) is None}
    assert set(metrics.reasons) == unknown
    assert set(metrics.sources) == set(METRIC_KEYS) - unknown
    assert metrics.finish_reason == "error"
    assert metrics.total_s == 1


def test_an_engine_that_died_leaves_what_the_progress_said() -> None:
    fold = TurnFold(0)
    fold.add(PrefillProgress(done=0, total=90, cached=0, t_ns=0))
    fold.add(PrefillProgress(done=60, total=90, cached=0, t_ns=NS))
    fold.add(Failed(kind="engine", title="gone", cause="", remedy="reload"))

    metrics = fold.metrics(MODEL)

    assert (metrics.prompt_tokens, metrics.cached_tokens, metrics.context_used) == (90, 0, 60)
    assert metrics.prefill_tps == 60


def test_a_prefill_that_was_cancelled_counts_what_was_evaluated() -> None:
    fold = TurnFold(0)
    fold.add(PrefillProgress(done=0, total=8000, cached=0, t_ns=0))
    fold.add(PrefillProgress(done=512, total=8000, cached=0, t_ns=NS))
    fold.add(finished(prompt_tokens=8000, cached_tokens=0, prefill_ns=NS))

    assert fold.metrics(MODEL).prefill_tps == 512


def test_a_prompt_that_was_cached_whole_has_no_prefill_speed() -> None:
    fold = TurnFold(0)
    fold.add(finished(prompt_tokens=50, cached_tokens=50, prefill_ns=MS))

    metrics = fold.metrics(MODEL)

    assert metrics.prefill_tps is None
    assert "cached" in metrics.reasons["prefill_tps"]


def test_white_space_and_empty_chunks_are_no_first_text() -> None:
    fold = TurnFold(0)
    fold.add(Delta("", (10 * MS,)))
    fold.add(Delta("\n ", (20 * MS,)))
    fold.add(Delta("a", (30 * MS,)))

    assert fold.live().ttft_s == pytest.approx(0.03)


def test_text_held_back_until_the_end_is_a_first_text_too() -> None:
    fold = TurnFold(0)
    fold.add(Delta("", (10 * MS,)))
    fold.add(Delta("held", ()))

    assert fold.live().ttft_s == pytest.approx(0.01)


def test_the_first_text_is_that_of_the_last_token_of_its_event() -> None:
    fold = TurnFold(0)
    fold.add(Delta("", (10 * MS,)))
    fold.add(Delta("\n静", (20 * MS, 40 * MS)))

    assert fold.live().ttft_s == pytest.approx(0.04)


def test_the_live_rate_looks_at_the_last_two_seconds_only() -> None:
    fold = TurnFold(0)
    for n in range(10):
        fold.add(Delta("x", (n * 10 * MS,)))
    for n in range(30):
        fold.add(Delta("x", (10 * NS + n * 100 * MS,)))

    assert fold.live().decode_tps == pytest.approx(10)


def test_host_figures_belong_to_a_model_with_a_process() -> None:
    host = HostReading(t_ns=0, process=ProcessMemory(rss_anon_bytes=5), gpu=GpuReading(energy_mj=3000))
    fold = TurnFold(0)
    fold.add(Delta("a", (1, 2)))
    fold.add(finished())

    metrics = fold.metrics(MODEL, host=host, gpu_before=GpuReading(energy_mj=1000))

    assert metrics.rss_anon_bytes == 5
    assert (metrics.energy_j, metrics.j_per_token) == (2, 1)


def measured(model: LoadedModel, gpu: GpuReading, **timings: int) -> TurnMetrics:
    """Ten tokens, one every 10 ms, and 2 J between two looks at `gpu`."""
    fold = TurnFold(0)
    fold.add(Delta("a" * 10, tuple(n * 10 * MS for n in range(10))))
    fold.add(finished(**timings))
    before, after = (msgspec.structs.replace(gpu, energy_mj=mj) for mj in (1000, 3000))
    return fold.metrics(model, host=HostReading(t_ns=0, gpu=after), gpu_before=before, memory_bandwidth=1e9)


GPU = GpuReading(name="card", process_bytes=5, util_percent=90, power_w=100)


def test_the_figures_of_a_gpu_are_not_those_of_a_model_on_the_processor() -> None:
    metrics = measured(msgspec.structs.replace(MODEL, gpu_layers=0), GPU, kv_bytes=0)

    for key in ("gpu_bytes", "gpu_util", "gpu_power_w", "energy_j", "j_per_token"):
        assert getattr(metrics, key) is None
        assert metrics.reasons[key] == "the model runs on the processor"
    assert metrics.bandwidth_fraction == pytest.approx(0.1)


def test_the_energy_of_the_processor_is_that_of_a_model_on_it_only() -> None:
    rapl = GpuReading(reason="no driver; energy is that of the processor packages (RAPL)")

    assert measured(msgspec.structs.replace(MODEL, gpu_layers=0), rapl).energy_j == 2
    assert measured(msgspec.structs.replace(MODEL, gpu_layers=9), rapl).energy_j is None
    assert measured(msgspec.structs.replace(MODEL, gpu_layers=9), GPU).energy_j == 2


def test_a_servers_model_has_no_figures_of_this_machine() -> None:
    metrics = measured(msgspec.structs.replace(MODEL, pid=None), GPU)

    assert (metrics.energy_j, metrics.gpu_util) == (None, None)
    assert "server" in metrics.reasons["energy_j"]


@pytest.mark.parametrize(
    ("model", "timings", "words"),
    [
        ({"gpu_layers": 9}, {"kv_bytes": 1}, "layers run on the GPU"),
        ({"weights_read_per_token_bytes": None}, {"kv_bytes": 1}, "bytes read a token"),
        ({}, {}, "KV cache is not known"),
    ],
)
def test_memory_bandwidth_is_compared_only_where_all_is_known(
    model: dict[str, int | None], timings: dict[str, int], words: str
) -> None:
    metrics = measured(msgspec.structs.replace(MODEL, **model), GPU, **timings)

    assert metrics.bandwidth_fraction is None
    assert words in metrics.reasons["bandwidth_fraction"]


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(0, 3)), max_size=30), st.booleans())
def test_for_any_stream_text_and_counts_add_up(pieces: list[tuple[str, int]], end: bool) -> None:
    fold, t_ns = TurnFold(0), 0
    for text, tokens in pieces:
        stamps = tuple(range(t_ns + 1, t_ns + 1 + tokens))
        t_ns += tokens
        fold.add(Delta(text, stamps))
        fold.live()
    if end:
        fold.add(Finished(reason="stop", timings=Timings(), t_ns=t_ns))

    metrics = fold.metrics(MODEL)

    assert fold.text == "".join(text for text, _ in pieces)
    assert metrics.completion_tokens == sum(tokens for _, tokens in pieces)
    assert fold.running is not end
    assert metrics.decode_cps is None or metrics.decode_cps >= 0


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_lies_between_the_extremes(values: list[float], fraction: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, fraction)

    assert found is not None
    assert ordered[0] <= found * (1 + 1e-9)
    assert found <= ordered[-1] * (1 + 1e-9)


def test_chunks_of_known_size_count_their_tokens_and_give_no_gaps_between_them() -> None:
    fold = TurnFold(0)
    fold.add(Delta("床前明月", (100 * MS,), 3))
    fold.add(Delta("光", (200 * MS,)))
    fold.add(Delta("，疑", (400 * MS,), 2))
    assert (fold.completion_tokens, fold.live().completion_tokens) == (6, 6)
    assert fold.live().decode_tps == pytest.approx(3 / 0.3)
    fold.add(finished(completion_tokens=6))

    metrics = fold.metrics(MODEL)

    assert metrics.decode_tps == pytest.approx(3 / 0.3), "the first chunk's tokens precede the span"
    assert metrics.decode_cps == pytest.approx(3 / 0.3)
    assert metrics.itl_max_ms == metrics.itl_p50_ms == pytest.approx(100), "the only gap that one token ended"
    assert metrics.sources["decode_tps"] == "measured"


@pytest.mark.parametrize(("total", "source"), [(3, "measured"), (4, "measured"), (30, "estimated"), (2, "estimated")])
def test_chunks_of_unknown_size_are_not_tokens(total: int, source: str) -> None:
    fold = TurnFold(0)
    assert fold.live().completion_tokens == 0
    for number in (1, 2, 3):
        fold.add(Delta("ab", (number * 100 * MS,), None))
    live = fold.live()
    assert (live.completion_tokens, live.decode_tps, live.context_used) == (None, None, None)
    assert live.decode_cps == pytest.approx(4 / 0.2)
    assert fold.metrics(MODEL).decode_tps is None
    fold.add(finished(prompt_tokens=5, completion_tokens=total))

    metrics = fold.metrics(MODEL)

    assert metrics.completion_tokens == total
    assert metrics.decode_tps == pytest.approx(total * 2 / 3 / 0.2)
    assert metrics.sources["decode_tps"] == source
    assert metrics.itl_p50_ms is None
    assert "chunks" in metrics.reasons["itl_p50_ms"]


def test_the_engines_own_clock_goes_before_ours() -> None:
    fold = TurnFold(0)
    fold.add(Delta("a", (100 * MS,)))
    fold.add(Delta("b", (900 * MS,)))
    fold.add(Finished("stop", Timings(completion_tokens=3, decode_ns=100 * MS, source="engine"), 2 * NS))

    metrics = fold.metrics(MODEL)

    assert metrics.decode_tps == pytest.approx(2 / 0.1)
    assert metrics.sources["decode_tps"] == "engine"


def test_energy_of_this_machine_says_nothing_of_a_server() -> None:
    fold = TurnFold(0)
    fold.add(Delta("a", (MS,)))
    fold.add(finished())
    host = HostReading(t_ns=0, gpu=GpuReading(energy_mj=3000))

    metrics = fold.metrics(msgspec.structs.replace(MODEL, pid=None), host=host, gpu_before=GpuReading(energy_mj=1000))

    assert metrics.energy_j is None
    assert metrics.reasons["energy_j"] == metrics.reasons["gpu_bytes"] == "the model runs in a server's process"
