"""Whether a value that came out of the sandbox is the expected one. Both are plain JSON values."""

import json
import math
from typing import Any

_SHOWN = 160


def same(found: Any, expected: Any, tolerance: float | None = None) -> bool:
    """Equal in kind and value, also inside lists and objects.

    True is not 1, and 5.0 is not 5 where a whole number is expected and no tolerance is given: a number of things is no
    fraction. A whole number does where a fraction is expected. Not-a-number equals itself.

    Args:
        found: from the code under test.
        expected: from the prompt set; tuples count as lists.
        tolerance: absolute difference of numbers that is still right.
    """
    if isinstance(expected, list | tuple):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(same(one, other, tolerance) for one, other in zip(found, expected, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(same(found[key], expected[key], tolerance) for key in expected)
        )
    if type(expected) in {int, float} and type(found) in {int, float}:
        return _same_number(found, expected, tolerance)
    return type(found) is type(expected) and bool(found == expected)


def shown(value: Any) -> str:
    """A value in short, as JSON."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _same_number(found: Any, expected: Any, tolerance: float | None) -> bool:
    if isinstance(found, float) and math.isnan(found):
        return math.isnan(expected)
    if tolerance is None:
        return bool(found == expected) and (type(expected) is float or type(found) is int)
    try:
        return bool(found == expected or abs(found - expected) <= tolerance)
    except OverflowError:  # a whole number beyond what a fraction can be
        return False
