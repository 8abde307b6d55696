"""Things go wrong: a worker is killed, the program is killed, the disk is full. Nothing is lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from resource import RLIMIT_FSIZE

import psutil
import pytest
from e2e.terminal import Terminal, records, terminal


@pytest.fixture
def talking(babbler: Path, talker: dict[str, str]) -> Iterator[Terminal]:
    """The program in the middle of an answer, part of which is in the file."""
    with terminal(str(babbler), env=talker) as screen:
        screen.see("^O")
        screen.ask("talk")
        screen.wait_for(lambda: bool(records(talker, "partial")), 60, "a partial record")
        yield screen


def test_a_killed_worker_is_reported_and_reloaded(talking: Terminal, talker: dict[str, str]) -> None:
    [worker] = talking.workers()
    worker.kill()
    talking.see("signal 9")
    talking.wait_for(lambda: len(records(talker, "message")) == 2, 10, "the answer's record")
    answer = records(talker, "message")[-1]["message"]
    assert isinstance(answer, dict)
    assert answer["role"] == "assistant"
    assert len(answer["content"]) > 20
    assert answer["finish_reason"] == "error"
    talking.press("ctrl+l")
    talking.wait_for(lambda: len(talking.workers()) == 1, 30, "a new worker")
    talking.see("babbler")
    talking.ask("again")
    talking.wait_for(
        lambda: any(r["parent_id"] != answer["parent_id"] for r in records(talker, "partial")), 60, "the next turn"
    )


def test_a_killed_program_leaves_no_worker_and_loses_at_most_a_second(
    talking: Terminal, talker: dict[str, str], babbler: Path
) -> None:
    workers = talking.family()
    os.kill(talking.pid, signal.SIGKILL)
    assert not psutil.wait_procs(workers, timeout=5)[1]
    saved = "".join(str(record["text"]) for record in records(talker, "partial"))
    assert saved
    with terminal(str(babbler), env=talker) as screen:
        screen.see("^O")
        screen.press("ctrl+g")
        screen.see("talk")
        screen.press("enter")
        screen.see("interrupted")
        screen.wait_for(lambda: "History" not in screen.text, 20, "the chat")
        screen.ask("go on")
        screen.wait_for(lambda: len({record["id"] for record in records(talker, "partial")}) == 2, 60, "the next turn")
    assert "".join(str(r["text"]) for r in records(talker, "partial")).startswith(saved)


def test_escape_stops_and_keeps_the_partial_answer(talking: Terminal, talker: dict[str, str]) -> None:
    talking.press("escape")
    talking.wait_for(lambda: bool(records(talker, "turn")), 10, "the turn's record")
    [turn] = records(talker, "turn")
    assert turn["finish_reason"] == "cancelled"
    talking.see("stopped")
    answer = records(talker, "message")[-1]["message"]
    assert isinstance(answer, dict)
    assert answer["content"]


def test_a_hung_worker_freezes_nothing_and_is_ended(talking: Terminal, talker: dict[str, str]) -> None:
    [worker] = talking.workers()
    worker.suspend()
    talking.press("escape")
    talking.see("Still stopping", 5)
    talking.send(b"keys work")
    talking.see("keys work", 1)
    talking.see("did not stop", 10)
    talking.wait_for(lambda: not worker.is_running(), 5, "the worker's end")
    answer = records(talker, "message")[-1]["message"]
    assert isinstance(answer, dict)
    assert (answer["role"], answer["finish_reason"]) == ("assistant", "error")
    assert len(answer["content"]) > 20
    talking.press("ctrl+l")
    talking.wait_for(lambda: len(talking.workers()) == 1, 30, "a new worker")
    talking.see("babbler")


def test_leaving_does_not_wait_for_a_hung_worker(talking: Terminal, talker: dict[str, str]) -> None:
    [worker] = talking.workers()
    worker.suspend()
    talking.press("ctrl+q")
    talking.wait_for(lambda: not talking.is_running(), 5, "the end of the program")
    assert not psutil.wait_procs([worker], timeout=5)[1]
    assert records(talker, "end")


def test_a_read_only_data_folder_does_not_stop_the_chat(user: dict[str, str], tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("a file where the folder should be", encoding="utf-8")
    with terminal("demo", env=user | {"LLMTUI_DATA_DIR": str(blocked)}) as screen:
        screen.see("^O")
        screen.ask("What is llmtui?")
        screen.see("not being saved")
        screen.see("tok/s")
        assert blocked.read_text(encoding="utf-8") == "a file where the folder should be"


def test_a_full_disk_does_not_stop_the_chat(user: dict[str, str]) -> None:
    with terminal("demo", env=user) as screen:
        screen.see("^O")
        psutil.Process(screen.pid).rlimit(RLIMIT_FSIZE, (64, 64))
        screen.ask("What is llmtui?")
        screen.see("not being saved")
        screen.see("tok/s")
