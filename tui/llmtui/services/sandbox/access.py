"""Whether code can be run here, and in what: found out by running some."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from llmtui.domain.scorers import Limits
from llmtui.services.sandbox.bubblewrap import NOBODY, Bubblewrap, can_disable_userns, find_bwrap, interpreters
from llmtui.services.sandbox.process import SandboxError, run
from llmtui.services.sandbox.protocol import CodeTest

_TRIAL = CodeTest(
    candidates=("def f(x):\n    import socket, json, re, math\n    return [x, 1]\n",),
    entry_point="f",
    calls=((("é",), {}),),
    limits=Limits(wall_s=20),
)
_ALLOW = "Code is run without any protection with --unsafe-code, if that is what you want"
_INSTALL = {
    "debian": "apt install bubblewrap",
    "ubuntu": "apt install bubblewrap",
    "fedora": "dnf install bubblewrap",
    "rhel": "dnf install bubblewrap",
    "suse": "zypper install bubblewrap",
    "arch": "pacman -S bubblewrap",
    "alpine": "apk add bubblewrap",
}


class Absence(msgspec.Struct, frozen=True):
    """Why there is no sandbox.

    Attributes:
        cause: in words; not safe to show.
    """

    cause: str
    remedy: str


def find_sandbox() -> Bubblewrap:
    """A sandbox that has run a program already.

    Raises:
        SandboxError: there is none; nothing weaker takes its place.
    """
    found = probe()
    if isinstance(found, Absence):
        remedy = f"{found.remedy}. {_ALLOW}"
        raise SandboxError("Code in answers cannot be run safely here", cause=found.cause, remedy=remedy)
    return found


@functools.cache
def probe() -> Bubblewrap | Absence:
    """Look for a sandbox, once: starts processes, so call it from a thread."""
    if sys.platform != "linux":
        return Absence("the sandbox is bubblewrap, which exists for Linux only", "Run coding sets on Linux")
    bwrap = find_bwrap()
    if bwrap is None:
        return Absence("bubblewrap is not installed", f"Install it: {_install_hint()}")
    told = ""
    try:
        for sandbox in _possible(bwrap):
            try:
                finding = run(_TRIAL, sandbox)
            except SandboxError as error:
                told = error.cause
                continue
            if [report.value for report in finding.reports] == [["é", 1]]:
                return sandbox
            told = f"a trial program did not work: {finding.output or finding.end}"
    except (OSError, subprocess.SubprocessError) as error:
        told = str(error)
    return Absence(f"bubblewrap is installed and does not work: {told.splitlines()[-1] if told else '?'}", _why_not())


def _possible(bwrap: str) -> Iterator[Bubblewrap]:
    """The best one first."""
    can_disable = can_disable_userns(bwrap)
    for user in (NOBODY, None) if os.geteuid() == 0 else (None,):
        for interpreter in interpreters():
            made = Bubblewrap(bwrap, interpreter, user=user, disable_userns=can_disable)
            yield made
            if can_disable and made.filter is not None:  # which refuses further namespaces as well
                yield Bubblewrap(bwrap, interpreter, user=user, disable_userns=False)


def _install_hint() -> str:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    names = " ".join(facts.get(key, "").strip("\"'") for key in ("ID", "ID_LIKE")).split()
    found = next((_INSTALL[name] for name in names if name in _INSTALL), None)
    return found or "its package is called `bubblewrap` (apt, dnf, pacman, zypper, apk)"


def _why_not() -> str:
    """What usually forbids namespaces."""
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        return "Allow bwrap user namespaces: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile for it"
    return "Allow user namespaces; a container must be started with them (docker: --security-opt seccomp=unconfined)"
