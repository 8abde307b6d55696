"""Scorers that compare the answer's text with values."""

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Contains, Equals, Length, NotContains, NotRegex, Regex, Similarity
from llmtui.domain.text import visible_characters
from llmtui.services.scoring.folding import folded, normal
from llmtui.services.scoring.result import Score, verdict
from llmtui.services.scoring.searching import search


def equals(scorer: Equals, answer: str, sample: Sample) -> Score:
    """The whole answer is one of the values."""
    found = folded(answer, scorer.fold)
    right = any(folded(value, scorer.fold) == found for value in scorer.values or sample.targets)
    return verdict("equals", passed=right, answer=found, explanation="" if right else "none of the values")


def contains(scorer: Contains, answer: str, sample: Sample) -> Score:
    """One value, or every value, is in the answer; the share that is found is the score."""
    text = folded(answer, scorer.fold)
    values = scorer.values or sample.targets
    found = [value for value in values if folded(value, scorer.fold) in text]
    missing = [value for value in values if value not in found]
    passed = not missing if scorer.every else bool(found)
    share = len(found) / len(values) if scorer.every and values else float(bool(found))
    told = "" if passed else f"missing: {', '.join(missing)}"
    return Score(scorer="contains", value=share, passed=passed and bool(values), explanation=told)


def not_contains(scorer: NotContains, answer: str, sample: Sample) -> Score:  # noqa: ARG001 - all scorers' signature
    """None of the values is in the answer."""
    text = folded(answer, scorer.fold)
    found = [value for value in scorer.values if folded(value, scorer.fold) in text]
    return verdict("not_contains", passed=not found, explanation=f"found: {', '.join(found)}" if found else "")


def regex(scorer: Regex, answer: str, sample: Sample) -> Score:  # noqa: ARG001 - all scorers' signature
    """The expression matches somewhere in the answer, as it is or in its normal form."""
    match = _search(scorer, answer)
    told = "" if match else "the expression matches nowhere"
    return verdict("regex", passed=match is not None, answer=match, explanation=told)


def not_regex(scorer: NotRegex, answer: str, sample: Sample) -> Score:  # noqa: ARG001 - all scorers' signature
    """The expression matches nowhere in the answer."""
    match = _search(scorer, answer)
    return verdict(
        "not_regex", passed=match is None, answer=match, explanation="the expression matches" if match else ""
    )


def similarity(scorer: Similarity, answer: str, sample: Sample) -> Score:
    """1 - edit distance / length of the longer text, for the value that comes nearest."""
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - native code, needed by few sets

    text = folded(answer, scorer.fold)
    values = [folded(value, scorer.fold) for value in scorer.values or sample.targets]
    best = max((Levenshtein.normalized_similarity(text, value) for value in values), default=0.0)
    return Score(scorer="similarity", value=best, passed=bool(values) and best >= scorer.threshold)


def length(scorer: Length, answer: str, sample: Sample) -> Score:  # noqa: ARG001 - all scorers' signature
    """The answer is neither too short nor too long."""
    counts = {
        "characters": lambda: visible_characters(answer),
        "words": lambda: len(answer.split()),
        "lines": lambda: sum(1 for line in answer.splitlines() if line.strip()),
    }
    count = counts[scorer.unit]()
    passed = count >= scorer.min and (scorer.max is None or count <= scorer.max)
    return verdict("length", passed=passed, answer=str(count), explanation=f"{count:,} {scorer.unit}")


def _search(scorer: Regex | NotRegex, answer: str) -> str | None:
    found = search(scorer.pattern, answer, ignore_case=scorer.ignore_case)
    return search(scorer.pattern, normal(answer), ignore_case=scorer.ignore_case) if found is None else found
