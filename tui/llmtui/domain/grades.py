"""Grades of a scale as scores. Pure."""

from llmtui.domain.scorers import Graded


def value_of(scorer: Graded, grade: int) -> float:
    """A grade between the worst, 0, and the best, 1.

    Raises:
        ValueError: it is no grade of the scale.
    """
    if grade not in scorer.scale:
        raise ValueError(f"{grade} is no grade of the scale {scale_text(scorer.scale)}")
    worst, best = scorer.scale[0], scorer.scale[-1]
    return (grade - worst) / (best - worst)


def is_enough(scorer: Graded, grade: int) -> bool:
    """Whether an answer with this grade passes.

    Raises:
        ValueError: it is no grade of the scale.
    """
    value = value_of(scorer, grade)
    return value > 0.5 if scorer.pass_at is None else value >= value_of(scorer, scorer.pass_at)


def between(scorer: Graded, one: int, other: int) -> int:
    """The grade midway between two in the order of the scale, the worse of the two nearest ones.

    Raises:
        ValueError: one is no grade of the scale.
    """
    return scorer.scale[(scorer.scale.index(one) + scorer.scale.index(other)) // 2]


def scale_text(scale: tuple[int, ...]) -> str:
    """`0, 1, 2`, for people and models."""
    return ", ".join(map(str, scale))
