"""The profiler's figures for the screen: the host sampled twice a second, and the decode rates of a while."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from llmtui.domain.models import LoadedModel
from llmtui.domain.snapshot import ProfilerSnapshot, build_snapshot

if TYPE_CHECKING:
    from llmtui.services.profiler import Profiler
    from llmtui.services.session import ChatSession

HISTORY = 64
"""Decode rates kept for the sparkline, two a second."""


class Figures:
    """Without figures of the host until `start`."""

    def __init__(self) -> None:
        self._profiler: Profiler | None = None
        self._pid: int | None = None
        self._rates: deque[float] = deque(maxlen=HISTORY)

    def start(self) -> None:
        """Begin to sample the host."""
        from llmtui.services.profiler import Profiler  # noqa: PLC0415 - after the first paint

        self._profiler = Profiler()
        self._profiler.start()

    async def stop(self) -> None:
        """End the sampling."""
        if self._profiler is not None:
            await asyncio.to_thread(self._profiler.stop)

    def watch(self, loaded: LoadedModel | None) -> None:
        """Sample the memory of this model's process from now on."""
        pid = loaded.pid if loaded else None
        if self._profiler is not None and pid != self._pid:
            self._pid = pid
            self._profiler.watch(pid)

    def forget(self) -> None:
        """Another conversation: the rates of the one before are not its own."""
        self._rates.clear()

    def note_rate(self, session: "ChatSession | None") -> None:
        """Put the present decode rate into the history; called twice a second while an answer runs."""
        turn = session.running if session else None
        rate = turn.fold.live().decode_tps if turn else None
        if rate is not None:
            self._rates.append(rate)

    def snapshot(self, session: "ChatSession | None", loaded: LoadedModel | None, *, loading: bool) -> ProfilerSnapshot:
        """All figures now. A turn that another model answered says nothing about the present one's speed or context."""
        turns = [done for done in session.turns if done.metrics.completion_tokens] if session else []
        turn = session.running if session else None
        return build_snapshot(
            live=turn.fold.live() if turn else None,
            turns=[done.metrics for done in turns],
            last=turns[-1].metrics if turns and loaded and turns[-1].manifest.model == loaded.name else None,
            host=self._profiler.reading() if self._profiler else None,
            loaded=loaded,
            rates=self._rates,
            loading=loading,
        )
