"""Hostile programs, run for real: each is contained, is scored as failed for the right reason, and harms nobody."""

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.sandbox_bench import LIMITS, SHORT, alive, scored

from llmtui.domain.scorers import Limits
from llmtui.services.sandbox.access import find_sandbox, probe
from llmtui.services.sandbox.bubblewrap import Bubblewrap
from llmtui.services.sandbox.process import SandboxError, run
from llmtui.services.sandbox.protocol import CodeTest

READ = """
def f(*args):
    found = []
    for place in ["/etc/passwd", "/etc/shadow", "/proc/1/environ", "/proc/self/environ", "/root", "/home", "/sys"]:
        try:
            found.append(open(place).read())
        except OSError as error:
            found.append(type(error).__name__)
    import os
    secret = [value for value in os.environ.values() if "SECRET" in value]
    return [sorted(set(found)), secret, sorted(os.listdir("/")), os.listdir("/etc"), os.listdir("/tmp")]
"""


@pytest.mark.parametrize(
    ("code", "limits", "told"),
    [
        ("def f(x):\n    while True: pass", SHORT, "did not end within 0.4 s"),
        ("while True: pass", SHORT, "did not end within 0.4 s"),
        ("import time\ndef f(x):\n    time.sleep(999)", SHORT, "did not end within 0.4 s"),
        ("import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGSTOP)", SHORT, "did not end within 0.4 s"),
        ("import os, signal\ndef f(x):\n    os.kill(0, signal.SIGSTOP)", SHORT, "did not end within 0.4 s"),
        ("def f(x):\n    return len(bytearray(300 << 20))", LIMITS, "raised MemoryError"),
        ("def f(x):\n    held = []\n    while True: held.append(' ' * (1 << 20))", LIMITS, "raised MemoryError"),
        ("def f(x):\n    while True: print('x' * 100_000)", LIMITS, "printed more than 64 KiB"),
        ("import os\ndef f(x):\n    while True: os.write(2, b'x' * 100_000)", LIMITS, "printed more than 64 KiB"),
        ("import os\ndef f(x):\n    os._exit(0)", LIMITS, "ended the program with status 0"),
        ("import os, signal\ndef f(x):\n    os.kill(os.getpid(), 9)", LIMITS, "killed by signal 9"),
        ("import sys\ndef f(x):\n    sys.exit(0)", LIMITS, "raised SystemExit: 0 (line 3)"),
        ("import sys\nsys.exit(0)", LIMITS, "the code does not run: SystemExit: 0 (line 2)"),
        ("import atexit, os\natexit.register(os._exit, 0)\ndef f(x): return 2", LIMITS, "gave 2; 1 was wanted"),
        (
            "def f(x):\n    held = []\n    for _ in range(100_000): held = [held]\n    return held",
            LIMITS,
            "nested more",
        ),
        (
            "def f(x):\n    held = [0]\n    for _ in range(50): held = [held] * 9\n    return held",
            LIMITS,
            "200,000 parts",
        ),
        ("def f(x):\n    held = []\n    held.append(held)\n    return held", LIMITS, "nested more than 60 deep"),
        ("def f(x):\n    return 'x' * 3_000_000", LIMITS, "a value of 3,000,"),
        ("def f(x):\n    return 10 ** 100_000", LIMITS, "an integer of 332,193 bits"),
        ("def f(x):\n    return f(x)", LIMITS, "raised RecursionError"),
        ("def f(x):\n    return float('nan')", LIMITS, "gave NaN; 1 was wanted"),
        ("def f(x):\n    return True", LIMITS, "gave true; 1 was wanted"),
        ("def f(x):\n    return 1.0", LIMITS, "gave 1.0; 1 was wanted"),
        ("def f(x):\n    return '\\x1b[31m\\ud800'", LIMITS, "gave"),
        ("def f(x):\n    raise ValueError('\\x1b[31m' * 999)", LIMITS, "raised ValueError: ␛[31m"),
        ("class E(Exception):\n    def __str__(self): raise self\ndef f(x):\n    raise E", LIMITS, "raised E"),
        ("def f(x):\n    return {1: 2}", LIMITS, "a dict with a key of type int"),
        ("def f(x):\n    return {1, 2}", LIMITS, "a value of type set"),
        ("import os\nos.closerange(0, 999)\ndef f(x): return 1", LIMITS, "ended the program"),
        ("import ctypes\ndef f(x):\n    ctypes.string_at(0)", LIMITS, "killed by signal 11"),
        (
            "import os, signal\ndef f(x):\n    os.kill(os.getppid(), 9)\n    os.kill(1, 9)\n    return 2",
            LIMITS,
            "gave 2",
        ),
        ("import os\ndef f(x):\n    os.kill(-1, 9)\n    return 2", LIMITS, "raised ProcessLookupError"),
        ("g = 1", LIMITS, "the code does not define a function `f`"),
        ("f = 1", LIMITS, "the code does not define a function `f`"),
        ("def f(x: return", LIMITS, "the code does not run: SyntaxError"),
        ("def f(x):\n    return 1\0", LIMITS, "the code does not run"),
        ("f = " + "(" * 5000, LIMITS, "the code does not run"),
        ("import numpy\ndef f(x): return 1", LIMITS, "No module named 'numpy' (line 1)"),
        ("def f(x):\n    return input()", LIMITS, "raised EOFError"),
        ("", LIMITS, "there is no code in the answer"),
    ],
)
def test_what_a_program_does_to_itself_fails_its_test(
    sandbox: Bubblewrap, code: str, limits: Limits, told: str
) -> None:
    found = scored(sandbox, code, limits=limits)
    assert (found.passed, found.value) == (False, 0.0)
    assert told in found.explanation
    assert len(found.explanation) < 1000
    assert "\x1b" not in found.explanation


