"""The profiler's snapshot and the rows made from it."""

import pytest
from rich.cells import cell_len

from llmtui.app import format as fmt
from llmtui.app.widgets.panel_lines import panel_lines, status_text
from llmtui.app.widgets.profiler_panel import unchanged_cells
from llmtui.app.widgets.sparkline import bar, sparkline
from llmtui.domain.fold import LiveTurn
from llmtui.domain.metrics import GpuReading, HostReading, ProcessMemory, TurnMetrics
from llmtui.domain.models import LoadedModel, MemoryParts
from llmtui.domain.snapshot import ProfilerSnapshot, build_snapshot

MODEL = LoadedModel(
    name="qwen2-7b",
    description="qwen2 7B Q4_K_M",
    engine="llama.cpp",
    engine_build="b1",
    context_size=8192,
    load_s=1.32,
    threads=4,
    pid=1,
    memory=MemoryParts(weights_bytes=4_617_089_843, kv_bytes=429_496_729, compute_bytes=322_122_547),
)
HOST = HostReading(
    t_ns=1,
    cpu_percent=51.0,
    process=ProcessMemory(rss_anon_bytes=1 << 30, rss_file_bytes=4 << 30, rss_peak_bytes=5 << 30),
)
TURN = TurnMetrics(
    decode_tps=42.06,
    decode_cps=55.2,
    prefill_tps=812.4,
    prompt_tokens=1404,
    cached_tokens=1204,
    ttft_s=0.211,
    itl_p50_ms=23.4,
    itl_p95_ms=31.2,
    completion_tokens=128,
    context_used=1532,
    context_size=8192,
    rss_anon_bytes=1 << 30,
    rss_file_bytes=4 << 30,
)


def text_of(lines):
    return ["".join(text for text, _ in line) for line in lines]


def test_nothing_known_is_nothing_claimed():
    snapshot = build_snapshot()
    assert snapshot.phase == "empty"
    assert snapshot.context_fraction is None
    assert snapshot.rss_bytes is None
    joined = "\n".join(text_of(panel_lines(snapshot, 37, 40)))
    assert "0 tok" not in joined
    assert joined.count(fmt.UNKNOWN) >= 12


def test_idle_shows_the_last_turn_and_all_rows():
    snapshot = build_snapshot(turns=[TURN, TURN], last=TURN, host=HOST, loaded=MODEL)
    assert (snapshot.phase, snapshot.decode_tps, snapshot.context_used) == ("idle", 42.06, 1532)
    assert [row.number for row in snapshot.rows] == [1, 2]
    assert snapshot.rows[0].memory_bytes == 5 << 30
    assert snapshot.rss_bytes == 5 << 30
    assert snapshot.context_fraction == pytest.approx(0.187, abs=1e-3)


def test_a_running_turn_goes_before_the_last_one_and_keeps_its_context_until_known():
    live = LiveTurn(prefill_done=512, prompt_tokens=2000, cached_tokens=0)
    snapshot = build_snapshot(live=live, turns=[TURN], last=TURN, host=HOST, loaded=MODEL)
    assert (snapshot.phase, snapshot.prefill_done, snapshot.decode_tps) == ("prefill", 512, None)
    assert snapshot.context_used == 1532
    decoding = build_snapshot(live=LiveTurn(completion_tokens=3, decode_tps=40.0, context_used=2003, prefill_done=2000))
    assert (decoding.phase, decoding.prefill_done, decoding.context_used) == ("decode", None, 2003)


def test_a_server_without_a_process_shows_no_process_memory():
    snapshot = build_snapshot(
        host=HOST, loaded=LoadedModel(name="m", description="", engine="e", engine_build="", context_size=1)
    )
    assert snapshot.rss_bytes is None


def test_rows_are_aligned_and_none_is_wider_than_the_panel():
    snapshot = build_snapshot(turns=[TURN] * 3, last=TURN, host=HOST, loaded=MODEL, rates=[10.0, 42.0, 41.0])
    lines = text_of(panel_lines(snapshot, 37, 40))
    assert all(cell_len(line) in {0, 37} for line in lines)
    joined = "\n".join(lines)
    for piece in (
        "42.1 tok/s",
        "55.2 字/s",
        "1,204 / 1,404 tok",
        "0.21 s",
        "23 / 31 ms",
        "1,532 / 8,192",
        "19 %",
    ):
        assert piece in joined
    assert "▁" in joined or "█" in joined


