"""Scorers for recitation and for staying in one script."""

import re
from collections import Counter

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import ScriptRatio, Verbatim
from llmtui.services.scoring.folding import folded, letters_of, normal, prose, script_of
from llmtui.services.scoring.result import Score

_LINE_END = re.compile(r"[,.;:!?、。，；：！？\s“”\"'‘’《》（）()…—]+")


def script_ratio(scorer: ScriptRatio, answer: str, sample: Sample) -> Score:  # noqa: ARG001 - all scorers' signature
    """Letters of the script over all letters."""
    text = normal(prose(answer))
    letters = sum(1 for char in text if char.isalpha())
    inside = sum(1 for char in text if script_of(char) == scorer.script)
    if not letters:
        return Score(scorer="script_ratio", value=0.0, passed=False, explanation="there is no letter in the answer")
    ratio = inside / letters
    others = Counter(char for char in text if char.isalpha() and script_of(char) != scorer.script)
    told = (
        f"{letters - inside:,} of {letters:,} letters are others: {''.join(char for char, _ in others.most_common(12))}"
    )
    return Score(
        scorer="script_ratio", value=ratio, passed=ratio >= scorer.min, explanation=told if letters > inside else ""
    )


def verbatim(scorer: Verbatim, answer: str, sample: Sample) -> Score:
    """How much of a target's text is in the answer, word for word, for the target that fits best."""
    scores = [_against(scorer, answer, target) for target in sample.targets]
    if not scores:
        return Score(scorer="verbatim", value=0.0, passed=False, explanation="the sample has no target")
    return max(scores, key=lambda score: (score.value, -score.details["cer"]))


def _against(scorer: Verbatim, answer: str, target: str) -> Score:
    """The measures for one target.

    `exact`: the answer is the target and nothing else. `line_recall`: lines of the target found, in any order.
    `cer`: edit distance to the stretch of the answer that matches best, over the target's length, so that a chatty but
    perfect answer is not punished.
    """
    text = letters_of(folded(answer, scorer.fold), scorer.script)
    lines = [letters_of(folded(line, scorer.fold), scorer.script) for line in _LINE_END.split(target)]
    wanted = Counter(line for line in lines if line)
    found = {line: min(count, text.count(line)) for line, count in wanted.items()}
    total = wanted.total()
    recall = sum(found.values()) / total if total else 0.0
    whole = letters_of(folded(target, scorer.fold), scorer.script)
    missing = [line for line, count in wanted.items() if found[line] < count]
    return Score(
        scorer="verbatim",
        value=recall,
        passed=recall >= scorer.threshold,
        explanation=f"missing: {'，'.join(missing)}" if missing else "",
        details={"exact": float(text == whole), "line_recall": recall, "cer": error_rate(text, whole)},
    )


def error_rate(text: str, reference: str) -> float:
    """Edit distance between the reference and the stretch of the text that matches it best, over its length.

    More than 1 is possible only for a text without anything of the reference; it is told as 1.
    """
    from rapidfuzz import fuzz  # noqa: PLC0415 - native code, needed by few sets
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415

    if not reference or not text:
        return float(bool(reference))
    window = text
    if len(text) > len(reference):
        match = fuzz.partial_ratio_alignment(reference, text)
        window = text[match.dest_start : match.dest_end] if match else text
    return min(1.0, Levenshtein.distance(window, reference) / len(reference))
