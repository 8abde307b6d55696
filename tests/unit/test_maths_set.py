"""The answers of the maths set, worked out in another way: by counting, searching and exact fractions."""

import itertools
import math
from collections.abc import Callable, Iterable
from fractions import Fraction

import pytest

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Number
from llmtui.store.prompt_sets import open_prompt_set, shipped_folder

with open_prompt_set(shipped_folder() / "maths.yaml") as _reader:
    SAMPLES = list(_reader.samples())


def first(values: Iterable[int], holds: Callable[[int], bool]) -> int:
    return next(value for value in values if holds(value))


def snail() -> int:
    height, day = 0, 0
    while True:
        day += 1
        height += 3
        if height >= 10:
            return day
        height -= 2


def paths(right: int, up: int) -> int:
    return 1 if not right or not up else paths(right - 1, up) + paths(right, up - 1)


def painted(edge: int, faces: int) -> int:
    """Unit cubes with so many painted faces."""
    cells = itertools.product(range(edge), repeat=3)
    return sum(1 for cell in cells if sum(part in {0, edge - 1} for part in cell) == faces)


def system() -> Fraction:
    determinant = 3 * -4 - 2 * 5
    return Fraction(16 * -4 - 2 * 12, determinant) + Fraction(3 * 12 - 16 * 5, determinant)


def half_girls() -> Fraction:
    families = [children for children in itertools.product("gb", repeat=2) if "g" in children]
    return Fraction(families.count(("g", "g")), len(families))


ANSWERS: dict[str, Callable[[], float | Fraction]] = {
    "product": lambda: 347 * 86,
    "signs": lambda: 15 - 4 * (7 - 12) - 3**2,
    "fractions": lambda: Fraction(3, 4) + Fraction(5, 6) - Fraction(1, 3),
    "larger-decimal": lambda: max(Fraction("9.11"), Fraction("9.9")),
    "repeating": lambda: Fraction(9, 10) / (1 - Fraction(1, 10)) + 1,
    "chickens-rabbits": lambda: first(range(36), lambda rabbits: 4 * rabbits + 2 * (35 - rabbits) == 94),
    "tank": lambda: 1 / (Fraction(1, 6) + Fraction(1, 4) - Fraction(1, 12)),
    "age": lambda: first(range(12), lambda ago: 42 - ago == 6 * (12 - ago)),
    "discount": lambda: 288 / (Fraction(12, 10) * Fraction(8, 10)),
    "trees": lambda: len(range(0, 101, 5)),
    "stairs": lambda: Fraction(36, 3 - 1) * (8 - 1),
    "snail": snail,
    "trains": lambda: Fraction(360, 80 + 100) * 120,
    "average-speed": lambda: 2 / (Fraction(1, 10) + Fraction(1, 30)),
    "eggs": lambda: (16 - 3 - 4) * 2 * 7,
    "mixture": lambda: 12 * Fraction(25, 100) / Fraction(15, 100) - 12,
    "linear-system": system,
    "quadratic": lambda: sum(x * x for x in range(-50, 50) if x * x - 7 * x + 10 == 0),
    "arithmetic-series": lambda: sum(3 + 4 * term for term in range(25)),
    "remainder": lambda: 2**100 % 7,
    "sunzi": lambda: first(itertools.count(1), lambda n: (n % 3, n % 5, n % 7) == (2, 3, 2)),
    "divisors": lambda: sum(1 for n in range(1, 721) if 720 % n == 0),
    "trailing-zeros": lambda: len(str(math.factorial(100))) - len(str(math.factorial(100)).rstrip("0")),
    "letters": lambda: len(set(itertools.permutations("LEVEL"))),
    "committee": lambda: sum(1 for team in itertools.combinations("mmmmmffff", 3) if len(set(team)) == 2),
    "grid-paths": lambda: paths(5, 3),
    "two-dice": lambda: Fraction(sum(1 for a, b in itertools.product(range(1, 7), repeat=2) if a + b >= 10), 36),
    "children": half_girls,
    "medical-test": lambda: Fraction(1 * 90, 1 * 90 + 99 * 9),
    "ladder": lambda: math.sqrt(13**2 - (math.sqrt(13**2 - 5**2) - 7) ** 2) - 5,
    "hexagon": lambda: (6 - 2) * 180,
    "cube-painted": lambda: painted(5, 2),
    "derivative": lambda: max(x**3 - 6 * x**2 + 9 * x + 1 for x in (1, 3)),  # where 3x² - 12x + 9 is 0
    "integral": lambda: 2**3 + 2**2,
    "clock": lambda: abs(40 * 6 - (3 * 30 + 40 * Fraction(1, 2))),
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_the_answer_is_right(sample: Sample) -> None:
    (scorer,) = sample.scorers
    assert isinstance(scorer, Number)
    assert abs(float(sample.targets[0]) - float(ANSWERS[sample.id]())) <= scorer.tolerance


def test_the_set_is_long_enough() -> None:
    assert len(SAMPLES) >= 20
    assert set(ANSWERS) == {sample.id for sample in SAMPLES}
