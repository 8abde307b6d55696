"""Answers out of a run's file, one at a time: a run is too long for them to be kept in memory."""

import threading
from pathlib import Path
from typing import NamedTuple

import msgspec

from llmtui.domain.run import SampleRecord, ScoreRecord
from llmtui.domain.text import visible_line
from llmtui.errors import StoreError
from llmtui.store.files import open_regular

MAX_LINE = 256 << 20
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Answer(NamedTuple):
    """A sample's record, and its scores by the index of the scorer, the last of each."""

    record: SampleRecord
    scores: tuple[ScoreRecord, ...]


class _Head(msgspec.Struct):
    """What a line is about; the rest of it is skipped."""

    record: str = ""
    key: str = ""


class RunAnswers:
    """Finds answers by key, also in a file that still grows. It reads from disk: call it from threads.

    Args:
        path: the run's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, list[int]] = {}
        self._end = 0
        self._lock = threading.Lock()
        self._head = msgspec.json.Decoder(_Head)
        self._line = msgspec.json.Decoder(SampleRecord | ScoreRecord)

    def read(self, key: str) -> Answer | None:
        """The newest answer under a key; None when there is none.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with self._lock:
                self._catch_up()
                lines = self._lines(self._places.get(key, ()))
        except OSError as error:
            raise StoreError(
                "The answer cannot be read",
                cause=f"{visible_line(str(self._path))}: {error.strerror or error}",
                remedy="Check that the run's file is still there",
            ) from error
        samples = [line for line in lines if isinstance(line, SampleRecord)]
        scores = {line.index: line for line in lines if isinstance(line, ScoreRecord)}
        return Answer(samples[0], tuple(scores[index] for index in sorted(scores))) if samples else None

    def _catch_up(self) -> None:
        """Note where the lines stand that were written since the last time: of a key its sample, then its scores."""
        with open_regular(self._path) as file:
            file.seek(self._end)
            while (line := file.readline(MAX_LINE)).endswith(b"\n"):
                place, self._end = self._end, self._end + len(line)
                try:
                    head = self._head.decode(line)
                except _UNREADABLE:
                    continue
                if head.record == "sample":
                    self._places[head.key] = [place]
                elif head.record == "score" and head.key in self._places:
                    self._places[head.key].append(place)

    def _lines(self, places: "list[int] | tuple[()]") -> list[SampleRecord | ScoreRecord]:
        found: list[SampleRecord | ScoreRecord] = []
        with open_regular(self._path) as file:
            for place in places:
                file.seek(place)
                try:
                    found.append(self._line.decode(file.readline(MAX_LINE)))
                except _UNREADABLE:
                    continue
        return found
