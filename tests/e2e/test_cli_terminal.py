"""The command line in a real pseudo-terminal."""

import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest
from e2e.command import ANSWER_S, POEM, RECITE, workers_of
from make_gguf import make
from pty_program import PtyProgram

COMMAND = [sys.executable, "-m", "llmtui"]


def ended(program: PtyProgram) -> int:
    """Read until the command ends; its exit code."""
    while program.pump(ANSWER_S):
        pass
    _, status = os.waitpid(program.pid, 0)
    os.close(program.fd)
    return os.waitstatus_to_exitcode(status)


def start(user: dict[str, str], *args: str, **environ: str) -> PtyProgram:
    return PtyProgram([*COMMAND, *args], env={"LANG": "C.UTF-8", **user, **environ}, size=(80, 24))


def test_progress_is_wiped_before_the_answer(user: dict[str, str]) -> None:
    program = start(user, "ask", "--temperature", "0", RECITE)
    assert ended(program) == 0
    text = program.output.decode()
    assert "loading demo" in text
    shown = re.sub(r"(?:\r\x1b\[K[^\r\x1b]*)*\r\x1b\[K", "", text)
    assert shown == POEM.replace("\n", "\r\n") + "\r\n"


def test_hostile_output_is_shown_not_obeyed(user: dict[str, str], tmp_path: Path) -> None:
    model = make("llama-tiny", "f16", tmp_path / "model.gguf")
    options = ["--temperature", "2", "--seed", "3", "--max-tokens", "300"]
    program = start(user, "ask", "-m", str(model), *options, "x")
    assert ended(program) == 0
    answer = program.output.rpartition(b"\r\x1b[K")[2]
    assert len(answer) > 100
    assert b"\x1b" not in answer
    assert not any(byte < 0x20 and byte not in b"\r\n\t" for byte in answer)


def test_ctrl_c_in_the_terminal_keeps_the_partial_answer(talker: dict[str, str], babbler: Path) -> None:
    program = start(talker, "ask", "-m", str(babbler), "--temperature", "1.5", "go on and on")
    program.wait_for(lambda: len(program.output.rpartition(b"\r\x1b[K")[2]) > 40, ANSWER_S, "an answer")
    workers = workers_of(program.pid)
    assert workers
    program.send(b"\x03")
    assert ended(program) == 130
    assert program.output.endswith(b"\r\ninterrupted\r\n")
    _, alive = psutil.wait_procs(workers, timeout=ANSWER_S)
    assert alive == []


def test_ctrl_c_at_the_prompt_of_standard_input(user: dict[str, str]) -> None:
    program = start(user, "ask", "-")
    program.wait_for(lambda: b"reading the prompt" in program.output, ANSWER_S, "the notice")
    os.kill(program.pid, signal.SIGINT)
    assert ended(program) == 130


@pytest.mark.parametrize("args", [[], ["demo"]])
def test_a_dumb_terminal_is_refused(user: dict[str, str], args: list[str]) -> None:
    program = start(user, *args, TERM="dumb")
    assert ended(program) == 2
    text = program.output.decode()
    assert "TERM is `dumb`" in text
    assert "llmtui ask" in text
    assert "\x1b" not in text


def test_a_bad_model_is_refused_before_the_screen_changes(user: dict[str, str], tmp_path: Path) -> None:
    program = start(user, str(tmp_path / "none.gguf"))
    assert ended(program) == 3
    assert program.output.startswith(b"error: ")
    assert b"\x1b" not in program.output


def test_the_program_opens_on_a_model_and_closes(user: dict[str, str]) -> None:
    program = start(user, "--context", "512", "demo")
    program.wait_for(lambda: b"512" in program.output, ANSWER_S, "the model's context")
    program.send(b"\x11")
    assert ended(program) == 0
    assert b"\x1b[?1049h" in program.output
    assert b"\x1b[?1049l" in program.output
