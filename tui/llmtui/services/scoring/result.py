"""What a scorer says of an answer."""

import msgspec


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One scorer's judgement.

    Attributes:
        scorer: its name in the prompt set.
        value: 0 to 1.
        passed: whether the answer is good enough for the sample.
        answer: what was read from the answer: a number, a letter, the part that was compared.
        explanation: why, in words.
        details: further measures by name.
    """

    scorer: str
    value: float
    passed: bool
    answer: str | None = None
    explanation: str = ""
    details: dict[str, float] = {}


def verdict(scorer: str, *, passed: bool, answer: str | None = None, explanation: str = "") -> Score:
    """A score of all or nothing."""
    return Score(scorer=scorer, value=float(passed), passed=passed, answer=answer, explanation=explanation)
