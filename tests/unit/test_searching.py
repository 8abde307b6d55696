"""Scorers on what models write when they go astray: they come to an end, and stop nobody else meanwhile."""

import threading
import time

import pytest

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import AnyScorer, JsonSchema, NotRegex, Regex
from llmtui.services.scoring import searching
from llmtui.services.scoring.readings import chosen_letter
from llmtui.services.scoring.registry import score
from llmtui.services.scoring.searching import SearchError, search

ENDLESS = "^((.|\\n)+)+Q$"
ENDLESS_TOO = "(a|aa)+$"
ASTRAY = "a" * 5_000 + "b"


@pytest.mark.parametrize(
    ("scorer", "answer"),
    [
        (Regex(pattern=ENDLESS_TOO), ASTRAY),
        (NotRegex(pattern=ENDLESS_TOO), ASTRAY),
        (JsonSchema(schema={"pattern": ENDLESS_TOO}), f'"{ASTRAY}"'),
        (JsonSchema(schema={"patternProperties": {ENDLESS_TOO: False}}), f'{{"{ASTRAY}": 1}}'),
    ],
)
def test_an_expression_without_end_is_ended(scorer: AnyScorer, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LONGEST_S", 0.1)
    with pytest.raises(SearchError, match="came to no end"):
        score(scorer, answer, Sample(id="a"))


def test_a_search_lets_others_run_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "LONGEST_S", 0.5)
    turns, over = 0, threading.Event()

    def search_on() -> None:
        with pytest.raises(SearchError):
            search(ENDLESS_TOO, ASTRAY)
        over.set()

    thread = threading.Thread(target=search_on)
    thread.start()
    while not over.is_set():
        time.sleep(0.001)
        turns += 1
    thread.join()
    assert turns > 10


def test_an_expression_that_only_looks_endless_is_searched_to_its_end() -> None:
    assert search(ENDLESS, "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。") is None


@pytest.mark.parametrize("mark", ["答案", "the answer"])
def test_a_choice_is_read_behind_thousands_of_empty_lines(mark: str) -> None:
    assert chosen_letter(f"{mark}{chr(10) * 20_000}B", "ABCD") == "B"
    assert chosen_letter(f"{mark}{chr(10) * 20_000}是的", "ABCD") is None


def test_a_schema_still_says_what_does_not_fit() -> None:
    schema = {"type": "object", "patternProperties": {"^a": {"type": "string", "pattern": "^x.z$"}}}
    good, bad, none = (
        score(JsonSchema(schema=schema), text, Sample(id="a"))
        for text in ('{"a1": "xyz", "b": 5}', '{"a1": "no"}', "[1]")
    )
    assert good.passed
    assert "$.a1" in bad.explanation
    assert "does not match" in bad.explanation
    assert "is not of type" in none.explanation
