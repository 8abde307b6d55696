"""What only servers bring: thoughts, remarks, loads within a turn, a clock and a memory of their own."""

import pytest

from llmtui.app.widgets.panel_lines import panel_lines
from llmtui.domain.events import Delta, Finished, Notice, ReasoningDelta, Timings
from llmtui.domain.fold import NS, TurnFold
from llmtui.domain.models import LoadedModel, MemoryParts
from llmtui.domain.snapshot import build_snapshot

MS = 1_000_000
SERVED = LoadedModel(
    name="m",
    description="d",
    engine="ollama",
    engine_build="Ollama 1",
    context_size=1000,
    memory=MemoryParts(whole_bytes=3 << 30, gpu_bytes=1 << 30),
    served_by="Ollama",
)


def test_thoughts_are_tokens_but_no_part_of_the_answer() -> None:
    fold = TurnFold(0)
    fold.add(ReasoningDelta("let me", (100 * MS,)))
    fold.add(ReasoningDelta(" see", (200 * MS,)))
    assert fold.live().ttft_s is None
    fold.add(Delta("四十二", (300 * MS,)))
    fold.add(Delta("", (400 * MS,)))
    fold.add(Finished("stop", Timings(), NS))
    metrics = fold.metrics(SERVED)

    assert (fold.text, fold.reasoning) == ("四十二", "let me see")
    assert metrics.completion_tokens == 4
    assert metrics.ttft_s == pytest.approx(0.3), "thoughts are not visible text"
    assert metrics.decode_tps == pytest.approx(3 / 0.3)
    assert metrics.decode_cps == pytest.approx(6 / 0.3), "the span holds thoughts, so their characters count"


def test_remarks_are_kept_in_order() -> None:
    first, second = Notice("options", "a", "b"), Notice("truncated", "c", "d")
    fold = TurnFold(0)
    fold.add(first)
    fold.add(second)

    assert fold.notices == [first, second]
    assert fold.running


def test_the_servers_clock_memory_and_load_are_its_own_word() -> None:
    fold = TurnFold(0)
    fold.add(Delta("一", (500 * MS,), None))
    fold.add(Delta("二三四五", (501 * MS,), None))
    timings = Timings(completion_tokens=5, decode_ns=400 * MS, load_ns=3 * NS, source="engine")
    fold.add(Finished("stop", timings, NS))
    metrics = fold.metrics(SERVED)

    assert metrics.decode_tps == pytest.approx(10)
    assert metrics.decode_cps == pytest.approx(10), "over the same span, whatever the network did"
    assert (metrics.load_s, metrics.gpu_bytes) == (3.0, 1 << 30)
    assert {metrics.sources[key] for key in ("decode_tps", "decode_cps", "load_s", "gpu_bytes")} == {"engine"}
    assert fold.metrics(SERVED, load_s=1.0).sources["load_s"] == "measured"


def test_the_panel_shows_the_memory_that_the_server_tells() -> None:
    lines = ["".join(text for text, _ in line) for line in panel_lines(build_snapshot(loaded=SERVED), 37, 40)]
    joined = "\n".join(lines)

    assert "in the server's process" in joined
    assert any(line.startswith("memory") and "3.0 GiB" in line for line in lines)
    assert any("on the GPU" in line and "1.0 GiB" in line for line in lines)
