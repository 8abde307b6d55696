"""What the installed build of llama.cpp can do, asked of a short-lived process: only such a one loads llama.cpp."""

import subprocess
import sys

import msgspec

from llmtui.domain.text import visible_line
from llmtui.errors import EngineError

_TIMEOUT_S = 60
# -P: a file in the current folder must not stand in for a module of the same name.
_COMMAND = ("-P", "-m", "llmtui.engines.llama.worker.features")


class Device(msgspec.Struct, frozen=True):
    """A device that the build can compute on."""

    name: str
    description: str


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What the build says of itself.

    Attributes:
        version: of llama-cpp-python.
        system_info: llama.cpp's own line, e.g. `CPU : AVX2 = 1 | OPENMP = 1 |`.
        max_slots: sequences that one context can hold.
    """

    version: str
    system_info: str
    gpu_offload: bool
    mmap: bool
    mlock: bool
    rpc: bool
    max_slots: int
    devices: tuple[Device, ...] = ()

    @property
    def enabled(self) -> tuple[str, ...]:
        """The instruction sets and libraries that the build uses, as llama.cpp names them."""
        items = [item.rpartition(":")[2].partition("=") for item in self.system_info.split("|")]
        return tuple(name.strip() for name, _, value in items if value.strip() not in {"", "0"})


def read_features(python: str = sys.executable) -> Features:
    """Ask the build.

    Args:
        python: the interpreter that has llama-cpp-python.

    Raises:
        EngineError: it cannot be loaded; the cause is its last line.
    """
    remedy = "Reinstall llama-cpp-python, or run `llmtui` through scripts/llmtui, which builds it for this machine"
    try:
        done = subprocess.run([python, *_COMMAND], capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError("llama.cpp could not be asked", cause=str(error), remedy=remedy) from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        cause = visible_line(lines[-1]) if lines else f"the process ended with {done.returncode}"
        raise EngineError("llama.cpp cannot be loaded", cause=cause, remedy=remedy)
    try:
        return msgspec.json.decode(done.stdout, type=Features)
    except msgspec.DecodeError as error:
        raise EngineError("llama.cpp gave an answer that is none", cause=str(error), remedy=remedy) from error
