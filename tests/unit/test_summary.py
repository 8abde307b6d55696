"""The line under an answer."""

import pytest

from llmtui.domain.metrics import TurnMetrics
from llmtui.services.summary import summary_line


def test_a_whole_turn() -> None:
    metrics = TurnMetrics(
        decode_tps=42.123,
        ttft_s=0.2149,
        completion_tokens=1280,
        context_used=1532,
        context_size=8192,
        finish_reason="stop",
    )

    assert summary_line(metrics) == "42.1 tok/s · ttft 0.21 s · 1,280 tok · ctx 19 %"


def test_what_is_unknown_is_a_dash_never_zero() -> None:
    assert summary_line(TurnMetrics()) == "– tok/s · ttft – s · – tok · ctx –"
    assert summary_line(TurnMetrics(completion_tokens=0, context_used=0, context_size=8)).endswith("0 tok · ctx 0 %")


@pytest.mark.parametrize(
    ("reason", "mark"),
    [("cancelled", "stopped"), ("length", "length limit"), ("context_full", "context full"), ("error", "error")],
)
def test_an_early_end_is_named(reason: str, mark: str) -> None:
    assert summary_line(TurnMetrics(finish_reason=reason)).endswith(f" · {mark}")
