"""A person chats: the real program, the real worker, the demo model, a real pseudo-terminal."""

from itertools import pairwise
from pathlib import Path

import psutil
import pytest
from e2e.terminal import records, terminal

POEM = ("床前明月光，疑是地上霜。", "举头望明月，低头思故乡。")
GREEDY = "[sampling]\ntemperature = 0\n"


@pytest.fixture
def greedy_user(user: dict[str, str]) -> dict[str, str]:
    (Path(user["LLMTUI_CONFIG_DIR"]) / "config.toml").write_text(GREEDY, encoding="utf-8")
    return user


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_recites_and_shows_what_the_turn_cost(greedy_user: dict[str, str], size: tuple[int, int]) -> None:
    with terminal("demo", env=greedy_user, size=size) as screen:
        screen.see("^O")
        screen.ask("背诵李白的《静夜思》，只写正文。")
        for line in POEM:
            screen.see(line)
        screen.wait_for(lambda: bool(records(greedy_user, "turn")), 30, "the turn's record")
        screen.see("tok/s")
        [turn] = records(greedy_user, "turn")
        screen.see(str(turn["summary"]).split(" · ")[0])


def test_each_turn_evaluates_only_what_is_new(greedy_user: dict[str, str]) -> None:
    with terminal("demo", env=greedy_user) as screen:
        screen.see("^O")
        for number, question in enumerate(("What is llmtui?", "谁写了《静夜思》？", "hello"), start=1):
            screen.ask(question)
            screen.wait_for(lambda n=number: len(records(greedy_user, "turn")) == n, 60, f"turn {number}")
    turns = [turn["metrics"] for turn in records(greedy_user, "turn")]
    for earlier, later in pairwise(turns):
        # The last token of an answer is sampled but not evaluated, and the template's own text follows it.
        assert later["cached_tokens"] >= earlier["context_used"] - 2
        assert later["prompt_tokens"] > later["cached_tokens"]


def test_quitting_leaves_no_worker_and_history_reopens_the_chat(greedy_user: dict[str, str]) -> None:
    with terminal("demo", env=greedy_user) as screen:
        screen.see("^O")
        screen.ask("What is llmtui?")
        screen.wait_for(lambda: bool(records(greedy_user, "turn")), 60, "the turn")
        workers = screen.family()
        assert workers
        screen.press("ctrl+q")
        screen.wait_for(lambda: not screen.is_running(), 10, "the end of the program")
        assert not psutil.wait_procs(workers, timeout=5)[1]
    with terminal("demo", env=greedy_user) as screen:
        screen.see("^O")
        screen.press("ctrl+g")
        screen.see("What is llmtui?")
        screen.press("enter")
        screen.wait_for(lambda: "History" not in screen.text, 20, "the chat")
        screen.ask("谁写了《静夜思》？")
        screen.wait_for(lambda: len(records(greedy_user, "turn")) == 2, 60, "the second turn")
        assert len(records(greedy_user, "chat")) == 1


def test_resizing_to_something_tiny_and_back(greedy_user: dict[str, str]) -> None:
    with terminal("demo", env=greedy_user, size=(80, 24)) as screen:
        screen.see("^O")
        screen.ask("背诵李白的《静夜思》，只写正文。")
        screen.see(POEM[1])
        screen.resize(20, 5)
        screen.see("20×5")
        screen.resize(140, 40)
        screen.see(POEM[1])
        screen.see("decode")


def test_starts_in_a_tiny_terminal(user: dict[str, str]) -> None:
    with terminal("demo", env=user, size=(20, 5)) as screen:
        screen.see("20×5")
        screen.resize(80, 24)
        screen.see("^O")


def test_two_programs_share_one_data_folder(greedy_user: dict[str, str]) -> None:
    with terminal("demo", env=greedy_user) as first, terminal("demo", env=greedy_user) as second:
        first.see("^O")
        second.see("^O")
        first.ask("What is llmtui?")
        second.ask("谁写了《静夜思》？")
        first.wait_for(lambda: len(records(greedy_user, "turn")) == 2, 60, "both turns")
        assert len(records(greedy_user, "chat")) == 2
        second.press("ctrl+g")
        second.see("What is llmtui?")


def test_a_megabyte_of_paste_is_folded_and_refused_with_both_numbers(greedy_user: dict[str, str]) -> None:
    with terminal("demo", env=greedy_user) as screen:
        screen.see("^O")
        screen.paste("月光 moonlight\n" * 60_000)
        screen.see("pasted")
        screen.press("enter")
        screen.see("4,096")
        screen.ask("What is llmtui?")
        screen.wait_for(lambda: bool(records(greedy_user, "turn")), 60, "a turn")
