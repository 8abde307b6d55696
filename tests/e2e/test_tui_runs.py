"""A run in the real program with the real worker: begun, looked at, stopped, taken up, and killed."""

import json
import os
import signal
from pathlib import Path

import pytest
from e2e.command import llmtui
from e2e.terminal import Terminal, terminal

CTRL_R, TAB = b"\x12", b"\t"
POEM = "床前明月光"


def begin(screen: Terminal, words: str, *, limit: str = "") -> None:
    """Choose one set and the demo model, which is marked already, and begin."""
    screen.see("^R run")
    screen.send(CTRL_R)
    screen.see("Prompt sets")
    screen.see("li-bai")
    screen.see("Models · 1 marked")
    screen.send(words.encode())
    screen.press("enter")
    screen.see("Prompt sets · 1 marked")
    if limit:
        screen.send(TAB * 5)
        screen.wait_for(lambda: screen.cursor_follows("limit "), 10, "the cursor in the field for the limit")
        screen.send(limit.encode())
    screen.see(f"{limit or 34} samples × 1 model")
    screen.send(CTRL_R)
    screen.wait_for(lambda: "asking demo" in screen.text or "complete" in screen.text, 60, "the run, or its end")


def records(env: dict[str, str], kind: str) -> list[dict[str, object]]:
    """The records of this user's only run."""
    paths = list(Path(env["LLMTUI_DATA_DIR"]).glob("runs/*.jsonl"))
    if not paths:
        return []
    lines = paths[0].read_text("utf-8").splitlines()
    return [one for one in map(json.loads, (line for line in lines if line.endswith("}"))) if one["record"] == kind]


def asked(env: dict[str, str]) -> list[object]:
    return [record["sample"] for record in records(env, "sample") if record["status"] == "done"]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_a_set_is_run_an_answer_is_opened_and_the_chat_goes_on(user: dict[str, str], size: tuple[int, int]) -> None:
    with terminal("demo", env=user, size=size) as screen:
        begin(screen, "li-bai", limit="3")
        screen.see("3/3 · complete")
        screen.see("✓  1.00")
        screen.press("enter")
        screen.see(POEM)
        screen.press("escape")
        screen.see("ask again")
        screen.press("escape")
        screen.see("^R run")
        screen.ask("What is llmtui?")
        screen.see("tok/s · ttft")
        screen.send(CTRL_R)
        screen.see("3 samples × 1 model = 3 answers")
        screen.press("ctrl+g")
        screen.see("finished")
    assert len(asked(user)) == 3


def test_a_run_is_stopped_and_taken_up_and_leaving_tells_how_to_go_on(user: dict[str, str]) -> None:
    with terminal("demo", env=user, size=(80, 24)) as screen:
        begin(screen, "li-bai")
        screen.wait_for(lambda: len(asked(user)) > 1, 60, "two answers")
        screen.send(b"x")
        screen.see("again stops the run")
        screen.send(b"x")
        screen.see("not complete")
        screen.see("c go on")
        screen.wait_for(lambda: bool(records(user, "end")), 10, "the end of the run")
        screen.send(b"c")
        screen.see("· running")
        screen.press("ctrl+q")
        screen.see("A run is under way")
        screen.press("ctrl+q")
        run_id = records(user, "run")[0]["id"]
        screen.see(f"llmtui run --resume {run_id}")
        screen.wait_for(lambda: not screen.is_running(), 10, "the end of the program")
    assert [record["reason"] for record in records(user, "end")] == ["interrupted", "interrupted"]
    done = llmtui(user, "run", "--resume", str(run_id))
    assert done.returncode == 1
    assert len(asked(user)) == len(set(asked(user))) == 34
    assert records(user, "end")[-1]["reason"] == "finished"


def test_a_run_that_is_killed_is_taken_up_from_the_command_line(user: dict[str, str]) -> None:
    with terminal("demo", env=user, size=(80, 24)) as screen:
        begin(screen, "li-bai")
        screen.wait_for(lambda: len(asked(user)) > 1, 60, "two answers")
        os.kill(screen.pid, signal.SIGKILL)
        screen.wait_for(lambda: not screen.is_running(), 10, "the end of the program")
    before = asked(user)
    assert records(user, "end") == []
    done = llmtui(user, "run", "--resume", str(records(user, "run")[0]["id"]))
    assert done.returncode == 1
    assert asked(user)[: len(before)] == before
    assert len(asked(user)) == len(set(asked(user))) == 34
