"""Server-sent events out of the bytes of a response."""

from llmtui.errors import EngineError

MAX_LINE = 4 << 20
"""Bytes of one line; a server that sends more without a line break is broken or hostile."""


class EventParser:
    """Gathers bytes into the data of events. Comments and other fields are skipped."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; return the data of every event that is complete.

        Raises:
            EngineError: a line does not end.
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
            data, self._data = b"\n".join(self._data), []
            return data or None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
        return None

    def _check_size(self) -> None:
        if len(self._rest) > MAX_LINE:
            raise EngineError(
                "The server sent a line without end",
                cause=f"more than {MAX_LINE >> 20} MiB in one event",
                remedy="Ask again; if it comes back, the address is not that of a model server.",
            )
