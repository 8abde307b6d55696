"""A person grades in the program what a run left waiting, and the run's totals show it."""

import json
from pathlib import Path

from e2e.command import llmtui
from e2e.terminal import terminal


def test_what_a_run_left_is_graded_with_keys_and_counts_in_its_totals(user: dict[str, str]) -> None:
    first = llmtui(user, "run", "ruozhiba", "-m", "demo", "--limit", "3")
    assert "grade them yourself" in first.stderr.decode()
    with terminal("demo", env=user, size=(80, 24)) as screen:
        screen.see("^O")
        screen.send(b"\x1bg")
        screen.see("1 of 3")
        screen.see("Answer · model hidden")
        screen.send(b"n")
        screen.see("a note on this answer")
        screen.send("点破了".encode())
        screen.press("enter")
        screen.see("note: 点破了")
        screen.send(b"2")
        screen.see("2 of 3")
        screen.send(b"1")
        screen.see("3 of 3")
        screen.send(b"s")
        screen.see("2 graded, 1 left")
        screen.see("demo: 1 of 2 passed")
        screen.send(b"q")
        screen.see("Ask something")
        screen.press("ctrl+q")
        screen.wait_for(lambda: not screen.is_running(), 30, "the end of the program")
    (path,) = Path(user["LLMTUI_DATA_DIR"], "runs").glob("*.jsonl")
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    grades = [record for record in found if record["record"] == "score"]
    assert [(one["answer"], one["by"], one.get("explanation")) for one in grades] == [
        ("2", "person", "点破了"),
        ("1", "person", None),
    ]
    done = llmtui(user, "run", "--resume", found[0]["id"])
    row = done.stdout.decode().splitlines()[1].split()
    assert row[:7] == ["ruozhiba", "demo", "3", "0.750", "1", "1", "1"]
