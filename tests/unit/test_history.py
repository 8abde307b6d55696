"""Runs in the history: what is told of them, and what is read again."""

import pytest
from unit.comparison_bench import GLM, QWEN, two_runs, write_run

from llmtui.app.screens.history import past_row
from llmtui.services import history
from llmtui.services.history import Past, RunRows
from llmtui.store.paths import Folders
from llmtui.store.runs import runs_dir


def test_runs_are_told_with_sets_models_and_how_far_they_are(folders: Folders) -> None:
    two_runs(folders)
    (runs_dir(folders) / "20260109-120000-bad.jsonl").write_bytes(b"\x00 no run\n")
    later, first = RunRows(folders)()
    assert (later.kind, later.title, later.models) == ("run", "li-bai", (QWEN, GLM))
    assert (later.done, later.planned, later.state) == (7, 8, "finished")
    assert later.used_at > first.used_at


def test_a_run_is_read_again_only_when_its_file_has_changed(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = two_runs(folders)
    runs, read = RunRows(folders), []
    real = history.read_run
    monkeypatch.setattr(history, "read_run", lambda path: (read.append(path.name), real(path))[1])
    assert len(list(runs())) == len(list(runs())) == 2
    assert len(read) == 2
    first.unlink()
    write_run(folders, "a1b2", {"静夜思": (1.0, 0.2)}, day=1)
    assert [past.done for past in runs()] == [7, 2]
    assert read[2:] == [first.name]


def test_a_file_of_an_impossible_time_is_a_row_like_others() -> None:
    row = past_row(Past(kind="chat", path="/c", title="静夜思", used_at=1e15, done=1))
    assert row.cells[1:4] == ("chat", "静夜思", "")
