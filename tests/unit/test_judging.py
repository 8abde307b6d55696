"""A judge over a run, scripted: good, garbage, dying, disagreeing, gone; and the grades' records."""

import json
from pathlib import Path

import pytest
from unit.run_bench import Opened, scores

from llmtui.domain.events import Failed
from llmtui.domain.run import PERSON, ScoreRecord
from llmtui.domain.settings import Runtime
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.errors import ConfigError, ModelError
from llmtui.services.judge import grading
from llmtui.services.runner import Runner
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.events import JudgeDone, JudgeFailed, JudgeReady, Remark, SampleScored
from llmtui.services.runs.judging import Scoring

pytestmark = pytest.mark.usefixtures("quiet_host")
SAMPLES = """samples:
  - {id: a, input: 问一, rubric: 说清。, reference: 答一, scorers: [{type: model_graded}, {type: human}]}
  - {id: b, input: two, rubric: Names it., scorers: [{type: model_graded, scale: [1, 2, 3, 4], pass_at: 2}]}
  - {id: c, input: three, targets: [never], scorers: [{type: contains}, {type: model_graded}]}
"""
YES = ScriptedTurn(tokens=("yes",))
GARBAGE = ScriptedTurn(tokens=("I would say ", "two."))
DIES = ScriptedTurn(tokens=("{",), dies=True)
REFUSED = ScriptedTurn(failure=Failed("engine", "far refuses the request", "HTTP 400: response_format", "…"))


def grade(number: int, reason: str = "because") -> ScriptedTurn:
    return ScriptedTurn(tokens=(json.dumps({"reason": reason, "grade": number}),))


async def judged(opened: Opened, judge: str = "demo", **how: int) -> RunBook:
    book = await opened.begin("demo")
    return await opened.run(book, scoring=Scoring(judge=judge), **how)


def grades(book: RunBook) -> list[tuple[str | None, str | None, bool]]:
    return [(score.answer, score.by, score.passed) for score in scores(book) if score.scorer == "model_graded"]


async def test_a_judge_is_loaded_once_after_the_others_and_grades_what_waits(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [grade(2, "点破了"), grade(2), grade(2), grade(2)], samples=SAMPLES)
    book = await judged(opened)
    assert len(opened.engines) == 2
    assert not opened.engines[0].alive
    assert grades(book) == [("2", "demo", True), ("2", "demo", True)]
    first, second = (score for score in scores(book) if score.scorer == "model_graded")
    assert (first.value, first.explanation, first.details["agreed"]) == (1.0, "点破了", 1.0)
    assert second.value == pytest.approx(1 / 3)
    assert first.at is not None
    (row,) = book.summary()
    assert (row.passed, row.failed, row.waiting) == (2, 1, 0)
    ready = next(event for event in opened.events if isinstance(event, JudgeReady))
    assert (ready.answers, ready.related) == (2, ("demo",))
    assert opened.events[-1] == JudgeDone(model="demo", graded=2, agreed=2, ungraded=0)
    assert [(one.graded, one.agreed) for one in book.judged()] == [(2, 2)]


async def test_what_differs_by_the_order_of_the_scale_is_told_and_the_grade_between_counts(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [grade(0, "no"), grade(2, "yes"), grade(4), grade(3)], samples=SAMPLES)
    book = await judged(opened)
    assert [answer for answer, *_ in grades(book)] == ["1", "3"]
    first = next(score for score in scores(book) if score.scorer == "model_graded")
    assert (first.details["first"], first.details["second"], first.details["agreed"]) == (0.0, 2.0, 0.0)
    assert "no" in first.explanation
    assert "yes" in first.explanation
    assert [(one.graded, one.agreed) for one in book.judged()] == [(2, 0)]


async def test_garbage_is_asked_again_once_and_leaves_the_answer_waiting(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [GARBAGE, grade(2), grade(2), GARBAGE, GARBAGE], [grade(3)], samples=SAMPLES)
    book = await judged(opened)
    given, missing = (score for score in scores(book) if score.scorer == "model_graded")
    assert (given.answer, given.error) == ("2", None)
    assert missing.error is not None
    assert "I would say two." in missing.error
    assert (book.summary()[0].waiting, book.waiting()) == (1, {"set": {"judge": 1}})
    again = await opened.run(opened.reopen(book), scoring=Scoring(judge="demo"))
    assert [answer for answer, *_ in grades(again)] == ["2", None, "3"]
    assert again.summary()[0].waiting == 0


async def test_a_judge_that_writes_nothing_but_garbage_is_given_up(tmp_path: Path) -> None:
    many = "samples:\n" + "".join(f"  - {{id: s{n}, input: hi, scorers: [{{type: model_graded}}]}}\n" for n in range(9))
    opened = Opened(tmp_path, [YES], [GARBAGE], samples=many)
    book = await judged(opened)
    assert len(grades(book)) == 5
    failure = next(event for event in opened.events if isinstance(event, JudgeFailed))
    assert "5 samples in a row" in failure.error.title
    assert book.summary()[0].waiting == 9


async def test_a_judge_that_dies_is_loaded_again_and_the_answer_tried_once_more(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [DIES], [grade(2)], samples=SAMPLES)
    book = await judged(opened)
    assert len(opened.engines) == 3
    assert grades(book) == [("2", "demo", True), ("2", "demo", True)]


