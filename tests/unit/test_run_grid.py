"""A run's grid as a fold: over its events, over its file, and both alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.grid_bench import MODELS, write_grid
from unit.run_bench import GRANTED, Opened

from llmtui.domain.events import Failed
from llmtui.domain.run import PlannedSet, Result, RunPlan
from llmtui.engines.scripted import ScriptedTurn
from llmtui.services.runs.events import (
    JudgeDone,
    JudgeReady,
    ModelBack,
    ModelDone,
    ModelFailed,
    ModelLoading,
    ModelReady,
    Remark,
    SampleBegun,
    SampleEnded,
    SampleScored,
)
from llmtui.services.runs.grid import GridRow
from llmtui.services.runs.grid_fold import GridFold, fold_of
from llmtui.services.runs.open_run import OpenRun
from llmtui.services.runs.past import list_runs, remove_run
from llmtui.store.runs import read_run

PLAN = RunPlan(
    sets=(
        PlannedSet(name="s", path="/s.yaml", samples=2, turns=4),
        PlannedSet(name="t", path="/t", samples=1, turns=1),
    ),
    models=("a", "b"),
    timeout_s=1,
)
ROWS = [GridRow("s", "x", 2), GridRow("s", "y", 2), GridRow("t", "z")]
ERROR = Failed("engine", "It broke", "why", "mend it")


def result(outcome="passed", *, sample="x", model="a", epoch=0, value=1.0, tps=10.0, set_="s") -> Result:
    key = f"{set_}{sample}{model}{epoch}"
    return Result(
        key=key, set=set_, sample=sample, model=model, epoch=epoch, outcome=outcome, value=value, decode_tps=tps
    )


def fold(clock=lambda: 0.0) -> GridFold:
    made = GridFold(PLAN, clock)
    made.set_rows(ROWS)
    return made


def ended(one: Result) -> SampleEnded:
    return SampleEnded(None, (), one)  # type: ignore[arg-type]


def ready(model="a", turns=5) -> ModelReady:
    return ModelReady(model=model, loaded=GRANTED, turns=turns, answered=0)


def test_a_model_loads_answers_and_is_done():
    made = fold()
    made.take(ModelLoading("a", "reading", 0.5))
    column = made.grid().columns[0]
    assert (column.state, column.stage, column.fraction) == ("loading", "reading", 0.5)
    made.take(ready())
    made.take(SampleBegun("a", "s", "x", 0))
    grid = made.grid()
    assert grid.active == grid.columns[0]
    assert grid.cell(ROWS[0], "a").state == "asking"
    made.take(ended(result()))
    made.take(ModelDone("a"))
    grid = made.grid()
    assert [column.state for column in grid.columns] == ["done", "open"]
    assert grid.cell(ROWS[0], "a").passed == 1
    assert grid.active is None
    assert (grid.done, grid.planned) == (1, 10)


def test_epochs_fold_into_one_cell_and_the_worst_of_them_shows():
    made = fold()
    made.note(result(value=1.0, tps=10))
    assert made.grid().cell(ROWS[0], "a").state == "open"
    made.note(result("failed", epoch=1, value=0.5, tps=20))
    cell = made.grid().cell(ROWS[0], "a")
    assert (cell.state, cell.passed, cell.value, cell.decode_tps) == ("failed", 1, 0.75, 15)


def test_totals_by_set_and_model_follow_every_change():
    made = fold()
    for one in (
        result(value=1, tps=10),
        result("failed", epoch=1, value=0, tps=30),
        result("failed", sample="y", value=0.25, tps=20),
        result(sample="z", set_="t", tps=40),
    ):
        made.note(one)
    totals = made.grid().totals
    assert (totals["s", "a"].passed, totals["s", "a"].failed, totals["s", "a"].done) == (1, 2, 3)
    assert totals["s", "a"].score == pytest.approx((0.5 + 0.25) / 2)
    assert totals["s", "a"].decode_tps == 20
    assert totals[None, "a"].decode_tps == 25
    assert (totals[None, "a"].planned, totals[None, "b"].done) == (5, 0)
    made.note(result(sample="y", value=1, tps=50))
    made.note(result("error", epoch=1, value=None, tps=None))
    totals = made.grid().totals
    assert (totals["s", "a"].passed, totals["s", "a"].failed, totals["s", "a"].errors) == (2, 0, 1)
    assert totals["s", "a"].score == 1
    assert totals["s", "a"].decode_tps == 30


def test_what_was_asked_when_the_run_ended_has_what_it_had_before():
    made = fold()
    made.note(result())
    made.queue(("s", "y", "b", 1))
    made.take(ready())
    made.take(SampleBegun("a", "s", "x", 0))
    made.take(SampleBegun("a", "s", "y", 0))
    assert made.grid().marks["s", "x", "a", 0].key == "sxa0"
    made.take(ModelDone("a"))
    assert made.grid().cell(ROWS[1], "a").state == "open"
    assert made.grid().marks["s", "x", "a", 0].state == "passed"
    assert made.grid().marks["s", "y", "b", 1].state == "queued"
    made.rest()
    assert ("s", "y", "b", 1) not in made.grid().marks


def test_samples_are_skipped_and_taken_in_again_unless_they_have_an_answer():
    made = fold()
    made.note(result())
    made.skip(("s", "x", "a", 0))
    made.skip(("s", "x", "a", 1))
    assert [mark.state for mark in made.grid().cell(ROWS[0], "a").marks] == ["passed", "skipped"]
    made.unskip(("s", "x", "a", 1))
    made.unskip(("s", "x", "a", 0))
    assert [mark and mark.state for mark in made.grid().cell(ROWS[0], "a").marks] == ["passed", None]


def test_a_model_that_fails_keeps_why_and_what_is_remarked_last_stays():
    made = fold()
    made.take(ModelLoading("a", "reading"))
    made.take(ModelFailed("a", ERROR))
    made.take(ModelDone("a"))
    made.take(Remark("one"))
    made.take(Remark("two"))
    grid = made.grid()
    assert (grid.columns[0].state, grid.columns[0].problem, grid.remark) == ("failed", "It broke: why", "two")


def test_a_judge_has_no_column_and_its_grades_change_the_cells():
    made = fold()
    made.note(result("waiting", value=None))
    made.take(ModelLoading("judge", "reading"))
    made.take(JudgeReady(model="judge", loaded=GRANTED, answers=1))
    assert made.grid().judge == "judge"
    made.take(SampleScored((), result()))
    assert made.grid().cell(ROWS[0], "a").passed == 1
    made.take(JudgeDone(model="judge", graded=1, agreed=1, ungraded=0))
    assert (made.grid().judge, len(made.grid().columns)) == (None, 2)


def test_a_judge_goes_at_its_pace_and_code_that_is_run_late_counts_for_nobody():
    seconds = iter(range(100))
    made = fold(lambda: float(next(seconds)))
    made.take(SampleScored((), result()))
    assert made.grid().told == ""
    made.take(JudgeReady(model="judge", loaded=GRANTED, answers=3))
    made.take(SampleScored((), result()))
    assert "left" in made.grid().told


def test_the_grid_is_the_same_object_until_something_changes():
    made = fold()
    first = made.grid()
    assert made.grid() is first
    made.take(SampleBegun("a", "s", "x", 0))
    assert made.grid() is not first
    assert made.grid().rows is first.rows
    assert first.cell(ROWS[0], "a").state == "open"


def test_results_of_samples_that_their_sets_have_no_more_stand_behind_the_others():
    made = GridFold(PLAN)
    made.note(result(sample="gone"))
    made.set_rows(ROWS)
    assert [row.sample for row in made.grid().rows] == ["x", "y", "gone", "z"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("xy"),
            st.sampled_from("ab"),
            st.integers(0, 1),
            st.sampled_from(["passed", "failed", "waiting", "error"]),
            st.one_of(st.none(), st.floats(0, 1)),
            st.one_of(st.none(), st.floats(0, 1e4)),
        ),
        max_size=30,
    )
)
def test_totals_kept_step_by_step_are_those_of_the_last_results_alone(steps):
    live, last = fold(), {}
    for sample, model, epoch, outcome, value, tps in steps:
        one = result(outcome, sample=sample, model=model, epoch=epoch, value=value, tps=tps)
        last[sample, model, epoch] = one
        live.take(ended(one))
    whole = fold_of(PLAN, last.values(), {})
    for place, totals in whole.grid().totals.items():
        other = live.grid().totals[place]
        assert (totals.passed, totals.failed, totals.done) == (other.passed, other.failed, other.done)
        assert totals.decode_tps == other.decode_tps
        assert totals.score == pytest.approx(other.score)


async def test_a_run_gives_the_same_grid_live_and_from_its_file(tmp_path):
    opened = Opened(tmp_path, [ScriptedTurn(tokens=("yes",)), ScriptedTurn(tokens=("yes",))])
    book = await opened.begin()
    made = GridFold(book.plan)
    await opened.run(book)
    for event in opened.events:
        made.take(event)
    stored = read_run(book.path)
    past = OpenRun(stored)
    rows, problem = past.rows()
    assert problem is None
    past.take_rows(rows)
    made.set_rows(rows)
    assert made.grid().rows == past.grid.rows == (GridRow("set", "a"), GridRow("set", "b"))
    assert made.grid().marks == past.grid.marks
    assert made.grid().totals == past.grid.totals
    answer = past.answer(past.grid.marks["set", "a", "demo", 0].key or "")
    assert answer is not None
    assert answer.record.content == "yes"


def test_a_run_whose_sets_are_gone_has_the_rows_of_its_answers(tmp_path):
    folders = Opened(tmp_path, []).folders
    run = OpenRun.read(write_grid(folders))
    rows, problem = run.rows()
    run.take_rows(rows)
    assert problem is not None
    assert [row.epochs for row in run.grid.rows] == [1] * 12 + [3]
    assert run.grid.columns[2].problem == "The model does not fit"
    cells = [run.grid.cell(run.grid.rows[0], model).state for model in MODELS]
    assert cells == ["passed", "error", "open"]


async def test_past_runs_are_listed_and_removed_with_the_set_that_was_made_for_them(tmp_path):
    opened = Opened(tmp_path, [ScriptedTurn(tokens=("yes",))])
    book = await opened.begin()
    write_grid(opened.folders)
    assert {run.state for run in list_runs(opened.folders)} == {"running", "interrupted"}
    await opened.run(book)
    first = next(run for run in list_runs(opened.folders) if run.id == book.run.id)
    assert (first.state, first.done, first.planned, first.sets, first.models) == (
        "finished",
        2,
        2,
        ("set",),
        ("demo",),
    )
    remove_run(book.path)
    assert [run.id for run in list_runs(opened.folders)] == ["a1b2"]
    assert opened.path.exists()


def test_a_model_that_is_back_after_its_process_died_answers_again():
    made = fold()
    for event in (ready(), ModelLoading("a", "reading", 0.5), ModelBack("a")):
        made.take(event)
    assert made.grid().columns[0].state == "answering"
