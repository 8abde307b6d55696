"""Having an Ollama server fetch a model, and having it remove one."""

import contextlib
from collections.abc import AsyncGenerator

import msgspec

from llmtui.domain.operations import Progress
from llmtui.domain.settings import Server
from llmtui.domain.text import visible_line
from llmtui.engines.http.access import Patience
from llmtui.engines.ollama.connection import Connection
from llmtui.errors import EngineError

SUCCESS = "success"


class Step(msgspec.Struct):
    """One line of `/api/pull`: what it does, and for a layer how many of its bytes have come."""

    status: str | None = None
    digest: str | None = None
    total: int | None = None
    completed: int | None = None


async def pull(
    server: Server, server_name: str, model: str, *, patience: Patience | None = None
) -> AsyncGenerator[Progress]:
    """Have a server fetch a model; the last event has the stage `success`.

    Bytes are those of all layers named so far. Closing the iterator closes the connection, which stops the download;
    the server keeps what has come and goes on from there the next time. It checks the digests itself.

    Args:
        server: where it is to be.
        server_name: what the user calls the server.
        model: its name, with or without a tag.
        patience: time limits.

    Raises:
        LlmtuiError: the server cannot be reached, knows no such model, or failed.
    """
    connection = Connection(server, server_name, patience)
    totals: dict[str, int] = {}
    done: dict[str, int] = {}
    status = ""
    try:
        parts = connection.stream("/api/pull", {"model": model, "stream": True}, Step, model=model)
        async with contextlib.aclosing(parts):
            async for step in parts:
                status = visible_line(step.status or "")
                if step.digest:
                    totals[step.digest] = max(step.total or 0, totals.get(step.digest, 0))
                    done[step.digest] = min(max(step.completed or 0, done.get(step.digest, 0)), totals[step.digest])
                    status = "downloading"
                total = sum(totals.values())
                yield Progress(stage=status, done=sum(done.values()) if total else None, total=total or None)
    finally:
        await connection.close()
    if status != SUCCESS:
        raise EngineError(
            f"{connection.name} stopped in the middle of the download",
            cause=f"the last it said was: {status}" if status else "it said nothing",
            remedy="Start it again: the server goes on from what it has.",
        )


async def delete(server: Server, server_name: str, model: str, *, patience: Patience | None = None) -> None:
    """Have a server remove a model; layers that other models share stay.

    Raises:
        LlmtuiError: the server cannot be reached, or has no such model.
    """
    connection = Connection(server, server_name, patience)
    try:
        await connection.delete(model)
    finally:
        await connection.close()
