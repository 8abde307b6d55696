"""Leave to run code, as the user gives it for a run: in the sandbox, or without where that is asked for outright."""

import os
import threading

from llmtui.domain.prompt_set import Sample
from llmtui.domain.scorers import UnitTests
from llmtui.services.sandbox.access import Absence, find_sandbox, probe
from llmtui.services.sandbox.process import Jail
from llmtui.services.sandbox.unsafe import Unsafe
from llmtui.services.scoring.result import Score
from llmtui.services.scoring.unit_tests import unit_tests


class CodeRunner:
    """Scores code by running it.

    As many programs run at once as there are processors: more would only take each other's time.

    Args:
        jail: what the code is run in.
    """

    def __init__(self, jail: Jail) -> None:
        self._jail = jail
        self._places = threading.BoundedSemaphore(os.cpu_count() or 1)

    @property
    def contained(self) -> bool:
        """Whether the code is kept from everything of the user's."""
        return self._jail.contained

    def __call__(self, scorer: UnitTests, answer: str, sample: Sample) -> Score:
        """Score an answer. Takes up to the time limit of the tests: call it from a thread.

        Raises:
            SandboxError: the code could not be run.
        """
        with self._places:
            return unit_tests(scorer, answer, sample, self._jail)


def code_runner(*, unsafe: bool = False) -> CodeRunner:
    """Somebody who runs code. Starts processes at the first call: call it from a thread.

    Args:
        unsafe: where there is no sandbox, run it without one.

    Raises:
        SandboxError: there is no sandbox, and `unsafe` is not given.
    """
    if unsafe and isinstance(probe(), Absence):
        return CodeRunner(Unsafe())
    return CodeRunner(find_sandbox())
