"""Scorers: what they read from an answer, what they forgive, and what they do not."""

from collections.abc import Sequence

import pytest

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import (
    SCORERS,
    AnyScorer,
    Choice,
    Contains,
    Equals,
    Human,
    JsonSchema,
    Length,
    NotContains,
    NotRegex,
    Number,
    Regex,
    ScriptRatio,
    Similarity,
    Verbatim,
)
from llmtui.services.scoring.folding import without_reasoning
from llmtui.services.scoring.readings import chosen_letter, last_number
from llmtui.services.scoring.registry import _LATER, _NOW, score, waits_for
from llmtui.services.scoring.result import Score
from llmtui.store.prompt_sets import open_prompt_set, shipped_folder

POEM = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"


def scored(scorer: AnyScorer, answer: str, *targets: str) -> Score:
    return score(scorer, answer, Sample(id="a", targets=targets))


def passed(scorer: AnyScorer, answer: str, *targets: str) -> bool:
    found = scored(scorer, answer, *targets)
    assert 0 <= found.value <= 1
    return found.passed


def test_every_scorer_scores_or_says_what_it_waits_for() -> None:
    assert set(_NOW) | set(_LATER) == set(SCORERS.values())
    assert not set(_NOW) & set(_LATER)
    assert waits_for(Human()) == "person"
    assert waits_for(Number()) is None


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("<think>It is 5.</think>\n42", "42"),
        ("It is 5.</think>42", "42"),
        ("<think>still at it 5", ""),
        ("42 <thinking>or 5?</thinking>", "42"),
        ("a < b and b > c", "a < b and b > c"),
        ("one<think>x</think> two<THINK>y<think>z</think></THINK>", "one two"),
        ("<think>" * 50_000, ""),
    ],
)
def test_reasoning_is_not_scored(answer: str, left: str) -> None:
    assert without_reasoning(answer) == left
    assert passed(Equals(), answer, left)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("The answer is 42.", 42),
        ("答案是４２。", 42),
        ("1,234,567", 1234567),
        ("first 3, then 5", 5),
        ("x = -3.5", -3.5),
        ("x = −3", -3),
        ("5-3", 3),
        ("an area of 25 cm²", 25),
        ("an area of 25 cm2", 25),
        ("r² = 16, so r = 4", 4),
        (r"\boxed{1{,}234}", 1234),
        ("$1,000.50", 1000.5),
        ("1.5e3", 1500),
        (".5", 0.5),
        ("50%", 50),
        ("Answer: **7**", 7),
        ("none", None),
    ],
)
def test_the_last_number(answer: str, number: float | None) -> None:
    assert last_number(answer) == number


def test_numbers_are_compared_with_tolerance() -> None:
    assert passed(Number(), "so 0.1 + 0.2 = 0.3", "0.3")
    assert not passed(Number(), "0.31", "0.3")
    assert passed(Number(tolerance=0.01), "0.31", "0.3")
    assert passed(Number(value=1000, relative=0.01), "about 1,009")
    assert not passed(Number(), "no idea", "3")
    assert not passed(Number(), "3")


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("(C) Paris", "C"),
        ("Ｄ", "D"),
        ("**C**", "C"),
        ("The answer is B, not A.", "B"),
        ("the correct answer is (D)", "D"),
        ("答案：C", "C"),
        ("正确答案是 D。因为 A 不对。", "D"),
        ("故选 A", "A"),
        ("我认为应该选B。", "B"),
        (r"\boxed{B}", "B"),
        ("A dog is an animal, hence D", "D"),
        ("A is wrong, B is wrong, so: C", "C"),
        ("E", None),
        ("I do not know", None),
        ("", None),
    ],
)
def test_the_letter_that_is_chosen(answer: str, letter: str | None) -> None:
    assert chosen_letter(answer, "ABCD") == letter
    assert passed(Choice(), answer, "B") is (letter == "B")


@pytest.mark.parametrize(
    ("scorer", "answer", "targets", "right"),
    [
        (Equals(), " Paris \n", ["Paris"], True),
        (Equals(), "paris", ["Paris"], False),
        (Equals(fold=("case", "punct")), "paris.", ["Paris"], True),
        (Equals(fold=("t2s",)), "頭髮", ["头发"], True),
        (Equals(), "ＡＢＣ１", ["ABC1"], True),
        (Contains(fold=("punct",)), "那是：直挂云帆，济沧海。", ["直挂云帆济沧海"], True),
        (Contains(fold=("t2s",)), "直掛雲帆濟滄海", ["直挂云帆济沧海"], True),
        (Contains(), "直掛雲帆濟滄海", ["直挂云帆济沧海"], False),
        (Contains(), "b", ["a", "b"], True),
        (Contains(every=True), "b", ["a", "b"], False),
        (Contains(values=("x",)), "a", ["a"], False),
        (NotContains(values=("Biscuit",), fold=("case",)), "not stated", [], True),
        (NotContains(values=("Biscuit",), fold=("case",)), "It is BISCUIT", [], False),
        (Regex(pattern="^H.*o$"), "H\no", [], True),
        (Regex(pattern="日："), "日:", [], False),
        (Regex(pattern="日:"), "日：", [], True),
        (Regex(pattern="hello", ignore_case=True), "HELLO", [], True),
        (NotRegex(pattern="[A-Z]"), "abc", [], True),
        (NotRegex(pattern="[A-Z]"), "aBc", [], False),
        (Length(min=2, max=3), " 你 好 ", [], True),
        (Length(max=3), "你好世界", [], False),
        (Length(unit="words", min=2), "one two", [], True),
        (Length(unit="lines", max=1), "one\n\n", [], True),
        (Similarity(threshold=0.7), "kitten", ["sitten"], True),
        (Similarity(threshold=0.9), "kitten", ["sitting"], False),
        (JsonSchema(), 'Here:\n```json\n{"a": 1}\n```', [], True),
        (JsonSchema(), "{'a': 1}", [], False),
        (JsonSchema(schema={"type": "object", "required": ["a"]}), '{"b": 1}', [], False),
        (JsonSchema(schema={"type": "object", "required": ["a"]}), '{"a": 1}', [], True),
        (JsonSchema(schema={"$ref": "http://127.0.0.1:9/x.json"}), "{}", [], False),
    ],
)  # fmt: skip
def test_texts(scorer: AnyScorer, answer: str, targets: Sequence[str], right: bool) -> None:
    assert passed(scorer, answer, *targets) is right


