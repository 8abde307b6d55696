"""How far a run is with the model that answers, or grades, and how fast it goes."""

import time
from collections.abc import Callable

from llmtui.services.runs.events import SampleEnded, SampleScored


class Figures:
    """Counts of one model: what is done, what failed, and how fast it goes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.model = ""
        self.number = 0
        self.judges = False
        self.total = 0
        self.done = 0
        self.failed = 0
        self.errors = 0
        self._began_s = clock()

    def begin(self, model: str, total: int, *, judges: bool = False) -> None:
        """Count a model from nothing.

        Args:
            model: its name.
            total: answers to come, or to be graded.
            judges: whether it grades.
        """
        self.model, self.total, self.judges = model, total, judges
        self.done = self.failed = self.errors = 0
        self._began_s = self._clock()

    def count(self, event: SampleEnded | SampleScored) -> None:
        """Count a sample, or a grade."""
        self.done += 1
        if isinstance(event, SampleScored):
            self.errors += any(score.error is not None for score in event.scores)
        else:
            self.failed += event.result.outcome == "failed"
            self.errors += event.result.outcome in {"error", "cancelled"}

    def counts(self, event: SampleEnded | SampleScored) -> bool:
        """Whether an event brings on what is counted now: code that was run late does not."""
        return self.judges or isinstance(event, SampleEnded)

    @property
    def pace(self) -> str:
        """`3.2 samples/s, 1:05 left`; empty before the first sample."""
        elapsed = self._clock() - self._began_s
        if not self.done or elapsed <= 0:
            return ""
        rate = self.done / elapsed
        told = f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
        return f"{told}, {_clock_text(max(0, self.total - self.done) / rate)} left"

    @property
    def told(self) -> str:
        """Failures and pace, separated by dots."""
        failed = f"{self.failed:,} failed" if self.failed else ""
        what = "a grade" if self.judges else "an answer"
        errors = f"{self.errors:,} without {what}" if self.errors else ""
        return " · ".join(part for part in (failed, errors, self.pace) if part)


def _clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
