"""Why a process ended, in words."""

import signal
from collections.abc import Sequence
from pathlib import Path

_TELLING = ("GGML_ASSERT", "ggml_abort", "terminate called", "what():", "Error:", "error:", "failed to", "MemoryError")
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS}
_REMOTE = ("RPC server version mismatch", "RPC handshake failed", "Remote RPC server crashed", "Failed to connect to")
"""What llama.cpp says when it ends over a worker on another machine."""
_FAR = "See that the workers run and are of the same llama.cpp version; then load the model again."
_RELOAD = "Reload the model; everything received so far is kept."


def kernel_oom_kills() -> int | None:
    """How many processes this system has killed for want of memory; None where it does not tell."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return None


def describe_death(code: int | None, log: Sequence[str], *, out_of_memory: bool) -> tuple[str, str, str]:
    """Title, cause and remedy for a model process that ended by itself.

    Args:
        code: as `subprocess` gives it: negative for a signal; None when it is not known.
        log: its last lines.
        out_of_memory: the system has killed processes for want of memory meanwhile.
    """
    remote = next((line for line in log if any(words in line for words in _REMOTE)), None)
    if remote is not None and code == -signal.SIGABRT:
        return (
            "An RPC worker has failed, and the model process with it",
            remote,
            _FAR,
        )
    cause = telling_line(log)
    if code is not None and code < 0:
        if -code == signal.SIGKILL and out_of_memory:
            return (
                "The system killed the model process for want of memory",
                cause,
                "Reload the model with a smaller context, or choose a smaller quantisation.",
            )
        if -code in {signal.SIGKILL, signal.SIGTERM}:
            cause = ""  # somebody else ended it: its last words say nothing about that
        return f"The model process was killed (signal {-code}, {_signal_name(-code)})", cause, _RELOAD
    ended = "ended unexpectedly" if code is None else f"ended unexpectedly (exit code {code})"
    return f"The model process {ended}", cause, _RELOAD


def load_remedy(code: int | None, remedy: str) -> str:
    """What to do about a process that ended while it opened a model.

    Args:
        code: as for `describe_death`; None also when the process was given up by us.
        remedy: what `describe_death` says.
    """
    if code is not None and -code in _CRASHES and remedy != _FAR:
        return "The file is probably damaged, or this llama.cpp cannot run it: download it again or choose another."
    if code == -signal.SIGKILL and remedy == _RELOAD:
        return "Load the model again; if it is killed again, free some memory or choose a smaller context."
    return remedy


def telling_line(log: Sequence[str]) -> str:
    """The log line that most likely says why: the last one with a word of failure, else the last one."""
    for line in reversed(log):
        if any(word in line for word in _TELLING):
            return line
    return log[-1] if log else "it left no last words"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
