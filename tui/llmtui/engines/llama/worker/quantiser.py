"""`python -m llmtui.engines.llama.worker.quantiser`: llama.cpp's quantiser in a process of its own.

One job as a line of JSON comes on standard input; the process ends when that closes. Reports go to the real standard
output, a line of JSON each; what native code prints goes to standard error.
"""

import ctypes
import os
import re
import sys
import threading
from collections.abc import Callable

import msgspec

from llmtui.engines.lifeline import die_with_parent
from llmtui.engines.llama.quantising import Conversion, Converted, Fallback, Job, Report, TensorBegun, Trial, TypeTried
from llmtui.engines.llama.worker import machine
from llmtui.engines.llama.worker.bindings import llama

_LEVEL_ERROR = 4
_LEVEL_CONTINUED = 5
_FAILED = re.compile(r"failed to quantize: (.*)")
_TENSOR = re.compile(r"\[\s*(\d+)/\s*(\d+)\]\s+(\S+)\s+- \[")
_TARGET = re.compile(r"-> .* MiB \((\w+)\)")
_FALLBACK = re.compile(
    r"warning: (\S+)\s+- ncols\s+(\d+) not divisible by \d+ \(required for type\s+(\w+)\)\s+-> falling back to\s+(\w+)"
)
_MATRIX = "will require an imatrix"


class Listener:
    """llama.cpp's log as whole lines.

    Its quantiser logs a tensor's line in two pieces, the second of which comes once the tensor is done: a piece that
    announces a tensor is passed on at once.

    Args:
        line: takes every whole line.
        begun: takes what has come of a line after every piece.
    """

    def __init__(self, line: Callable[[str], None], begun: Callable[[str], None] | None = None) -> None:
        self.problem: str | None = None
        self._take_line = line
        self._begun = begun
        self._part = ""
        self._callback = llama.llama_log_callback(self._take)
        llama.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _take(self, level: int, text: bytes, _user_data: object) -> None:
        self._part += text.decode("utf-8", "replace")
        if self._begun is not None:
            self._begun(self._part)
        while "\n" in self._part:
            line, _, self._part = self._part.partition("\n")
            if match := _FAILED.search(line):
                self.problem = match[1].strip()
            if level >= _LEVEL_ERROR and line.strip():
                os.write(2, line.encode("utf-8", "replace") + b"\n")
            self._take_line(line)


def try_types(job: Trial, report: Callable[[Report], None]) -> None:
    """Dry runs: llama.cpp itself says what becomes of each tensor."""
    for number in job.types:
        tensors: dict[str, str] = {}
        fallbacks: list[Fallback] = []
        needs_matrix = False

        def take(line: str, tensors: dict[str, str] = tensors, fallbacks: list[Fallback] = fallbacks) -> None:
            nonlocal needs_matrix
            needs_matrix = needs_matrix or _MATRIX in line
            if match := _FALLBACK.search(line):
                fallbacks.append(Fallback(match[1], int(match[2]), match[3].upper(), match[4].upper()))
            elif (tensor := _TENSOR.search(line)) and (target := _TARGET.search(line)):
                tensors[tensor[3]] = target[1].upper()

        listener = Listener(take)
        params = _params(number, threads=1)
        params.dry_run = True
        problem = _run(job.source, os.devnull, params, listener)
        report(TypeTried(number, tensors, tuple(fallbacks), needs_matrix, problem))


def convert(job: Conversion, report: Callable[[Report], None]) -> None:
    """Write the file, telling of each tensor as it is begun."""
    last = 0

    def begun(part: str) -> None:
        nonlocal last
        match = _TENSOR.search(part)
        if match and int(match[1]) != last:
            last = int(match[1])
            report(TensorBegun(last, int(match[2]), match[3]))

    listener = Listener(lambda _: None, begun)
    params = _params(job.type, threads=job.threads or machine.usable_cores())
    report(Converted(_run(job.source, job.target, params, listener)))


def _params(number: int, *, threads: int) -> ctypes.Structure:
    params: ctypes.Structure = llama.llama_model_quantize_default_params()
    params.ftype = number
    params.nthread = threads
    # Whether the source may be quantised already is decided, and explained, before this process is started.
    params.allow_requantize = True
    return params


def _run(source: str, target: str, params: ctypes.Structure, listener: Listener) -> str | None:
    code = llama.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(params))
    if code == 0:
        return None
    return listener.problem or f"llama_model_quantize returned {code}"


def main() -> None:
    """Read the job, do it, and end when the program goes away."""
    die_with_parent()
    answers = os.dup(1)
    os.dup2(2, 1)
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    threading.Thread(target=_end_with_program, daemon=True).start()

    def report(what: Report) -> None:
        line = memoryview(msgspec.json.encode(what) + b"\n")
        while line:
            line = line[os.write(answers, line) :]

    match job:
        case Trial():
            try_types(job, report)
        case Conversion():
            convert(job, report)


def _end_with_program() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
