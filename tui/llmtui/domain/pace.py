"""How fast a long operation goes, and how long it still takes: a fold over its progress."""

from collections import deque

from llmtui.domain.operations import Progress
from llmtui.domain.quantities import duration, size, whole

WINDOW_S = 10.0
"""The rate is of the last seconds: a network's speed changes, and the user wants today's."""
_LEAST_S = 0.5


class Pace:
    """Fed with progress and the time it came at; what it tells is of the stage under way.

    What was there before the first event (a download that is resumed) counts as done, not as fast.
    """

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self._stamps: deque[tuple[float, int]] = deque()

    def note(self, progress: Progress, now_s: float) -> None:
        """Take the next event in.

        Args:
            progress: as the operation told it.
            now_s: of a monotonic clock.
        """
        before, self.progress = self.progress, progress
        restarted = before is None or before.stage != progress.stage or before.unit != progress.unit
        if restarted or progress.done is None or (self._stamps and progress.done < self._stamps[-1][1]):
            self._stamps.clear()
        if progress.done is not None:
            self._stamps.append((now_s, progress.done))
            while len(self._stamps) > 2 and now_s - self._stamps[1][0] >= WINDOW_S:
                self._stamps.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second; None until it can be told."""
        if not self._stamps:
            return None
        (began_s, first), (now_s, last) = self._stamps[0], self._stamps[-1]
        return (last - first) / (now_s - began_s) if now_s - began_s >= _LEAST_S else None

    @property
    def left_s(self) -> float | None:
        """Seconds until the end of the stage at this rate; None where it cannot be told."""
        progress, rate = self.progress, self.rate
        if progress is None or progress.done is None or not progress.total or not rate:
            return None
        return max(0, progress.total - progress.done) / rate

    def __str__(self) -> str:
        """Everything known but the stage: `1.2 GiB of 4.4 GiB · 12 MiB/s · 4 min left`."""
        progress = self.progress
        if progress is None or progress.done is None:
            return ""
        amount = size if progress.unit == "bytes" else whole
        total = f" of {amount(progress.total)}" if progress.total else ""
        unit = "" if progress.unit == "bytes" else f" {progress.unit}"
        parts = [f"{amount(progress.done)}{total}{unit}"]
        if self.rate and progress.unit == "bytes":
            parts.append(f"{size(self.rate)}/s")
        if self.left_s is not None and progress.fraction != 1:
            parts.append(f"{duration(self.left_s)} left")
        return " · ".join(parts)
