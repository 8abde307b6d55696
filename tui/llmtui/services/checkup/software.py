"""Versions, the build of llama.cpp, and the terminal."""

import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version

import llmtui
from llmtui.engines.llama.features import Features, read_features
from llmtui.errors import EngineError
from llmtui.probes.terminal import TerminalReading, read_terminal
from llmtui.services.checkup.report import Check, Status

_SMALLEST = (40, 10)
"""Columns and rows below which the chat screen says that it needs more room."""


def versions() -> tuple[Check, ...]:
    """Python, llmtui, and every package that it needs."""
    python = f"{platform.python_version()} ({platform.python_implementation()}, {sys.platform})"
    checks = [
        Check(key="versions.llmtui", label="llmtui", status="info", value=llmtui.__version__),
        Check(key="versions.python", label="python", status="info", value=python),
    ]
    try:
        needed = requires("llmtui") or []
    except PackageNotFoundError:
        needed = []
    names = [re.split(r"[^A-Za-z0-9._-]", need, maxsplit=1)[0] for need in needed if "extra ==" not in need]
    return (*checks, *(_package(name) for name in sorted(names)))


def _package(name: str) -> Check:
    key = f"versions.{name}"
    try:
        return Check(key=key, label=name, status="info", value=version(name))
    except PackageNotFoundError:
        hint = "Reinstall llmtui, or run it through scripts/llmtui"
        return Check(key=key, label=name, status="fail", value="not installed", hint=hint)


def ask_build() -> Features | EngineError:
    """What the installed build of llama.cpp says of itself, or why it says nothing."""
    try:
        return read_features()
    except EngineError as error:
        return error


def llama_build(features: Features | EngineError) -> tuple[Check, ...]:
    """What the installed build of llama.cpp can do."""
    if isinstance(features, EngineError):
        value = ": ".join(filter(None, (features.title, features.cause)))
        return (Check(key="llama.build", label="build", status="fail", value=value, hint=features.remedy),)
    devices = "; ".join(f"{device.name}: {device.description}" for device in features.devices)
    offload = "yes" if features.gpu_offload else "no, this build computes on the processor only"
    rpc = "yes, --rpc spreads a model over other machines" if features.rpc else "no; it is built in with -DGGML_RPC=on"
    return (
        Check(key="llama.build", label="build", status="ok", value=f"llama-cpp-python {features.version}, loads"),
        Check(key="llama.features", label="features", status="info", value=" ".join(features.enabled) or "none"),
        Check(key="llama.devices", label="devices", status="info", value=devices or "not told by this build"),
        Check(key="llama.gpu_offload", label="gpu offload", status="info", value=offload),
        Check(key="llama.rpc", label="rpc", status="info", value=rpc),
    )


def terminal() -> tuple[Check, ...]:
    """What the terminal can show, and what stands between it and the screen."""
    reading = read_terminal()
    checks = [_size(reading), _colours(reading), _encoding(reading), _clipboard(reading)]
    if reading.program:
        checks.insert(1, Check(key="terminal.program", label="program", status="info", value=reading.program))
    return tuple(checks)


def _size(reading: TerminalReading) -> Check:
    if not reading.interactive:
        value = "standard input or output is not a terminal now"
        return Check(key="terminal.size", label="size", status="info", value=value)
    if reading.columns is None or reading.rows is None:
        return Check(key="terminal.size", label="size", status="warn", value="not told", hint="Check `stty size`")
    small = reading.columns < _SMALLEST[0] or reading.rows < _SMALLEST[1]
    return Check(
        key="terminal.size",
        label="size",
        status="warn" if small else "ok",
        value=f"{reading.columns} columns × {reading.rows} rows",
        hint=f"Enlarge the window to {_SMALLEST[0]} × {_SMALLEST[1]} or more" if small else "",
    )


def _colours(reading: TerminalReading) -> Check:
    if reading.term in {None, "dumb"}:
        hint = "Set TERM to what your terminal is, e.g. `xterm-256color`"
        value = f"TERM is {reading.term or 'not set'}"
        return Check(key="terminal.colours", label="colours", status="warn", value=value, hint=hint)
    return Check(key="terminal.colours", label="colours", status="ok", value=f"{reading.colours} (TERM {reading.term})")


def _encoding(reading: TerminalReading) -> Check:
    utf8 = reading.encoding.replace("-", "").replace("_", "") == "utf8"
    return Check(
        key="terminal.encoding",
        label="encoding",
        status="ok" if utf8 else "warn",
        value=reading.encoding,
        hint="" if utf8 else "Chinese text needs UTF-8: set LANG to a UTF-8 locale, e.g. C.UTF-8",
    )


def _clipboard(reading: TerminalReading) -> Check:
    """Copying uses the OSC 52 sequence, which the terminal must allow and a multiplexer must pass on."""
    inside = f", inside {reading.multiplexer}" if reading.multiplexer else ""
    way = f"OSC 52{', over SSH' if reading.remote else ''}{inside}"
    hint = {
        "tmux": "tmux passes copies on with `set -s set-clipboard on`",
        "screen": "screen does not pass copies on; tmux does",
    }.get(reading.multiplexer or "", "")
    status: Status = "warn" if reading.multiplexer == "screen" else "info"
    return Check(key="terminal.clipboard", label="copying", status=status, value=way, hint=hint)
