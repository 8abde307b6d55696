"""Numbers of the form with which a run is begun."""

import pytest

from llmtui.app.run_form import NUMBERS, number
from llmtui.domain.limits import MAX_SEED

SEED = NUMBERS[3]


def test_leading_zeros_hide_no_number_out_of_bounds():
    assert number(SEED, f"{'0' * 5000}7") == 7
    assert number(SEED, "000") == 0
    with pytest.raises(ValueError, match="seed: a whole number"):
        number(SEED, f"{'0' * 20}{MAX_SEED + 1}")
    with pytest.raises(ValueError, match="seed: a whole number"):
        number(SEED, "9" * 5000)
