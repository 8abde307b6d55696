"""The sandbox proper: bubblewrap, with every namespace of its own and next to nothing of the system in it."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from llmtui.domain.scorers import Limits
from llmtui.services.sandbox.process import HARNESS
from llmtui.services.sandbox.seccomp import filter_program

NOBODY = 65534
_GONE_S = 10.0
_MOST_FILES_MB = 64
_LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")
_EXTRAS = ("/etc/ld.so.cache", "/usr/share/zoneinfo", "/nix/store")
"""Where libraries are, for the loader; time zones; and all there is on NixOS."""
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_ENVIRONMENT = {"HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PATH": "/usr/bin", "MALLOC_ARENA_MAX": "1"}  # noqa: S108 - a tmpfs in a namespace of its own


class Interpreter(NamedTuple):
    """A Python, and what it needs to start.

    Attributes:
        program: without links.
        libraries: folders with its standard library.
    """

    program: Path
    libraries: tuple[Path, ...]


class Bubblewrapped:
    """A harness inside bubblewrap. See `Child`."""

    around = 1

    def __init__(self, process: subprocess.Popen[bytes], reports: int, info: int) -> None:
        self.process = process
        self.reports = reports
        self._info = info

    def kill(self) -> None:
        """Kill the first process of the namespace, whereupon the kernel kills all others before that one is gone."""
        first = _first_process(self._info)
        os.close(self._info)
        if first is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                handle = os.pidfd_open(first)
                try:
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    select.select([handle], [], [], _GONE_S)
                finally:
                    os.close(handle)
        self.process.kill()
        self.process.wait()


class Bubblewrap:
    """Starts harnesses in bubblewrap. See `Jail`.

    Args:
        bwrap: the program.
        interpreter: runs the harness.
        user: whom to become first, which needs root: root is not bound by a limit of processes. None stays who it is.
        disable_userns: whether this bubblewrap can forbid further user namespaces.
    """

    contained = True

    def __init__(self, bwrap: str, interpreter: Interpreter, *, user: int | None, disable_userns: bool) -> None:
        self.interpreter = interpreter
        self.user = user
        self._bwrap = bwrap
        self._disable_userns = disable_userns
        self.filter = filter_program()

    @property
    def is_held(self) -> bool:
        """Whether the system itself limits the number of processes, which it does not for root."""
        return self.user is not None or os.geteuid() != 0

    def most_processes(self, limits: Limits) -> int:
        """Those of the code, and the first process of the namespace."""
        return limits.processes + 1

    def start(self, limits: Limits) -> Bubblewrapped:
        """A harness that waits for code."""
        reports, told = os.pipe()
        info, written = os.pipe()
        inherited = [told, written]
        words = [self._bwrap, *self._words(limits), "--info-fd", str(written)]
        if self.filter is not None:
            inherited.append(_readable(self.filter))
            words += ["--seccomp", str(inherited[-1])]
        words += ["--", str(self.interpreter.program), "-I", "-S", "-B", "-X", "utf8", "-c", HARNESS, str(told)]
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={},
                cwd="/",
                pass_fds=inherited,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=None if self.user is None else [],
                bufsize=0,
            )
        except OSError:
            os.close(reports)
            os.close(info)
            raise
        finally:
            for descriptor in inherited:
                os.close(descriptor)
        os.set_blocking(info, False)
        return Bubblewrapped(process, reports, info)

    def _words(self, limits: Limits) -> list[str]:
        """Bubblewrap's arguments: the namespaces, what is seen, and the only folder that can be written."""
        words = ["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        words += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox", "--clearenv"]
        words += ["--disable-userns"] if self._disable_userns else []
        for folder in map(Path, _LIBRARIES):
            if folder.is_symlink():
                words += ["--symlink", str(folder.readlink()), str(folder)]
            elif folder.is_dir():
                words += ["--ro-bind", str(folder), str(folder)]
        for path in self.interpreter.libraries:
            words += [] if _is_below(path, _LIBRARIES) else ["--ro-bind", str(path), str(path)]
        for place in _EXTRAS:
            words += ["--ro-bind-try", place, place]
        for device in _DEVICES:
            words += ["--dev-bind-try", device, device]
        program = str(self.interpreter.program)
        words += ["--ro-bind", program, program]
        size = min(limits.memory_mb, _MOST_FILES_MB) << 20
        words += ["--perms", "0700", "--size", str(size), "--tmpfs", "/tmp", "--chdir", "/tmp"]  # noqa: S108 - see above
        for name, value in _ENVIRONMENT.items():
            words += ["--setenv", name, value]
        return [*words, "--remount-ro", "/"]


def find_bwrap() -> str | None:
    """The program, if it is installed."""
    return shutil.which("bwrap")


def can_disable_userns(bwrap: str) -> bool:
    """Whether it has that option, which came with 0.8.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be run.
    """
    told = subprocess.run([bwrap, "--version"], capture_output=True, text=True, timeout=30, check=True, env={}).stdout
    numbers = [int(number) for number in re.findall(r"\d+", told)]
    return numbers[:2] >= [0, 8]


def interpreters() -> list[Interpreter]:
    """Pythons to try: the one that runs this program, then the system's."""
    base = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    found = [Interpreter(base, _folders(Path(sys.base_prefix).resolve(), base))]
    system = Path("/usr/bin/python3").resolve()
    if system.is_file() and system != base:
        found.append(Interpreter(system, ()))
    return found


def _folders(prefix: Path, program: Path) -> tuple[Path, ...]:
    """Where an interpreter's own libraries are: below its prefix, or beside the standard library."""
    places = [prefix / "lib", prefix / "lib64", program.parent.parent / "lib", Path(os.__file__).resolve().parent]
    kept: list[Path] = []
    for place in places:
        if place.is_dir() and not place.is_symlink() and not _is_below(place, kept):
            kept.append(place)
    return tuple(kept)


def _is_below(path: Path, folders: Sequence[str | Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _first_process(info: int) -> int | None:
    """The number of the namespace's first process, which bubblewrap tells as soon as there is one."""
    try:
        found = json.loads(os.read(info, 1 << 16))["child-pid"]
    except (BlockingIOError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None


def _readable(data: bytes) -> int:
    """A descriptor from which these few bytes are read."""
    source, target = os.pipe()
    os.write(target, data)
    os.close(target)
    return source
