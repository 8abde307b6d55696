"""What is left when the program that started the sandbox is gone, and what holds where there is no sandbox."""

import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from unit.sandbox_bench import LIMITS, SHORT, alive, scored

from llmtui.domain.scorers import Limits
from llmtui.services.sandbox.bubblewrap import Bubblewrap, find_bwrap, interpreters
from llmtui.services.sandbox.unsafe import Unsafe
from llmtui.services.scoring.running import CodeRunner

DRIVER = """
import sys
from llmtui.services.sandbox.access import find_sandbox
from llmtui.services.sandbox.process import run
from llmtui.services.sandbox.protocol import CodeTest
from llmtui.domain.scorers import Limits
code, limits = sys.stdin.read(), Limits(wall_s=99)
run(CodeTest(candidates=(code,), entry_point="f", calls=(((0,), {}),), limits=limits), find_sandbox())
"""
SLEEPER = """
import os, sys
def f(x):
    if not os.fork():
        os.setsid()
        if os.fork():
            os._exit(0)
    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(99)  # {marker}"])
"""
WAIT_S = 60.0


def wait_for(marker: str, count: int) -> None:
    ends = time.monotonic() + WAIT_S
    while len(alive(marker)) != count:
        assert time.monotonic() < ends, f"{alive(marker)}, not {count}"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_what_runs_dies_with_the_program_that_started_it(sandbox: Bubblewrap, sent: signal.Signals) -> None:
    marker = f"marker-{uuid.uuid4().hex}"
    with subprocess.Popen([sys.executable, "-c", DRIVER], stdin=subprocess.PIPE) as driver:
        assert driver.stdin is not None
        driver.stdin.write(SLEEPER.format(marker=marker).encode())
        driver.stdin.close()
        wait_for(marker, 2)
        driver.send_signal(sent)
    wait_for(marker, 0)


@pytest.mark.parametrize("place", [0, 1])
def test_an_interpreter_that_only_root_can_read_does_as_well(sandbox: Bubblewrap, place: int) -> None:
    found = interpreters()
    if place >= len(found):
        pytest.skip("there is one interpreter only")
    as_is = Bubblewrap(find_bwrap() or "", found[place], user=None, disable_userns=True)
    code = "import ssl, sqlite3, ctypes, decimal, os\ndef f(x): return os.path.exists('/etc/passwd')"
    assert scored(as_is, code, expect=False).passed
    forks = "import os, time\ndef f(x):\n    for _ in range(30):\n        if not os.fork(): break\n    time.sleep(99)"
    told = scored(as_is, forks, limits=LIMITS).explanation
    assert "started more than 6 processes" in told or "Resource temporarily unavailable" in told


@pytest.mark.parametrize(
    ("code", "limits", "told"),
    [
        ("def f(x): return 1", LIMITS, ""),
        ("def f(x):\n    while True: pass", SHORT, "did not end within 0.4 s"),
        ("def f(x):\n    while True: print('x' * 9999)", LIMITS, "printed more than 64 KiB"),
        ("def f(x):\n    return bytearray(999 << 20)", LIMITS, "raised MemoryError"),
        ("import os\ndef f(x): return len(os.environ) + os.listdir('.').count('x')", LIMITS, "; 1 was wanted"),
        ("import os\ndef f(x): os._exit(3)", LIMITS, "ended the program with status 3"),
    ],
)
def test_without_a_sandbox_the_limits_hold(code: str, limits: Limits, told: str) -> None:
    if "bytearray" in code and sys.platform != "linux":
        pytest.skip("only Linux limits the address space")
    found = scored(Unsafe(), code, limits=limits)
    assert found.passed is (told == "")
    assert told in found.explanation


def test_without_a_sandbox_what_it_starts_is_ended_and_its_folder_removed() -> None:
    marker = f"marker-{uuid.uuid4().hex}"
    code = f"""
import os, sys
def f(x):
    open("file", "w").write("x")
    if not os.fork():
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(99)  # {marker}"])
    return os.getcwd()
"""
    found = scored(Unsafe(), code)
    folder = found.explanation.split('gave "')[1].split('"')[0]
    assert not Path(folder).exists()
    wait_for(marker, 0)
    assert not CodeRunner(Unsafe()).contained
