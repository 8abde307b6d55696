"""Runs side by side as a screen needs them: a grid, answers, another baseline, a file."""

from pathlib import Path

import pytest
from unit.comparison_bench import GLM, QWEN, two_runs, write_run

from llmtui.errors import StoreError
from llmtui.services.comparing import OpenComparison
from llmtui.services.runs.grid import GridRow
from llmtui.store.paths import Folders


def test_columns_are_the_models_of_every_run_and_flips_stand_in_the_cells(folders: Folders) -> None:
    found = OpenComparison(two_runs(folders))
    labels = [column.model for column in found.grid.columns]
    assert labels == [f"a1b2 {QWEN}", f"a1b2 {GLM}", f"c3d4 {QWEN}", f"c3d4 {GLM}"]
    flips = {(row.sample, label): found.grid.cell(row, label).mended for row in found.grid.rows for label in labels[2:]}
    assert {place: flip for place, flip in flips.items() if flip is not None} == {
        ("静夜思", labels[3]): True,
        ("望庐山瀑布", labels[3]): False,
        ("早发白帝城", labels[2]): True,
    }
    assert found.grid.totals[None, labels[2]].passed == 2
    assert found.grid.cell(GridRow("li-bai", "行路难"), labels[0]).state == "open"


def test_of_long_ids_as_much_is_shown_as_tells_them_apart(folders: Folders) -> None:
    paths = [
        write_run(folders, id_, {"静夜思": (1.0,)}, models=(QWEN,), day=day)
        for day, id_ in enumerate(("ffc7cc343e8a", "ffc7cd000000", "980218abd42e"), start=1)
    ]
    found = OpenComparison(paths)
    assert [column.model for column in found.grid.columns] == [
        f"{id_} {QWEN}" for id_ in ("ffc7cc", "ffc7cd", "980218")
    ]


def test_another_run_can_be_the_baseline(folders: Folders) -> None:
    found = OpenComparison(two_runs(folders))
    assert found.baseline_id == "a1b2"
    found.hold_against(found.file_of(f"c3d4 {QWEN}"))
    assert found.baseline_id == "c3d4"
    assert found.grid.cell(GridRow("li-bai", "静夜思"), f"a1b2 {GLM}").mended is False


def test_the_answers_of_a_sample_tell_their_run_and_what_is_missing(folders: Folders) -> None:
    found = OpenComparison(two_runs(folders))
    answers = found.answers(GridRow("li-bai", "行路难"), 0)
    assert [answer.error for answer in answers] == ["not asked in this run"] * 2 + [None, "not asked in this run"]
    assert answers[2].note == "run c3d4"
    assert "床前明月光" in answers[2].content
    assert answers[2].scores[0].value == 0.2


def test_exports_never_write_over_one_another(folders: Folders) -> None:
    found = OpenComparison(two_runs(folders))
    paths = {found.export(folders) for _ in range(3)}
    assert len(paths) == 3
    text = next(iter(paths)).read_text(encoding="utf-8")
    assert "| li-bai/静夜思 |" in text
    assert "mended" in text


def test_an_export_that_cannot_be_written_says_why(folders: Folders) -> None:
    found = OpenComparison(two_runs(folders))
    (folders.data_dir / "comparisons").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        found.export(folders)


def test_the_same_run_in_two_files_has_columns_of_its_own(folders: Folders) -> None:
    first, _ = two_runs(folders)
    copy = first.with_name("20260102-120000-copy.jsonl")
    copy.write_bytes(first.read_bytes())
    found = OpenComparison((first, copy))
    labels = [column.model for column in found.grid.columns]
    assert len(set(labels)) == 4
    assert found.file_of(labels[2]) == copy.resolve()


def test_epochs_are_marks_of_one_row(folders: Folders) -> None:
    path = write_run(folders, "e5f6", {"静夜思": (1.0, 0.0)}, epochs=3)
    found = OpenComparison((path,))
    (row,) = found.grid.rows
    assert row.epochs == 3
    assert found.grid.cell(row, QWEN).passed == 3


def test_a_file_that_is_no_run_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "x.jsonl"
    other.write_text("{}\n")
    with pytest.raises(StoreError):
        OpenComparison((other,))
