"""Pulling and removing at a terminal: the question, the bar, the interrupt, the confirmation."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.command import DEMO
from e2e.terminal import Terminal, terminal
from servers.hub_server import HubServer, hub_server

REPOSITORY = "poets/demo-GGUF"
SIZE = DEMO.stat().st_size


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with hub_server() as hub:
        hub.put(REPOSITORY, "demo-Q2_K.gguf", b"x" * 1000)
        hub.put(REPOSITORY, "demo-Q8_0.gguf", DEMO)
        yield hub


def pulled(user: dict[str, str]) -> Path:
    return Path(user["LLMTUI_DATA_DIR"], "models", REPOSITORY, "demo-Q8_0.gguf")


def over(program: Terminal) -> None:
    program.wait_for(lambda: not program.is_running(), 30, f"the end\n{program.text}")


@pytest.mark.parametrize("size", [(60, 20), (80, 24)])
def test_the_choice_is_asked_and_a_bar_is_drawn(user: dict[str, str], hub: HubServer, size: tuple[int, int]) -> None:
    with terminal("models", "pull", REPOSITORY, env={**user, "HF_ENDPOINT": hub.url}, size=size) as program:
        program.see("Which one [2]:")
        assert "recommended" in program.text
        assert "worse answers" in program.text
        program.press("enter")
        program.see("100 %")
        over(program)
        bars = [line for line in program.text.splitlines() if "100 %" in line]
        assert len(bars) == 1
        assert "━" in bars[0]
    assert pulled(user).read_bytes() == DEMO.read_bytes()


def test_an_interrupt_at_the_question_ends_it_at_once(user: dict[str, str], hub: HubServer) -> None:
    with terminal("models", "pull", REPOSITORY, env={**user, "HF_ENDPOINT": hub.url}) as program:
        program.see("Which one [2]:")
        program.press("ctrl+c")
        program.see("interrupted")
        over(program)
    assert hub.downloads() == []


def test_an_interrupt_at_the_terminal_says_that_what_came_is_kept(user: dict[str, str], hub: HubServer) -> None:
    hub.gate = (SIZE // 2, threading.Event())
    with terminal("models", "pull", f"{REPOSITORY}:q8_0", env={**user, "HF_ENDPOINT": hub.url}) as program:
        program.see("49 %")
        program.press("ctrl+c")
        program.see("what has come is kept")
        over(program)
    (partial,) = pulled(user).parent.iterdir()
    assert 0 < partial.stat().st_size < SIZE


def test_a_removal_is_confirmed(user: dict[str, str]) -> None:
    pulled(user).parent.mkdir(parents=True)
    pulled(user).write_bytes(DEMO.read_bytes())
    for key, gone in (("n", False), ("y", True)):
        with terminal("models", "rm", "demo-Q8_0", env=user, size=(200, 24)) as program:
            program.see("Remove [y/N]:")
            assert str(pulled(user)) in program.text
            program.send(f"{key}\r".encode())
            over(program)
        assert pulled(user).exists() is not gone
