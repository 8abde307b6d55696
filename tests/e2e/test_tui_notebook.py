"""The notebook in a real terminal, with the real worker: going on, filling a gap, being killed."""

import os
import signal
from pathlib import Path

import pytest
from e2e.terminal import Terminal, records, terminal

GREEDY = "[sampling]\ntemperature = 0\nmax_tokens = 40\n"


@pytest.fixture
def greedy_user(user: dict[str, str]) -> dict[str, str]:
    (Path(user["LLMTUI_CONFIG_DIR"]) / "config.toml").write_text(GREEDY, encoding="utf-8")
    return user


def open_notebook(screen: Terminal, text: str) -> None:
    screen.see("^O")
    screen.press("f7")
    screen.see("F5 write")
    screen.see("llama.cpp")
    screen.paste(text)
    screen.see("F5 goes on" if "FILL_ME" not in text else "fills the gap")


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
def test_the_demo_model_goes_on_with_a_poem_and_it_is_taken_back(
    greedy_user: dict[str, str], size: tuple[int, int]
) -> None:
    with terminal("demo", env=greedy_user, size=size) as screen:
        open_notebook(screen, "床前明月光，")
        screen.press("f5")
        screen.see("床前明月光，疑是地上霜。")
        screen.see("举头望明月，低头思故乡。")
        screen.wait_for(lambda: bool(records(greedy_user, "turn")), 30, "the turn's record")
        [turn] = records(greedy_user, "turn")
        screen.see(str(turn["summary"]))
        assert turn["manifest"]["mode"] == "text"  # type: ignore[index]
        screen.press("f8")
        screen.wait_for(lambda: "疑是地上霜" not in screen.text, 10, "the text without what was written")
        screen.press("f9")
        screen.see("疑是地上霜")
        screen.press("escape")
        screen.see("Ask something")
        screen.ask("背诵李白的《静夜思》，只写正文。")
        screen.wait_for(lambda: len(records(greedy_user, "turn")) == 2, 60, "the chat's turn")


def test_a_gap_is_filled_with_the_tokens_that_the_model_has_for_it(greedy_user: dict[str, str]) -> None:
    with terminal("demo", env=greedy_user) as screen:
        open_notebook(screen, "床前明月光，\n<FILL_ME>\n举头望明月，\n低头思故乡。")
        screen.press("f5")
        screen.wait_for(lambda: bool(records(greedy_user, "turn")), 60, "the turn")
        [turn] = records(greedy_user, "turn")
        assert turn["manifest"]["mode"] == "infill"  # type: ignore[index]
        screen.wait_for(lambda: "FILL_ME" not in screen.text, 10, "the gap gone")
        screen.see("低头思故乡。")


def test_a_model_without_the_tokens_refuses_and_a_killed_program_loses_less_than_a_second(
    babbler: Path, talker: dict[str, str]
) -> None:
    with terminal(str(babbler), env=talker) as screen:
        open_notebook(screen, "typed <FILL_ME> text")
        screen.press("f5")
        screen.see("This model cannot fill a gap")
        screen.press("ctrl+z")
        screen.wait_for(lambda: "typed" not in screen.text, 10, "an empty text")
        screen.paste("the beginning ")
        screen.see("the beginning")
        screen.press("f5")
        screen.wait_for(lambda: len(records(talker, "partial")) > 1, 60, "a partial record")
        os.kill(screen.pid, signal.SIGKILL)
        screen.wait_for(lambda: not screen.is_running(), 10, "the end of the program")
    came = "".join(str(record["text"]) for record in records(talker, "partial"))
    with terminal(str(babbler), env=talker) as screen:
        screen.see("^O")
        screen.press("ctrl+g")
        screen.see("notebook  the beginning")
        screen.press("enter")
        screen.see("the beginning " + came.split("\n")[0][:20])
        screen.press("f8")
        screen.wait_for(lambda: came[:10] not in screen.text, 10, "the text before it")
        screen.see("the beginning")
