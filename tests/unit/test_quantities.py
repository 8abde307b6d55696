"""Numbers as people read them."""

import pytest

from llmtui.domain.quantities import count, number, percent, size, whole


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(None, "–"), (0, "0 B"), (1023, "1023 B"), (820, "820 B"), (65_536, "64 KiB")],
        *[(5_121_248, "4.9 MiB"), (37 << 20, "37 MiB"), ((1 << 20) - 1, "1.0 MiB"), ((1 << 30) - 1, "1.0 GiB")],
        *[(15 << 30, "15.0 GiB"), (2048 << 30, "2,048.0 GiB")],
    ],
)
def test_sizes(value: int | None, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(None, "–"), (999, "999"), (1000, "1.0K"), (12_345, "12K"), (494_032_768, "494M")],
        *[(999_999_999, "1.0B"), (7_615_616_512, "7.6B"), (69_600_000_000, "70B")],
    ],
)
def test_counts(value: int | None, text: str) -> None:
    assert count(value) == text


def test_numbers_and_shares() -> None:
    assert (number(None, "s"), number(1234.56, "tok/s"), number(0.5, digits=0)) == ("–", "1,234.6 tok/s", "0")
    assert (whole(None), whole(8192)) == ("–", "8,192")
    assert (percent(None), percent(0.187), percent(0.5, 1)) == ("–", "19 %", "50.0 %")