def test_a_low_panel_keeps_the_newest_turns():
    turns = [TURN] * 30
    lines = text_of(panel_lines(build_snapshot(turns=turns, last=turns[-1], host=HOST, loaded=MODEL), 37, 24))
    assert len(lines) <= 24
    assert lines[-1].split()[0] == "30"


def test_prefill_shows_how_far_it_is():
    live = LiveTurn(prefill_done=3584, prompt_tokens=8012, cached_tokens=0, prefill_tps=812.0)
    snapshot = build_snapshot(live=live, loaded=MODEL)
    assert "3,584 / 8,012" in "\n".join(text_of(panel_lines(snapshot, 37, 40)))
    assert status_text(snapshot, 78).startswith("reading prompt 3,584 / 8,012")


def test_a_nearly_full_context_is_stressed():
    lines = panel_lines(ProfilerSnapshot(context_used=950, context_size=1000), 37, 40)
    assert any(role == "alarm" for line in lines for _, role in line)
    calm = panel_lines(ProfilerSnapshot(context_used=100, context_size=1000), 37, 40)
    assert not any(role == "alarm" for line in calm for _, role in line)


def test_the_gpu_has_a_row_only_when_there_is_one():
    with_gpu = ProfilerSnapshot(gpu=GpuReading(name="H", process_bytes=5 << 30, util_percent=88.0, power_w=250.0))
    assert any(line.startswith("gpu") for line in text_of(panel_lines(with_gpu, 37, 40)))
    without = ProfilerSnapshot(gpu=GpuReading(reason="no driver"))
    assert not any(line.startswith("gpu") for line in text_of(panel_lines(without, 37, 40)))


@pytest.mark.parametrize(
    ("before", "now", "cells"),
    [
        (
            [("decode ", "label"), ("42.1", "value"), (" 字/s", "unit")],
            [("decode ", "label"), ("43.1", "value"), (" 字/s", "unit")],
            7,
        ),
        ([("9", "value"), ("字/s", "unit")], [("9", "alarm"), ("字/s", "unit")], 4),
        ([("a", "label")], [("a", "alarm")], 0),
        ([], [("a", "label")], 0),
    ],
)
def test_what_stands_at_the_right_is_not_painted_again(before, now, cells):
    assert unchanged_cells(before, now) == cells


@pytest.mark.parametrize("width", [20, 38, 60, 78, 140])
def test_the_status_line_fits(width):
    line = status_text(build_snapshot(turns=[TURN], last=TURN, host=HOST, loaded=MODEL), width)
    assert cell_len(line) <= max(width, len("42.1 tok/s"))
    assert line.startswith("42.1 tok/s")


def test_sparkline_scales_from_zero_and_keeps_the_newest():
    assert sparkline([], 5) == "     "
    assert sparkline([10.0, 10.0], 4) == "  ██"
    assert sparkline([1.0, 2.0, 4.0, 8.0], 3) == "▃▅█"
    assert sparkline([0.0, 8.0], 2) == "▁█"


def test_bar_shows_a_little_as_something():
    assert bar(0.001, 10) == ("━", "─" * 9)
    assert bar(1.7, 4) == ("━━━━", "")
    assert bar(None, 3) == ("", "───")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (fmt.integer(12345), "12,345"),
        (fmt.rate(99.96), "100"),
        (fmt.rate(5.0), "5.0"),
        (fmt.short_rate(1234.4), "1,234"),
        (fmt.short_rate(107_976.0), "108k"),
        (fmt.seconds(0.2114), "0.21"),
        (fmt.seconds(12.34), "12.3"),
        (fmt.milliseconds(7.25), "7.2"),
        (fmt.size(5 * (1 << 30) + (1 << 27)), "5.1 GiB"),
        (fmt.size(37 << 20), "37 MiB"),
        (fmt.size(5_000_000), "4.8 MiB"),
        (fmt.size(65_536), "64 KiB"),
        (fmt.short_size(None), "–"),
        (fmt.count(494_032_768), "494M"),
        (fmt.count(7_615_616_512), "7.6B"),
        (fmt.percent(0.187), "19 %"),
        (fmt.name("a\x1b]52;c;x\x07\nb"), "a␛]52;c;x␇ b"),
    ],
)
def test_numbers_and_names_are_written_one_way(made, expected):
    assert made == expected