def test_a_flood_on_every_descriptor_is_stopped(sandbox: Bubblewrap) -> None:
    code = """
import os
def f(x):
    while True:
        for number in range(3, 256):
            try:
                os.write(number, b"x" * 65536)
            except OSError:
                pass
"""
    assert "sent more than a test may return" in scored(sandbox, code).explanation


def test_no_descriptor_of_ours_is_inherited(sandbox: Bubblewrap) -> None:
    code = """
import os
def f(x):
    found = []
    for number in range(256):
        try:
            os.fstat(number)
            found.append(number)
        except OSError:
            pass
    return len(found)
"""
    assert scored(sandbox, code, expect=5).passed  # the three of every program, and the two of the dialogue


def test_forks_without_end_are_stopped(sandbox: Bubblewrap) -> None:
    code = "import os\ndef f(x):\n    while True:\n        try: os.fork()\n        except OSError: pass"
    found = scored(sandbox, code, limits=SHORT)
    assert not found.passed
    assert "did not end within" in found.explanation or "processes" in found.explanation


def test_threads_are_counted_among_the_processes(sandbox: Bubblewrap) -> None:
    start = "threading.Thread(target=time.sleep, args=(99,)).start()"
    code = f"import threading, time\ndef f(x):\n    for _ in range(99): {start}"
    assert "can't start new thread" in scored(sandbox, code).explanation


def test_memory_is_counted_over_all_processes(sandbox: Bubblewrap) -> None:
    code = """
import os, time
def f(x):
    for _ in range(4):
        if not os.fork():
            held = b"x" * (90 << 20)
            time.sleep(99)
    time.sleep(99)
"""
    assert "MiB of memory in all its processes" in scored(sandbox, code).explanation


def test_nothing_of_the_user_is_in_reach(sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "SECRET")
    seen = [["FileNotFoundError"], [], ["dev", "etc", "lib", "lib64", "tmp", "usr"], ["ld.so.cache"], []]
    finding = run(CodeTest(candidates=(READ,), entry_point="f", calls=(((0,), {}),), limits=LIMITS), sandbox)
    found = finding.reports[0].value
    assert set(found[0]) <= {"FileNotFoundError", "PermissionError"}
    assert found[1] == []
    assert set(found[2]) <= {*seen[2], "lib32", "nix", "opt"}
    assert found[3] == seen[3]
    assert found[4] == []


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def test_no_connection_leaves_the_sandbox(sandbox: Bubblewrap, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    code = f"import socket\ndef f(x):\n    socket.create_connection(('127.0.0.1', {port}), 1)\n    return 1"
    assert "raised PermissionError" in scored(sandbox, code).explanation
    without_filter = Bubblewrap(sandbox._bwrap, sandbox.interpreter, user=sandbox.user, disable_userns=True)
    without_filter.filter = None
    assert "raised" in scored(without_filter, code).explanation
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    open('{place}', 'w').write('x')\n    return 1",
        "import os\ndef f(x):\n    os.symlink('{place}', 'link')\n    open('link', 'w').write('x')\n    return 1",
        "def f(x):\n    open('/usr/lib/x', 'w')\n    return 1",
        "def f(x):\n    open('/x', 'w')\n    return 1",
        "def f(x):\n    open('/dev/x', 'w')\n    return 1",
        "import os\ndef f(x):\n    os.mkdir('/tmp/../x')\n    return 1",
        "def f(x):\n    for n in range(99): open(f'/tmp/{{n}}', 'wb').write(b'x' * (4 << 20))\n    return 1",
    ],
)
def test_nothing_is_written_outside(sandbox: Bubblewrap, tmp_path: Path, code: str) -> None:
    tmp_path.chmod(0o777)
    place = tmp_path / "written"
    found = scored(sandbox, code.format(place=place))
    assert "raised" in found.explanation
    assert "Error" in found.explanation
    assert not place.exists()


