"""A person's desk: which answers lie on it and in which order, and the grades in the runs' files."""

from pathlib import Path

import pytest
from unit.grading_bench import grades, judged, waiting, write_run
from unit.run_bench import Opened, samples

from llmtui.domain.run import ScoreRecord
from llmtui.domain.scorers import Human
from llmtui.engines.scripted import ScriptedTurn
from llmtui.errors import StoreError
from llmtui.services.runs.book import RunBook, open_book
from llmtui.services.runs.desk import Desk
from llmtui.services.runs.grading import ToGrade
from llmtui.store.paths import Folders
from llmtui.store.runs import read_run

pytestmark = pytest.mark.usefixtures("quiet_host")
SET = "samples: [{id: a, input: hi, rubric: r, reference: ref, scorers: [{type: human, scale: [0, 1, 2, 3]}]}]\n"
YES = ScriptedTurn(tokens=("yes",))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.resolve({"LLMTUI_DATA_DIR": str(tmp_path), "LLMTUI_CONFIG_DIR": str(tmp_path)})


def here(desk: Desk) -> ToGrade:
    assert desk.answer is not None
    return desk.answer


async def test_the_newest_run_comes_first_and_answers_to_one_sample_stand_together(folders: Folders) -> None:
    old = [waiting("o1"), waiting("o2", "llama-8b")]
    new = [
        *(waiting("b", sample="one"), waiting("x"), waiting("a", "llama-8b", sample="one")),
        waiting("c", status="failed"),
        *(waiting("d", waiting=()), waiting("e", sample="judged"), judged("e")),
    ]
    write_run(folders, old)
    write_run(folders, new, name="20260202-000000-bbb")
    desk = Desk(folders)
    await desk.open()
    while await desk.look_on():
        pass
    assert [(task.run.id, task.key) for task in desk.tasks] == [
        *(("bbb", "a"), ("bbb", "b"), ("bbb", "x")),
        *(("aaa", "o1"), ("aaa", "o2")),
    ]
    assert here(desk).record.content.endswith("（a）")
    await desk.open(graded=True)
    assert "e" in [task.key for task in desk.tasks]
    await desk.close()


async def test_grades_are_on_the_disk_at_once_and_the_last_one_counts(folders: Folders) -> None:
    path = write_run(folders, [waiting("a"), waiting("b")])
    desk = Desk(folders)
    await desk.open()
    await desk.grade(2, "好")
    assert grades(path, "a") == [("2", "好", "person")]
    assert here(desk).record.key == "b"
    await desk.go(-1)
    assert here(desk).grade is not None
    await desk.grade(1)
    assert grades(path, "a") == [("1", "", "person")]
    assert here(desk).record.key == "b"
    await desk.grade(2)
    assert desk.answer is None
    assert len(desk.given) == 2
    await desk.close()
    stored = read_run(path)
    assert [result.outcome for result in stored.results.values()] == ["failed", "passed"]
    assert stored.ended is not None
    assert path.read_text().count('"record":"end"') == 1


async def test_a_note_can_follow_its_grade(folders: Folders) -> None:
    path = write_run(folders, [waiting("a")])
    desk = Desk(folders)
    await desk.open()
    assert not await desk.note("too early")
    await desk.grade(2)
    await desk.go(-1)
    assert await desk.note("说清了\x1b")
    assert grades(path, "a") == [("2", "说清了\x1b", "person")]
    await desk.close()


async def test_no_grade_outside_the_scale_is_taken(folders: Folders) -> None:
    path = write_run(folders, [waiting("a", graders={1: Human(scale=(-1, 0, 10), pass_at=0)})])
    desk = Desk(folders)
    await desk.open()
    with pytest.raises(ValueError, match="no grade of the scale -1, 0, 10"):
        await desk.grade(5)
    await desk.grade(10)
    assert grades(path, "a") == [("10", "", "person")]
    await desk.close()


