"""The bytes of a response into what it says: server-sent events, or one JSON answer."""

from llmtui.engines.http.faults import malformed
from llmtui.errors import EngineError

MAX_EVENT = 4 << 20
"""Bytes of one event, or of an answer that is not streamed; a server that sends more is broken or hostile."""
_FIELDS = (b":", b"data", b"event", b"id", b"retry")
_HEAD = 4096


class AnswerParser:
    """Takes the bytes of an answer, and tells by how they begin what they are: the header is often wrong.

    Args:
        where: the server, as the user knows it.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._events = EventParser()
        self._whole: bytearray | None = None
        self._head = b""

    @property
    def is_whole(self) -> bool:
        """Whether the answer is one piece of JSON, not a stream."""
        return self._whole is not None

    @property
    def head(self) -> bytes:
        """How the answer begins, for telling what it is."""
        return self._head

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return every payload that is complete: data of an event, or nothing of a JSON answer yet.

        Raises:
            EngineError: it is a page for people, or has no end.
        """
        if not self._head:
            data = data.lstrip(b"\xef\xbb\xbf \t\r\n")
            if data.startswith((b"{", b"[")):
                self._whole = bytearray()
            elif data.startswith(b"<"):
                raise malformed(data, self._where, "it is a page for people, not an answer")
        if len(self._head) < _HEAD:
            self._head += data[:_HEAD]
        if self._whole is None:
            return self._events.feed(data)
        self._whole += data
        if len(self._whole) > MAX_EVENT:
            raise _endless()
        return []

    def end(self) -> list[bytes]:
        """What the end of the bytes completes.

        Raises:
            EngineError: they were nothing that this API knows.
        """
        if self._whole is not None:
            return [bytes(self._whole)]
        if self._head and not self._head.startswith(_FIELDS):
            raise malformed(self._head, self._where, "these are no events")
        return self._events.end()


class EventParser:
    """Gathers bytes into the data of events. Comments and other fields are skipped."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the data of every event that is complete.

        Raises:
            EngineError: an event does not end.
        """
        self._rest += data
        if b"\n" not in data:
            self._check_size()
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        self._check_size()
        return [event for line in lines if (event := self._line(line.rstrip(b"\r"))) is not None]

    def end(self) -> list[bytes]:
        """The data of an event whose closing blank line never came."""
        event = self._line(bytes(self._rest).rstrip(b"\r")) if self._rest else None
        self._rest.clear()
        last = self._line(b"")
        return [data for data in (event, last) if data is not None]

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            data, self._data, self._size = b"\n".join(self._data), [], 0
            return data or None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            self._check_size()
        return None

    def _check_size(self) -> None:
        if len(self._rest) + self._size > MAX_EVENT:
            raise _endless()


def _endless() -> EngineError:
    return EngineError(
        "The server sent an event without end",
        cause=f"more than {MAX_EVENT >> 20} MiB in one",
        remedy="Ask again; if it comes back, the address is not that of a model server.",
    )
