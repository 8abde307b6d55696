"""The filter of the lists: words in any order, Chinese, ranking, and how long thousands of rows take."""

import time

import pytest

from llmtui.app.matching import best_first, fold

ROWS = [
    "qwen2-7b-instruct Qwen2 7B qwen2 Q4_K_M folder",
    "qwen2-7b qwen2 Q8_0 folder",
    "通义千问-7b-对话 qwen2 F16 ollama",
    "llama-3.1-8b-instruct llama Q4_0 ollama",
    "mistral-7b-qwen2-merge llama Q5_0 folder",
]


def found(query: str, rows: list[str] = ROWS) -> list[str]:
    return [rows[number].split()[0] for number in best_first(query, [fold(row) for row in rows])]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("qwen2 ins", ["qwen2-7b-instruct"]),
        ("INS qwen2", ["qwen2-7b-instruct"]),
        ("q8 qwen2", ["qwen2-7b"]),
        ("ollama ins", ["llama-3.1-8b-instruct"]),
        ("千问", ["通义千问-7b-对话"]),
        ("对话 通义", ["通义千问-7b-对话"]),
        ("对话 llama", ["通义千问-7b-对话"]),
        ("７b 对话", ["通义千问-7b-对话"]),
        ("q7i", ["qwen2-7b-instruct"]),
        ("qwen3", []),
        ("qwen2 nothing", []),
    ],
)
def test_each_word_must_match_in_any_order(query: str, names: list[str]) -> None:
    assert found(query) == names


def test_an_empty_filter_keeps_every_row_in_its_order() -> None:
    assert best_first("  ", ROWS) == [0, 1, 2, 3, 4]


def test_the_closest_match_comes_first_and_equals_keep_their_order() -> None:
    assert found("qwen2-7b")[:2] == ["qwen2-7b", "qwen2-7b-instruct"]
    rows = ["allama x", "llamas x", "b-llama x", "other llama", "l-l-a-m-a x"]
    assert found("llama", rows) == ["b-llama", "other", "llamas", "allama", "l-l-a-m-a"]
    assert found("x", ["a x", "b x", "c x"]) == ["a", "b", "c"]


def test_two_thousand_rows_are_filtered_within_a_blink() -> None:
    rows = [fold(f"some-model-{number}-7b-instruct-q4_k_m Some Model qwen2 Q4_K_M folder") for number in range(2000)]
    for query in ("some ins 7b", "s7i model folder", "zzz", "m"):
        took = []
        for _ in range(5):
            started = time.perf_counter()
            best_first(query, rows)
            took.append(time.perf_counter() - started)
        assert min(took) < 0.02
