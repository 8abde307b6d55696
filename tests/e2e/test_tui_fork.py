"""A person has another model answer, too, and lays runs side by side, in a real terminal with real workers."""

import os
import signal
from pathlib import Path

import psutil
from e2e.command import llmtui
from e2e.terminal import Terminal, records, terminal

from llmtui.store.transcripts import read_transcript

OTHER = "demo-Q4_0"


def fork_to(screen: Terminal, model: str) -> None:
    """Choose a model and the chat's own profile."""
    screen.send(b"\x1bo")
    screen.see("Fork: who answers, too")
    screen.see("Enter loads")
    screen.send(model.encode())
    screen.see(model[-20:])
    screen.press("enter")
    screen.see("Fork: with which profile")
    screen.see("the chat keeps its own")
    screen.press("enter")


def chat_file(env: dict[str, str]) -> Path:
    (path,) = Path(env["LLMTUI_DATA_DIR"]).glob("chats/*.jsonl")
    return path


def test_a_quantised_model_answers_too_and_the_chat_goes_on_with_either(user: dict[str, str]) -> None:
    llmtui(user, "models", "quantize", "demo", "Q4_0")
    with terminal("demo", env=user, size=(100, 30)) as screen:
        screen.see("^O")
        screen.ask("背诵李白的《静夜思》。")
        screen.see("低头思故乡")
        screen.wait_for(lambda: len(records(user, "turn")) == 1, 30, "the first turn")
        fork_to(screen, OTHER)
        screen.see("Kept as another version")
        assert len(screen.workers()) == 2
        screen.press("escape")
        screen.see("Ask something")
        screen.see("demo · 1/2")
        kept = read_transcript(chat_file(user))
        assert [message.model for message in kept.conversation] == [None, "demo"]
        manifests = [turn.manifest for turn in kept.turns.values()]
        assert [(one.model, one.quantisation) for one in manifests] == [("demo", "Q8_0"), (OTHER, "Q4_0")]
        screen.send(b"\x1bOS")
        screen.see("2 answers to the same question")
        screen.send(b"lm")
        screen.wait_for(lambda: screen.text.lstrip().startswith(OTHER), 30, f"the other model\n{screen.text}")
        assert len(screen.workers()) == 2
        screen.see(f"{OTHER} · 2/2")
        screen.press("ctrl+q")
        screen.wait_for(lambda: not screen.is_running(), 30, "the end of the program")
    assert [message.model for message in read_transcript(chat_file(user)).conversation] == [None, OTHER]


def test_a_kill_in_the_middle_of_a_fork_keeps_what_came_and_the_chat_as_it_was(
    talker: dict[str, str], babbler: Path
) -> None:
    with terminal("demo", env=talker, size=(100, 30)) as screen:
        screen.see("^O")
        screen.ask("hello")
        screen.wait_for(lambda: bool(records(talker, "partial")), 30, "something of the first answer")
        screen.press("escape")
        screen.wait_for(lambda: len(records(talker, "turn")) == 1, 30, "the first turn")
        fork_to(screen, str(babbler))
        forked = [record for record in records(talker, "partial") if record["model"] == "babbler"]
        screen.wait_for(
            lambda: any(record["model"] == "babbler" for record in records(talker, "partial")), 60, f"{forked}"
        )
        workers = screen.workers()
        assert len(workers) == 2
        os.kill(screen.pid, signal.SIGKILL)
        assert not psutil.wait_procs(workers, timeout=10)[1]
    kept = read_transcript(chat_file(talker))
    assert [message.model for message in kept.conversation] == [None, "demo"]
    beside = [message for message in kept.messages if message.model == "babbler"]
    assert len(beside) == 1
    assert beside[0].content
    assert beside[0].parent_id == kept.conversation[0].id


def test_runs_are_found_in_the_history_and_laid_side_by_side(user: dict[str, str]) -> None:
    llmtui(user, "run", "li-bai", "-m", "demo", "--limit", "3")
    llmtui(user, "run", "li-bai", "-m", "demo", "--limit", "4", "-p", "precise")
    with terminal("demo", env=user, size=(100, 30)) as screen:
        screen.see("^O")
        screen.press("ctrl+g")
        screen.see("2 runs · Enter opens one")
        screen.press("down", "f2", "up", "f2")
        screen.see("2 runs are marked")
        screen.send(b"\x1bOS")
        screen.see("2 runs side by side · 4 samples")
        screen.see("baseline: run")
        screen.send(b"\r")
        screen.see("answers")
        screen.see("decode")
        screen.press("escape")
        screen.see("next flip")
        screen.send(b"x")
        screen.see("written: ")
        screen.press("ctrl+q")
        screen.wait_for(lambda: not screen.is_running(), 30, "the end of the program")
    (file,) = Path(user["LLMTUI_DATA_DIR"]).glob("comparisons/*.md")
    assert file.read_text(encoding="utf-8").count("| li-bai/") == 4
