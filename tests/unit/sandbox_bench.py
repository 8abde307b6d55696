"""Answers scored in the real sandbox."""

import time

import psutil

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import Case, Limits, Program, UnitTests
from llmtui.services.sandbox.process import Jail
from llmtui.services.scoring.result import Score
from llmtui.services.scoring.unit_tests import unit_tests

LIMITS = Limits(wall_s=20, memory_mb=128, processes=6, output_kb=64)
SHORT = Limits(wall_s=0.4, memory_mb=128, processes=6, output_kb=64)
SAMPLE = Sample(id="a")


def scored(
    sandbox: Jail, code: str, *, expect: object = 1, limits: Limits = LIMITS, program: str | None = None
) -> Score:
    tests = (Case(args=(0,), expect=expect),) if program is None else Program(program=program, call="check")
    scorer = UnitTests(entry_point="f", tests=tests, limits=limits)
    begun = time.monotonic()
    found = unit_tests(scorer, code, SAMPLE, sandbox)
    assert time.monotonic() - begun < 60, "it hangs"
    return found


def alive(marker: str) -> list[int]:
    """Processes that have a marker among their words, or in the file that they run."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(marker in word for word in process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
