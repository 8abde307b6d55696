"""A person switches between models and conversations: what is loaded stays loaded, what was read stays read."""

import shutil
from pathlib import Path

import psutil
import pytest
from e2e.terminal import Terminal, records, terminal
from pty_program import ROOT

QUESTIONS = ("What is llmtui?", "谁写了《静夜思》？", "hello", "Who wrote it?")


@pytest.fixture
def owner(user: dict[str, str]) -> dict[str, str]:
    """A user with a second model, at temperature 0."""
    models = Path(user["LLMTUI_DATA_DIR"]) / "models"
    models.mkdir(parents=True)
    shutil.copy(ROOT / "tui" / "llmtui" / "data" / "demo.gguf", models / "second.gguf")
    (Path(user["LLMTUI_CONFIG_DIR"]) / "config.toml").write_text("[sampling]\ntemperature = 0\n", encoding="utf-8")
    return user


def switch(screen: Terminal, name: str) -> None:
    """Choose a model in the picker and see it in the head line."""
    screen.press("ctrl+o")
    screen.see("Enter loads")
    screen.send(name.encode())
    screen.press("enter")
    screen.wait_for(lambda: screen.text.lstrip().startswith(name), 30, f"{name} at the head\n{screen.text}")


def ask(screen: Terminal, user: dict[str, str], text: str) -> dict[str, object]:
    """Ask, and return the turn's record when it is on disk."""
    known = {turn["message_id"] for turn in records(user, "turn")}
    screen.ask(text)

    def new() -> list[dict[str, object]]:
        return [turn for turn in records(user, "turn") if turn["message_id"] not in known]

    screen.wait_for(lambda: bool(new()), 60, "the turn's record")
    return new()[0]


def figures(turn: dict[str, object]) -> dict[str, int]:
    metrics = turn["metrics"]
    assert isinstance(metrics, dict)
    return metrics


def model_of(turn: dict[str, object]) -> object:
    manifest = turn["manifest"]
    assert isinstance(manifest, dict)
    return manifest["model"]


def test_going_back_to_a_model_loads_nothing_and_reads_only_what_is_new(owner: dict[str, str]) -> None:
    with terminal("demo", env=owner) as screen:
        screen.see("^O")
        first = ask(screen, owner, QUESTIONS[0])
        switch(screen, "second")
        second = ask(screen, owner, QUESTIONS[1])
        workers = set(screen.workers())
        assert len(workers) == 2
        switch(screen, "demo")
        assert set(screen.workers()) == workers
        third = ask(screen, owner, QUESTIONS[2])

        assert [model_of(turn) for turn in (first, second, third)] == ["demo", "second", "demo"]
        assert figures(first)["load_s"] > 0
        assert figures(second)["load_s"] > 0
        assert figures(third)["load_s"] is None
        # The second model's answer came meanwhile: all that the first one knew is cached, and nothing else.
        assert figures(third)["cached_tokens"] >= figures(first)["context_used"]
        assert figures(third)["prompt_tokens"] > figures(second)["context_used"]
        family = screen.family()
        screen.press("ctrl+q")
        screen.wait_for(lambda: not screen.is_running(), 10, "the end of the program")
        assert not psutil.wait_procs(family, timeout=5)[1]


def test_a_warm_worker_that_was_killed_is_not_missed_until_it_is_chosen(owner: dict[str, str]) -> None:
    with terminal("demo", env=owner) as screen:
        screen.see("^O")
        ask(screen, owner, QUESTIONS[0])
        [warm] = screen.workers()
        switch(screen, "second")
        warm.kill()
        psutil.wait_procs([warm], timeout=5)
        second = ask(screen, owner, QUESTIONS[1])
        assert "killed" not in screen.text
        switch(screen, "demo")
        third = ask(screen, owner, QUESTIONS[2])

        assert [model_of(second), model_of(third)] == ["second", "demo"]
        assert figures(third)["load_s"] > 0
        assert figures(third)["cached_tokens"] == 0
        assert len(screen.workers()) == 2


def test_going_back_to_a_chat_reads_only_what_is_new(owner: dict[str, str]) -> None:
    with terminal("demo", env=owner) as screen:
        screen.see("^O")
        first = ask(screen, owner, QUESTIONS[0])
        screen.press("ctrl+n")
        ask(screen, owner, QUESTIONS[1])
        screen.press("ctrl+g")
        screen.see(QUESTIONS[0])
        screen.send(QUESTIONS[0][:8].encode())
        screen.press("enter")
        screen.wait_for(lambda: "History" not in screen.text and QUESTIONS[0] in screen.text, 20, "the first chat")
        back = ask(screen, owner, QUESTIONS[2])
        assert figures(back)["cached_tokens"] >= figures(first)["context_used"]


def test_two_programs_at_once_do_not_disturb_each_other(owner: dict[str, str]) -> None:
    with terminal("demo", env=owner) as left, terminal("second", env=owner) as right:
        for screen, name, other in ((left, "demo", "second"), (right, "second", "demo")):
            screen.see("^O")
            assert model_of(ask(screen, owner, QUESTIONS[0])) == name
            switch(screen, other)
            assert model_of(ask(screen, owner, QUESTIONS[1])) == other
        workers = right.workers()
        assert len(workers) == len(left.workers()) == 2
        left.press("ctrl+q")
        left.wait_for(lambda: not left.is_running(), 10, "the end of the first program")
        assert set(right.workers()) == set(workers)
        assert model_of(ask(right, owner, QUESTIONS[2])) == "demo"