async def test_a_judge_that_cannot_be_loaded_leaves_the_run_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(tmp_path, [YES], samples=SAMPLES)
    book = await opened.run(await opened.begin("demo"))
    broken = ScriptedEngine([YES], load_failure=ModelError("The file is damaged", cause="demo", remedy="…"))
    monkeypatch.setattr(opened.services.host, "_open_engine", lambda *_: broken)
    book = await opened.run(opened.reopen(book), scoring=Scoring(judge="demo"))
    assert any(isinstance(event, JudgeFailed) and "damaged" in event.error.title for event in opened.events)
    assert grades(book) == []
    assert book.summary()[0].waiting == 2


async def test_a_judge_that_nobody_knows_is_told(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], samples=SAMPLES)
    await judged(opened, "no-such-model")
    assert isinstance(opened.events[-1], JudgeFailed)


async def test_a_server_that_takes_no_schema_is_asked_without_one(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [REFUSED, grade(2)], samples=SAMPLES)
    asked: list[bool] = []

    class Noting(ScriptedEngine):
        def generate(self, request):
            asked.append(request.sampling.json_schema is not None)
            return super().generate(request)

    turns = [REFUSED, grade(2), grade(2), grade(2), grade(2)]
    book = await opened.run(await opened.begin("demo"))
    opened.services.host._open_engine = lambda *_: Noting(turns)
    book = await opened.run(opened.reopen(book), scoring=Scoring(judge="far/model"))
    assert asked == [True, False, False, False, False]
    assert grades(book) == [("2", "far/model", True), ("2", "far/model", True)]


async def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    busy = ScriptedTurn(failure=Failed("engine", "far is not ready", "HTTP 503", "Wait"))
    opened = Opened(tmp_path, [YES], [busy, *[grade(2)] * 4], samples=SAMPLES)
    book = await judged(opened, "far/model")
    assert {answer for answer, *_ in grades(book)} == {"2"}


async def test_nothing_is_graded_twice_and_a_second_judge_counts_in_place_of_the_first(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [grade(2)], [grade(1)], samples=SAMPLES)
    book = await judged(opened)
    again = await opened.run(opened.reopen(book), scoring=Scoring(judge="demo"))
    assert isinstance(opened.events[-1], Remark)
    assert len(opened.engines) == 2
    again = await opened.run(opened.reopen(again), scoring=Scoring(judge="far/model"))
    assert [(answer, by) for answer, by, _ in grades(again)][2:] == [("1", "far/model"), ("1", "far/model")]
    assert [one.judge for one in again.judged()] == ["far/model"]
    assert again.summary()[0].failed == 3


async def test_a_second_judge_that_fails_takes_no_grade_away_and_a_persons_grade_stands(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [grade(2)], [GARBAGE], samples=SAMPLES)
    book = await judged(opened)
    book = opened.reopen(book)
    key = next(score.key for score in scores(book) if score.by == "demo")
    person = ScoreRecord(key=key, index=1, scorer="human", value=1.0, passed=True, by=PERSON, at="now")
    await book.note_scores((person,))
    book = await opened.run(book, scoring=Scoring(judge="far/model"))
    assert next(e for e in opened.events[::-1] if isinstance(e, JudgeReady)).answers == 1
    assert len(grades(book)) == 2
    assert (book.summary()[0].passed, book.summary()[0].waiting) == (2, 0)


async def test_a_run_that_is_stopped_among_grades_goes_on_there(tmp_path: Path) -> None:
    endless = ScriptedTurn(tokens=("word ",) * 4000, delay_s=0.001)
    opened = Opened(tmp_path, [YES], [grade(2), grade(2), endless], [grade(3)], samples=SAMPLES)
    book = await opened.begin("demo")
    runner = Runner(opened.services, book, opened.services.host, scoring=Scoring(judge="demo"), first_wait_s=0.001)
    async for event in runner.events():
        if isinstance(event, SampleScored):
            runner.stop.set()
    await opened.services.host.close()
    await book.close(finished=False)
    assert [answer for answer, *_ in grades(book)] == ["2"]
    book = await opened.run(opened.reopen(book), scoring=Scoring(judge="demo"))
    assert [answer for answer, *_ in grades(book)] == ["2", "3"]


async def test_several_answers_are_graded_at_once_each_in_its_slot(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [grade(2)], samples=SAMPLES)
    book = await judged(opened, parallel=2)
    assert opened.services.host.runtime == Runtime(slots=2)
    assert len(grades(book)) == 2


async def test_a_sample_that_was_changed_since_is_graded_as_it_was_asked(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], [grade(2)], samples=SAMPLES)
    book = await opened.run(await opened.begin("demo"))
    opened.path.unlink()
    again = opened.reopen(book)
    with pytest.raises(ConfigError):
        await opened.run(again, scoring=Scoring(judge="demo"))
    await opened.services.host.close()
    await again.close(finished=False)
    assert grades(again) == [("2", "demo", True), ("2", "demo", True)]


async def test_a_grade_that_a_template_has_put_among_the_thoughts_is_read(tmp_path: Path) -> None:
    thought = ScriptedTurn(thoughts=('{"reason": "好", ', '"grade": 2}'))
    opened = Opened(tmp_path, [YES], [thought], samples=SAMPLES)
    assert [answer for answer, *_ in grades(await judged(opened))] == ["2", "2"]


async def test_a_reply_without_end_is_cut_and_leaves_the_answer_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading, "MOST_CHARACTERS", 100)
    flood = ScriptedTurn(tokens=("word ",) * 500)
    opened = Opened(tmp_path, [YES], [flood], samples=SAMPLES)
    book = await judged(opened)
    assert grades(book) == [] or all(answer is None for answer, *_ in grades(book))
    errors = [score.error for score in scores(book) if score.scorer == "model_graded"]
    assert errors
    assert all(error is not None and "has no end" in error for error in errors)
    assert sum(counts["judge"] for counts in book.waiting().values()) == 2
