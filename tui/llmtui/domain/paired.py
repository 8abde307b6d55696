"""Statistics of answers to the same samples. Pure."""

import math

Z_95 = 1.959963984540054


def wilson(passed: int, total: int) -> tuple[float, float] | None:
    """95 % confidence interval of a rate (Wilson's score interval); None for no samples."""
    if total <= 0:
        return None
    rate, square = passed / total, Z_95 * Z_95 / total
    middle = (rate + square / 2) / (1 + square)
    half = Z_95 * math.sqrt(rate * (1 - rate) / total + square / (4 * total)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(broken: int, mended: int) -> float:
    """Two-sided p-value of McNemar's exact test: how likely flips are so one-sided, were both equally good."""
    flips = broken + mended
    tail = sum(math.comb(flips, k) for k in range(min(broken, mended) + 1))
    return min(1.0, 2 * tail / (1 << flips))
