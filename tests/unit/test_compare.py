"""Runs side by side, and the statistics of flips."""

import csv
import io
import json
from itertools import product
from pathlib import Path

import pytest
from unit.run_bench import Opened

from llmtui.cli.compare_formats import written
from llmtui.domain.paired import mcnemar, wilson
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import StoreError, UsageError
from llmtui.services.compare import Comparison, compare_runs, write_report

YES, NO = ScriptedTurn(tokens=("yes",)), ScriptedTurn(tokens=("no",))
SAMPLES = """samples:
  - {id: a, input: hello, targets: [yes], scorers: [{type: contains}]}
  - {id: "=b|", input: bye, targets: [no], scorers: [{type: contains}]}
  - {id: c, input: well, scorers: [{type: human}]}
"""


@pytest.mark.parametrize(("broken", "mended"), [(0, 0), (1, 0), (0, 5), (3, 3), (8, 1), (2, 7)])
def test_mcnemar_is_the_share_of_coin_tosses_as_one_sided_or_more(broken: int, mended: int) -> None:
    flips = broken + mended
    tosses = [sum(toss) for toss in product((0, 1), repeat=flips)]
    extreme = sum(abs(heads - flips / 2) >= abs(broken - flips / 2) for heads in tosses) / len(tosses)
    assert mcnemar(broken, mended) == pytest.approx(extreme)


def test_mcnemar_of_many_flips_does_not_overflow() -> None:
    assert mcnemar(5000, 5000) == pytest.approx(1.0)
    assert 0.0 <= mcnemar(0, 5000) < 1e-300


def test_wilson_as_published() -> None:
    low, high = wilson(81, 263) or (0.0, 0.0)  # Newcombe 1998, table I, method 3
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-4))
    assert wilson(0, 0) is None


@pytest.fixture
async def compared(tmp_path: Path, quiet_host: None) -> Comparison:
    opened = Opened(tmp_path, [YES], [NO], samples=SAMPLES)
    first = await opened.run(await opened.begin())
    second = await opened.run(await opened.begin())
    return compare_runs(opened.folders, [first.run.id, str(second.path)], first.run.id)


async def test_runs_are_joined_and_flips_told_in_both_directions(compared: Comparison) -> None:
    base, other = compared.columns
    assert (base.flips, base.passed, base.failed, base.waiting) == (None, 1, 1, 1)
    assert other.flips is not None
    assert (other.flips.joined, other.flips.mended, other.flips.broken, other.flips.p) == (2, 1, 1, 1.0)
    assert [(flip.sample, flip.mended) for flip in other.flips.flips] == [("a", False), ("=b|", True)]
    assert base.label != other.label
    assert [row.sample for row in compared.rows] == ["a", "=b|", "c"]


async def test_every_format_says_the_same(compared: Comparison) -> None:
    table = written(compared, "table")
    assert "✗ broken  set/a" in table
    assert "+1 −1" in table
    markdown = written(compared, "markdown")
    assert "| set/=b\\| |" in markdown
    rows = list(csv.reader(io.StringIO(written(compared, "csv"))))
    assert rows[1][:5] == ["set", "a", "0", "passed", "1.0"]
    assert rows[2][1] == "'=b|"
    assert json.loads(written(compared, "json"))["columns"][1]["flips"]["flips"][0]["sample"] == "a"


async def test_what_is_no_run_is_told(tmp_path: Path, quiet_host: None) -> None:
    opened = Opened(tmp_path, [YES], samples=SAMPLES)
    book = await opened.run(await opened.begin())
    other = tmp_path / "chat.jsonl"
    other.write_text('{"record":"chat","id":"x"}\n')
    with pytest.raises(StoreError, match="not a run"):
        compare_runs(opened.folders, [str(other)], None)
    with pytest.raises(UsageError, match="There is no run"):
        compare_runs(opened.folders, ["nope"], None)
    alone = compare_runs(opened.folders, [book.run.id[:6]], None)
    assert alone.columns[0].flips is None


async def test_a_comparison_is_never_written_over_a_run(tmp_path: Path, quiet_host: None) -> None:
    opened = Opened(tmp_path, [YES], samples=SAMPLES)
    book = await opened.run(await opened.begin())
    before = book.path.read_bytes()
    with pytest.raises(StoreError) as caught:
        write_report(str(book.path), "a table")
    assert "a run is kept there" in caught.value.cause
    assert book.path.read_bytes() == before
    report = tmp_path / "report.md"
    for text in ("an older one, which is longer", "a table"):
        write_report(str(report), text)
    assert report.read_text(encoding="utf-8") == "a table"
    with pytest.raises(StoreError):
        write_report(str(tmp_path), "a table")
