"""`llmtui ask` with the same weights twice: in our own worker, and in a real llama.cpp server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e.command import DEMO, POEM, RECITE, llmtui
from servers.llama_server import llama_server

COUNTS = ("prompt_tokens", "completion_tokens", "context_used", "context_size", "finish_reason")
CONTEXT = ["--context", "1024"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with llama_server(DEMO, context=1024) as running:
        yield running


@pytest.fixture
def customer(user: dict[str, str], address: str) -> dict[str, str]:
    config = f'[servers.box]\nurl = "{address}/v1"\n'
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text(config, encoding="utf-8")
    return user


def both(user: dict[str, str], *args: str, stdin: bytes = b"") -> tuple[dict[str, Any], dict[str, Any]]:
    """The reports of the worker and of the server."""
    reports = []
    for model in ("demo", "box/demo"):
        done = llmtui(user, "ask", "-m", model, "--temperature", "0", "--json", *CONTEXT, *args, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, b"")
        reports.append(json.loads(done.stdout))
    return reports[0], reports[1]


@pytest.mark.parametrize(
    "args",
    [
        [RECITE],
        ["-s", "你是AI助理。", "李白最知名的诗是哪首?"],
        ["What is llmtui?"],
        ["-s", "", "生鱼片是不是死鱼片?"],
        ["--max-tokens", "5", RECITE],
        ["--stop", "疑是", RECITE],
        ["Write a Python function that adds two numbers."],
        ["--raw", "--max-tokens", "12", "床前明月光"],
        ["--raw", f"<|user|>\n{RECITE}<|end|>\n<|assistant|>\n"],
    ],
    ids=lambda args: " ".join(args)[:24],
)
def test_the_same_text_and_the_same_counts(customer: dict[str, str], args: list[str]) -> None:
    here, there = both(customer, *args)
    assert here["content"] == there["content"] != ""
    assert {key: here["metrics"][key] for key in COUNTS} == {key: there["metrics"][key] for key in COUNTS}
    sources = here["metrics"]["sources"], there["metrics"]["sources"]
    counted = ("prompt_tokens", "completion_tokens")
    assert [source[key] for source in sources for key in counted] == ["measured"] * 2 + ["engine"] * 2
    assert (sources[0]["decode_tps"], sources[1]["decode_tps"]) == ("measured", "engine")
    assert here["manifest"]["template_source"] == ("none: the prompt was sent as it is" if "--raw" in args else "model")
    assert here["manifest"]["quantisation"] == there["manifest"]["quantisation"] == "Q8_0"


def test_the_rates_follow_from_the_definitions_in_both(customer: dict[str, str]) -> None:
    for report in both(customer, RECITE):
        found = report["metrics"]
        assert report["content"] == POEM
        assert found["cached_tokens"] < found["prompt_tokens"]
        decode_s = (found["completion_tokens"] - 1) / found["decode_tps"]
        prefill_s = (found["prompt_tokens"] - found["cached_tokens"]) / found["prefill_tps"]
        assert 0 < prefill_s + decode_s <= found["total_s"]
        assert prefill_s <= found["ttft_s"] < found["total_s"]
        assert 0 < found["itl_p50_ms"] <= found["itl_p95_ms"] <= found["itl_max_ms"]
        assert found["decode_cps"] == pytest.approx(found["decode_tps"], rel=0.9), "about a character a token"
        assert report["metrics"]["reasons"].keys().isdisjoint(report["metrics"]["sources"])


def test_a_question_longer_than_the_context_is_refused_alike(customer: dict[str, str]) -> None:
    told = []
    for model in ("demo", "box/demo"):
        done = llmtui(customer, "ask", "-m", model, *CONTEXT, "-", stdin=b"word 1 " * 1000)
        assert (done.returncode, done.stdout) == (3, b"")
        told.append(done.stderr.decode().splitlines()[:2])
    assert told[0] == told[1]
    assert "The prompt is longer than the context" in told[0][0]