def test_the_temporary_folder_can_be_used_and_is_new_each_time(sandbox: Bubblewrap) -> None:
    body = "before = os.listdir('.')\n    open('a', 'w').write('x')\n    return [before, open('/tmp/a').read()]"
    code = f"import os\ndef f(x):\n    {body}"
    assert scored(sandbox, code, expect=[[], "x"]).passed
    assert scored(sandbox, code, expect=[[], "x"]).passed


@pytest.mark.parametrize(
    "calls",
    [
        "libc.unshare(0x10000000)",  # a user namespace
        "libc.syscall(56, 0x10000011, 0, 0, 0, 0)",  # clone into one
        "libc.ptrace(16, 1, 0, 0)",
        "libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0)",
        "libc.memfd_create(b'x', 0)",
        "libc.shmget(0, 4096, 0o1600)",
        "libc.syscall(425, 1, 0)",
    ],
)
def test_calls_that_lead_out_are_refused(sandbox: Bubblewrap, calls: str) -> None:
    if sandbox.filter is None or os.uname().machine != "x86_64":
        pytest.skip("the numbers of these calls are those of x86_64")
    body = f"libc = ctypes.CDLL(None, use_errno=True)\n    return [{calls}, ctypes.get_errno()]"
    code = f"import ctypes\ndef f(x):\n    {body}"
    assert scored(sandbox, code, expect=[-1, 1]).passed


@pytest.mark.parametrize("daemon", ["os.setsid()\n            if os.fork(): os._exit(0)", "os.setpgid(0, 0)", "pass"])
def test_what_it_starts_ends_with_it(sandbox: Bubblewrap, daemon: str) -> None:
    marker = f"marker-{uuid.uuid4().hex}"
    code = f"""
import os, time, ctypes, sys
def f(x):
    told, tell = os.pipe()
    for _ in range(2):
        if not os.fork():
            {daemon}
            os.close(told)
            os.write(tell, b"x")
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)  # {marker}"])
    os.read(told, 1), os.read(told, 1)
    return 1
"""
    assert scored(sandbox, code).passed
    assert alive(marker) == []


def test_threads_that_go_on_end_with_it(sandbox: Bubblewrap) -> None:
    code = (
        "import threading, time\ndef f(x):\n    threading.Thread(target=time.sleep, args=(99,)).start()\n    return 1"
    )
    assert scored(sandbox, code).passed


def test_as_root_the_code_is_somebody_else(sandbox: Bubblewrap) -> None:
    assert scored(sandbox, "import os\ndef f(x): return os.getuid()", expect=65534).passed
    if os.geteuid() == 0:
        assert sandbox.user is not None


def test_without_bubblewrap_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    probe.cache_clear()
    monkeypatch.setattr("llmtui.services.sandbox.access.find_bwrap", lambda: None)
    try:
        with pytest.raises(SandboxError, match=r"bubblewrap is not installed.*--unsafe-code") as told:
            find_sandbox()
    finally:
        probe.cache_clear()
    assert told.value.exit_code == 2


@pytest.mark.parametrize("script", ["exit 1", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1"])
def test_a_bubblewrap_that_cannot_work_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "bubblewrap 0.8.0" && exit 0\n{script}\n')
    tmp_path.chmod(0o755)
    fake.chmod(0o755)
    probe.cache_clear()
    monkeypatch.setattr("llmtui.services.sandbox.access.find_bwrap", lambda: str(fake))
    try:
        with pytest.raises(SandboxError, match="does not work") as told:
            find_sandbox()
    finally:
        probe.cache_clear()
    assert ("No permissions" in told.value.cause) is ("No permissions" in script)
