"""llama.cpp's log: its lines for error causes, its memory figures, and a copy on standard error for the client."""

import contextlib
import ctypes
import os
import re
from collections import deque
from collections.abc import Iterator

from llmtui.domain.models import MemoryParts
from llmtui.engines.llama.worker.bindings import llama

ERROR_LINES = 20
_MIB = 1024 * 1024
_BUFFER = re.compile(
    r"\s(?P<device>\S+)\s+(?P<kind>model|KV|RS|compute|output|DSV4 .* state) buffer size =\s*(?P<mib>[0-9.]+) MiB"
)
_OFFLOADED = re.compile(r"offloaded (\d+)/\d+ layers to GPU")
_FIELDS = {"model": "weights_bytes", "KV": "kv_bytes", "RS": "recurrent_bytes", "compute": "compute_bytes"}
_LEVEL_DEBUG = 1
_LEVEL_ERROR = 4
_LEVEL_CONTINUED = 5


class LogCapture:
    """Takes llama.cpp's log from the moment it is made.

    Attributes:
        errors: the last lines at error level.
        gpu_layers: layers that went to a GPU; None while no line has told.
    """

    def __init__(self) -> None:
        self.errors: deque[str] = deque(maxlen=ERROR_LINES)
        self.gpu_layers: int | None = None
        self._sums: dict[str, float] = {}
        self._latest: dict[tuple[str, str], float] = {}
        self._remote: dict[str, float] = {}
        self._part = ""
        self._level = 0
        self._callback = llama.llama_log_callback(self._take)
        llama.llama_log_set(self._callback, ctypes.c_void_p(0))

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Take what is logged inside for itself: for a dry run, which logs the lines of a load and its errors."""
        kept = self._sums, self._latest, self.errors, self.gpu_layers
        self._sums, self._latest, self.errors = {}, {}, deque(maxlen=ERROR_LINES)
        try:
            yield
        finally:
            self._sums, self._latest, self.errors, self.gpu_layers = kept

    def memory(self) -> MemoryParts:
        """Bytes per component, summed over devices, as logged."""
        sums = dict(self._sums)
        for (field, _), mib in self._latest.items():
            sums[field] = sums.get(field, 0.0) + mib
        return MemoryParts(**{field: round(mib * _MIB) for field, mib in sums.items()})

    def remote(self) -> list[tuple[str, int]]:
        """Devices of RPC workers with the bytes of weights that each holds, as logged."""
        return [(name, round(mib * _MIB)) for name, mib in self._remote.items()]

    def _take(self, level: int, text: bytes, _user_data: object) -> None:
        if level != _LEVEL_CONTINUED:
            self._level = level
        self._part += text.decode("utf-8", "replace")
        while "\n" in self._part:
            line, _, self._part = self._part.partition("\n")
            self._line(line.rstrip())

    def _line(self, line: str) -> None:
        if not line.strip(" ."):
            return
        if self._level == _LEVEL_ERROR:
            self.errors.append(line)
        if match := _BUFFER.search(line):
            self._buffer(match["kind"], match["device"], float(match["mib"]))
        elif match := _OFFLOADED.search(line):
            self.gpu_layers = int(match[1])
        if self._level != _LEVEL_DEBUG:
            _to_standard_error(line)

    def _buffer(self, kind: str, device: str, mib: float) -> None:
        if kind in {"compute", "output"}:
            # Logged again whenever the graph is reserved anew: the last one holds.
            self._latest[(_FIELDS.get(kind, "output_bytes"), device)] = mib
        else:
            # One line per part: split files, windowed and full layers.
            field = _FIELDS.get(kind, "recurrent_bytes")
            self._sums[field] = self._sums.get(field, 0.0) + mib
        if kind == "model" and device.startswith("RPC"):
            self._remote[device] = self._remote.get(device, 0.0) + mib


def _to_standard_error(line: str) -> None:
    try:
        os.write(2, line.encode("utf-8", "replace") + b"\n")
    except OSError:
        # The client is gone or does not read; the reader thread notices the former.
        return
