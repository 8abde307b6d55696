"""The program is asked to leave, or its terminal goes away: it puts the chat away and takes its worker along."""

import os
import signal

import psutil
import pytest
from e2e.terminal import records, terminal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(user: dict[str, str], number: signal.Signals) -> None:
    with terminal("demo", env=user) as screen:
        screen.see("^O")
        screen.ask("What is llmtui?")
        screen.wait_for(lambda: bool(records(user, "turn")), 60, "the turn")
        workers = screen.workers()
        os.kill(screen.pid, number)
        screen.wait_for(lambda: not screen.is_running(), 10, "the end of the program")
        assert not psutil.wait_procs(workers, timeout=5)[1]
    assert records(user, "end")