@pytest.mark.parametrize(
    ("answer", "low", "high"),
    [
        ("床前明月光，疑是地上霜。", 1, 1),
        ("你好 hello", 2 / 7, 2 / 7),
        ("这是 Python：\n```python\nprint('hello')\n```\n见 https://example.org/path?q=1 。", 3 / 9, 3 / 9),
        ("使用 `print` 函数。", 1, 1),
        ("静かな夜", 0.4, 0.6),
        ("ＡＢＣ", 0, 0),
        ("123 !!!", 0, 0),
        ("々〇人", 1, 1),
    ],
)
def test_the_share_of_han(answer: str, low: float, high: float) -> None:
    found = scored(ScriptRatio(script="Han"), answer)
    assert low <= found.value <= high
    assert found.passed is (found.value >= 0.98)


@pytest.mark.parametrize(
    ("answer", "recall", "exact", "right"),
    [
        (POEM, 1, 1, True),
        ("床前明月光\n疑是地上霜\n舉頭望明月\n低頭思故鄉", 1, 1, True),
        (f"当然！《静夜思》是李白的名作：\n{POEM}\n希望你喜欢！Enjoy!", 1, 0, True),
        ("低头思故乡，举头望明月。疑是地上霜，床前明月光。", 1, 0, True),
        ("床前明月光，疑是地上霜。床前明月光，疑是地上霜。", 0.5, 0, False),
        ("床前明月光，疑是地上霜。举头望明月，低头想故乡。", 0.75, 0, False),
        ("春眠不觉晓，处处闻啼鸟。", 0, 0, False),
        ("", 0, 0, False),
    ],
)
def test_recitation(answer: str, recall: float, exact: float, right: bool) -> None:
    found = scored(Verbatim(), answer, POEM)
    assert found.value == pytest.approx(recall)
    assert (found.details["exact"], found.passed) == (exact, right)


def test_a_chatty_but_perfect_recitation_has_no_errors() -> None:
    chatty = scored(Verbatim(), f"好的，下面是全文。{POEM}这首诗写于扬州。", POEM)
    assert chatty.details["cer"] == 0
    one_off = scored(Verbatim(), f"好的。{POEM.replace('光', '亮')}完。", POEM)
    assert one_off.details["cer"] == pytest.approx(1 / 20)
    assert "床前明月光" in one_off.explanation
    assert scored(Verbatim(), "完全不同", POEM).details["cer"] == pytest.approx(1, abs=0.1)


def test_a_line_that_the_poem_repeats_must_be_repeated() -> None:
    poem = "行路难，行路难，多歧路，今安在？"
    assert scored(Verbatim(), poem, poem).value == 1
    assert scored(Verbatim(), "行路难，多歧路，今安在？", poem).value == pytest.approx(0.75)


def test_the_target_that_fits_best_counts() -> None:
    other = "床前看月光，疑是地上霜。举头望山月，低头思故乡。"
    assert scored(Verbatim(), other, POEM, other).details["exact"] == 1
    assert not scored(Verbatim(), other).passed


def test_the_reference_poems_of_the_shipped_set_pass_their_own_scorers() -> None:
    with open_prompt_set(shipped_folder() / "li-bai.yaml") as reader:
        poems = [sample for sample in reader.samples() if "recite" in sample.tags]
    for sample in poems:
        for target in sample.targets:
            found = [score(scorer, target, sample) for scorer in sample.scorers]
            assert all(one.passed for one in found), (sample.id, found)
        assert not score(sample.scorers[0], POEM[:6] + "月落乌啼霜满天", sample).passed


@pytest.mark.parametrize("name", ["maths", "knowledge-choice", "long-context", "classical-chinese"])
def test_the_targets_of_the_shipped_sets_are_read_as_they_are_meant(name: str) -> None:
    with open_prompt_set(shipped_folder() / f"{name}.yaml") as reader:
        samples = list(reader.samples())
    for sample in samples:
        for scorer in sample.scorers:
            if sample.targets and waits_for(scorer) is None and not isinstance(scorer, NotContains):
                assert score(scorer, sample.targets[0], sample).passed, (sample.id, scorer)
                assert not isinstance(scorer, Number | Choice) or not score(scorer, "", sample).passed
