"""What differs between two answers, word by word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.services import word_diff as module
from llmtui.services.word_diff import Stretch, word_diff, words


def shown(first: str, second: str) -> str:
    marks = {"same": "{}", "gone": "[-{}]", "new": "[+{}]"}
    return "".join(marks[stretch.kind].format(stretch.text) for stretch in word_diff(first, second))


@pytest.mark.parametrize(
    ("first", "second", "diff"),
    [
        ("举头望明月", "举头望山月", "举头望[-明][+山]月"),
        ("床前明月光，疑是地上霜。", "床前看月光，疑是地上霜。", "床前[-明][+看]月光，疑是地上霜。"),
        ("a red fox", "a blue fox", "a [-red][+blue] fox"),
        ("don't go", "do go", "[-don't][+do] go"),
        ("same", "same", "same"),
        ("", "新", "[+新]"),
        ("旧", "", "[-旧]"),
        ("", "", ""),
    ],
)
def test_words_are_compared_and_chinese_by_character(first: str, second: str, diff: str) -> None:
    assert shown(first, second) == diff


def test_a_lone_character_between_two_changes_is_no_island() -> None:
    assert shown("春江花月夜", "秋水花落叶") == "[-春江花月夜][+秋水花落叶]"


@given(st.text(alphabet="ab 春江，\n1", max_size=40), st.text(alphabet="ab 春江，\n1", max_size=40))
def test_both_texts_are_in_their_difference(first: str, second: str) -> None:
    found = word_diff(first, second)
    assert "".join(stretch.text for stretch in found if stretch.kind != "new") == first
    assert "".join(stretch.text for stretch in found if stretch.kind != "gone") == second
    assert "".join(words(first)) == first


def test_what_is_too_long_to_compare_differs_behind_what_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PAIRS", 3)
    assert word_diff("一二三", "一二四") == (Stretch("same", "一二"), Stretch("gone", "三"), Stretch("new", "四"))
