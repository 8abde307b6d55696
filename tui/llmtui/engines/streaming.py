"""An answer's tokens into text and events: UTF-8 across tokens, stop strings across tokens, gathered deltas."""

import codecs
from collections.abc import Sequence

from llmtui.domain.events import Delta, ReasoningDelta
from llmtui.engines.thoughts import Said

GATHER_NS = 30_000_000
"""At most one `Delta` per request and span: about twice per repaint of the liveliest front end."""


class StopStrings:
    """Finds the first stop string in a text that comes in pieces, and holds back what may become one.

    Args:
        stops: the strings; empty ones are ignored.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self.hit = False

    def feed(self, text: str) -> str:
        """Take more text; return what is certain not to belong to a stop string.

        After a hit nothing more is returned: the text before the stop string was the last.
        """
        if self.hit:
            return ""
        if not self._stops:
            return text
        pending = self._held + text
        found = [at for stop in self._stops if (at := pending.find(stop)) >= 0]
        if found:
            self.hit = True
            self._held = ""
            return pending[: min(found)]
        keep = self._possible_start(pending)
        self._held = pending[len(pending) - keep :]
        return pending[: len(pending) - keep]

    def flush(self) -> str:
        """Give out what was held back: the text has ended, so no stop string will come of it."""
        held, self._held = self._held, ""
        return held

    def _possible_start(self, text: str) -> int:
        """Length of the longest end of `text` with which a stop string begins."""
        for length in range(min(len(text), self._longest - 1), 0, -1):
            tail = text[-length:]
            if any(stop.startswith(tail) for stop in self._stops):
                return length
        return 0


class AnswerText:
    """The bytes of an answer's tokens into its text.

    Args:
        stops: strings that end the answer.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stops = StopStrings(stops)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was met."""
        return self._stops.hit

    def feed(self, piece: bytes) -> str:
        """Take one token's bytes; return the text that is complete and certain."""
        return self._stops.feed(self._decoder.decode(piece))

    def finish(self) -> str:
        """Give out the rest: text that was held back, and U+FFFD for a character that never was completed."""
        return self._stops.feed(self._decoder.decode(b"", final=True)) + self._stops.flush()


class DeltaGatherer:
    """Gathers tokens into events: each at once until there is something to read, then one every `interval_ns`.

    The last stamp of the event that brings the first text is thus the moment of the first text. Thoughts and answer
    come in events of their own.
    """

    def __init__(self, interval_ns: int = GATHER_NS) -> None:
        self._interval_ns = interval_ns
        self._text: list[str] = []
        self._stamps: list[int] = []
        self._sent_ns = 0
        self._silent = True
        self._thought = False

    def take(self, pieces: Sequence[Said], t_ns: int) -> list[Delta | ReasoningDelta]:
        """Take what one token brought, which may end a thought and begin the answer; return the events that are due."""
        *before, last = pieces or [Said(self._thought, "")]
        events: list[Delta | ReasoningDelta | None] = []
        for piece in before:
            events.append(self._turn_to(thought=piece.thought))
            self._text.append(piece.text)
        events += [self._turn_to(thought=last.thought), self.add(last.text, t_ns)]
        return [event for event in events if event is not None]

    def end(self, pieces: Sequence[Said]) -> list[Delta | ReasoningDelta]:
        """What has gathered, with the text that was held back until the end."""
        events: list[Delta | ReasoningDelta | None] = []
        for piece in pieces:
            events.append(self._turn_to(thought=piece.thought))
            self._text.append(piece.text)
        return [event for event in (*events, self.flush()) if event is not None]

    def _turn_to(self, *, thought: bool) -> Delta | ReasoningDelta | None:
        if thought == self._thought:
            return None
        flushed = self.flush()
        self._thought = thought
        self._silent = self._silent or not thought
        return flushed

    def add(self, text: str, t_ns: int) -> Delta | ReasoningDelta | None:
        """Take one token's text and stamp; return an event when one is due."""
        self._text.append(text)
        self._stamps.append(t_ns)
        if self._silent or t_ns - self._sent_ns >= self._interval_ns:
            self._silent = self._silent and not text.strip()
            self._sent_ns = t_ns
            return self.flush()
        return None

    def flush(self, rest: str = "") -> Delta | ReasoningDelta | None:
        """What has gathered, with `rest` behind it; None when that is nothing."""
        if rest:
            self._text.append(rest)
        if not self._stamps and not any(self._text):
            return None
        kind = ReasoningDelta if self._thought else Delta
        delta = kind("".join(self._text), tuple(self._stamps))
        self._text.clear()
        self._stamps.clear()
        return delta
