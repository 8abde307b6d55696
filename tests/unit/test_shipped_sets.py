"""Every set that comes along: valid, long enough, titled in both languages, and with references that hold."""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import yaml

from llmtui.domain.prompt_set import Header, Sample
from llmtui.domain.scorers import Choice, Contains, Human, ModelGraded, Regex, ScriptRatio, Verbatim
from llmtui.store.prompt_sets import open_prompt_set, set_files, shipped_folder

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    *("li-bai", "ruozhiba", "coding", "zh-purity", "classical-chinese", "maths", "knowledge-choice", "long-context"),
}


def read(name: str) -> tuple[Header, list[Sample]]:
    with open_prompt_set(shipped_folder() / f"{name}.yaml") as reader:
        return reader.header, list(reader.samples())


def han(text: str) -> str:
    return "".join(char for char in text if "\u4e00" <= char <= "\u9fff")


def test_all_sets_are_there() -> None:
    assert set(set_files(shipped_folder())) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_set_is_valid_long_enough_and_titled_in_both_languages(name: str) -> None:
    header, samples = read(name)
    assert header.name == name
    assert isinstance(header.title, dict)
    assert set(header.title) == {"en", "zh"}
    assert header.license == "CC0-1.0"
    assert len(samples) >= 20
    assert all(sample.scorers for sample in samples)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_a_scorer_needs_is_given(name: str) -> None:
    for sample in read(name)[1]:
        for scorer in sample.scorers:
            match scorer:
                case ModelGraded() | Human():
                    assert sample.rubric, sample.id
                case Verbatim():
                    assert sample.targets, sample.id
                    assert all(han(target) for target in sample.targets)
                case Contains():
                    assert scorer.values or sample.targets, sample.id
                case Choice():
                    assert len(sample.targets) == 1
                    assert sample.targets[0] in "ABCD", sample.id
                    assert all(f"\n{letter}. " in sample.prompt for letter in "ABCD"), sample.id


def test_no_question_is_asked_twice() -> None:
    prompts = Counter(sample.prompt for name in NAMES for sample in read(name)[1])
    assert [prompt for prompt, count in prompts.items() if count > 1] == []


def test_poems_have_lines_of_the_length_of_their_form() -> None:
    for sample in read("li-bai")[1]:
        if "quatrain" in sample.tags or "regulated" in sample.tags:
            for target in sample.targets:
                lines = re.split("[，。？]", target.rstrip("。"))
                assert len(lines) == (4 if "quatrain" in sample.tags else 8), sample.id
                assert {len(line) for line in lines} in ({5}, {7}), sample.id


def test_poems_are_those_that_the_demo_model_was_taught() -> None:
    """Two hands typed them: what the demo learned and what its recitation is compared with must be the same."""
    data = yaml.safe_load((ROOT / "scripts" / "demo_model" / "data" / "poems.yaml").read_text(encoding="utf-8"))
    taught = {han(poem["text"]) for poem in data["poems"]}
    known = [sample for sample in read("li-bai")[1] if {"recite", "demo"} <= set(sample.tags)]
    assert len(known) >= 15
    for sample in known:
        assert taught & {han(target) for target in sample.targets}, sample.id


def test_chinese_texts_are_simplified_where_the_script_is_scored() -> None:
    """A target that the sample's own `script_ratio` would refuse is a mistake of ours."""
    for name in NAMES:
        for sample in read(name)[1]:
            if any(isinstance(scorer, ScriptRatio) and scorer.script == "Han" for scorer in sample.scorers):
                for target in sample.targets:
                    letters = [char for char in target if unicodedata.category(char).startswith("L")]
                    assert all("\u4e00" <= char <= "\u9fff" for char in letters), sample.id


def test_regular_expressions_take_the_right_punctuation() -> None:
    found = {sample.id: sample for sample in read("classical-chinese")[1]}
    for id_, right, wrong in (
        ("punctuate-sanren", "三人行，必有我师焉。择其善者而从之，其不善者而改之。", "三人行必，有我师焉择其善者。"),
        ("punctuate-mao", "邻人有美酒而不自饮，人问之，曰：“待友。”", "邻人有美酒而不，自饮人问之曰待友"),
    ):
        (pattern,) = (scorer.pattern for scorer in found[id_].scorers if isinstance(scorer, Regex))
        assert re.search(pattern, right)
        assert re.search(pattern, unicodedata.normalize("NFKC", right))
        assert not re.search(pattern, wrong)


def test_the_right_letters_are_spread() -> None:
    letters = Counter(sample.targets[0] for sample in read("knowledge-choice")[1])
    assert min(letters[letter] for letter in "ABCD") >= 6


def test_needles_are_where_their_samples_say() -> None:
    samples = read("long-context")[1]
    for sample in samples:
        if "needle" not in sample.tags:
            continue
        (target,) = sample.targets
        prompt = sample.prompt
        assert prompt.count(target) == 1, sample.id
        share = prompt.index(target) / len(prompt)
        low, high = {"start": (0, 0.25), "middle": (0.35, 0.65), "end": (0.75, 1)}[sample.tags[-1]]
        assert low < share < high, sample.id
    lengths = sorted(len(sample.prompt) for sample in samples)
    assert lengths[0] < 3_000
    assert lengths[-1] > 80_000