async def test_a_run_that_is_open_elsewhere_is_left_out_and_said_so(folders: Folders) -> None:
    open_path = write_run(folders, [waiting("n1"), waiting("n2")], name="20260202-000000-bbb")
    write_run(folders, [waiting("a")])
    other = RunBook.reopen(folders, open_path)
    from llmtui.services.runs import book as books

    books._open_books.clear()
    desk = Desk(folders)
    await desk.open()
    assert [task.key for task in desk.tasks] == ["a"]
    assert "open in another llmtui" in desk.remark
    assert "2 answers are left out" in desk.remark
    await desk.grade(1)
    await desk.close()
    await other.close(finished=None)


async def test_a_run_that_goes_on_here_is_graded_through_its_own_book(folders: Folders) -> None:
    path = write_run(folders, [waiting("a"), waiting("b")])
    book = RunBook.reopen(folders, path)
    assert open_book(path) is book
    desk = Desk(folders, path)
    await desk.open()
    await desk.grade(2)
    assert book.stored.results["a"].outcome == "passed"
    await book.close(finished=True)
    assert open_book(path) is None
    await desk.grade(0)
    await desk.close()
    assert [result.outcome for result in read_run(path).results.values()] == ["passed", "failed"]


async def test_a_run_whose_file_is_gone_is_told(folders: Folders) -> None:
    path = write_run(folders, [waiting("a"), waiting("b")])
    desk = Desk(folders)
    await desk.open()
    path.unlink()
    await desk.go(1)
    assert desk.answer is None
    assert "answers are left out" in desk.remark
    await desk.close()
    with pytest.raises(StoreError):
        await Desk(folders, path).open()


async def test_a_full_disk_keeps_the_grade_for_the_next_try(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_run(folders, [waiting("a"), waiting("b")])
    desk = Desk(folders)
    await desk.open()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("llmtui.store.transcript_writer.os.write", full)
        await desk.grade(2)
        assert desk.problem is not None
        assert "the disk is full" in desk.problem
    await desk.grade(1)
    assert desk.problem is None
    assert [grades(path, key)[0][0] for key in "ab"] == ["2", "1"]
    await desk.close()


async def test_what_was_asked_can_be_graded_when_its_set_is_changed_or_gone(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], samples=SET)
    book = await opened.run(await opened.begin("demo"))
    desk = Desk(opened.folders, book.path)
    await desk.open()
    assert not await desk.match()
    assert not here(desk).changed
    await desk.close()
    for change in (lambda: opened.path.write_text(f"schema: llmtui.promptset/1\n{SET.replace('hi', 'bye')}"),
                   opened.path.unlink):  # fmt: skip
        change()
        await desk.open()
        assert await desk.match()
        assert here(desk).changed
        assert here(desk).scorer == Human(scale=(0, 1, 2, 3))
        assert here(desk).record.references == ("ref",)
    await desk.grade(3)
    await desk.close()
    assert read_run(book.path).results[samples(book)[0].key].outcome == "passed"


async def test_a_record_without_a_scale_takes_that_of_its_set_or_is_left_out(tmp_path: Path) -> None:
    opened = Opened(tmp_path, [YES], samples=SET)
    book = await opened.run(await opened.begin("demo"))
    text = book.path.read_text()
    start = text.index(',"graders":')
    book.path.write_text(text[:start] + text[text.index("}", text.index('"scale"', start)) + 2 :])
    assert samples(book)[0].graders == {}
    desk = Desk(opened.folders, book.path)
    await desk.open()
    assert here(desk).scorer == Human(scale=(0, 1, 2, 3))
    await desk.close()
    opened.path.unlink()
    await desk.open()
    assert desk.answer is None
    assert "its record does not tell the scale" in desk.remark
    await desk.close()


async def test_a_persons_grade_stands_above_a_judges(folders: Folders) -> None:
    path = write_run(folders, [waiting("a"), judged("a", 2)])
    assert read_run(path).results["a"].outcome == "passed"
    desk = Desk(folders)
    await desk.open()
    assert desk.answer is None
    await desk.open(graded=True)
    assert [score.by for score in here(desk).given] == ["judge-7b"]
    await desk.grade(0)
    await desk.close()
    stored = read_run(path)
    assert stored.results["a"].outcome == "failed"
    assert isinstance(stored.scores("a")[0], ScoreRecord)
