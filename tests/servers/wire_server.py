"""A small HTTP server whose every byte a test decides: what real servers do when they are not at their best."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

MODELS = {"object": "list", "data": [{"id": "m", "owned_by": "someone"}]}


@dataclass
class Request:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Reply:
    """What goes out, piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def whole(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        """A reply at once."""
        lines = [f"HTTP/1.1 {status} Reason", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)

    async def json(self, value: Any, status: int = 200) -> None:
        await self.whole(status, json.dumps(value).encode())

    async def begin_events(self) -> None:
        """The head of a stream; the connection's end is the stream's."""
        await self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")

    async def begin_chunked(self) -> None:
        """The head of a stream whose end must be said."""
        await self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def chunk(self, data: bytes) -> None:
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def gone(self) -> None:
        """Wait until the other side has closed the connection."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read(1)


Handler = Callable[[Request, Reply], Awaitable[None]]


@dataclass
class WireServer:
    """A running server.

    Attributes:
        routes: path to what answers there; a path without one is answered 404.
        requests: all that came, in order.
    """

    url: str
    routes: dict[str, Handler] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    def on_chat(self, handler: Handler) -> None:
        self.routes["/v1/chat/completions"] = handler

    def on_models(self, models: Any) -> None:
        async def answer(_request: Request, reply: Reply) -> None:
            await reply.json(models)

        self.routes["/v1/models"] = answer

    def says(self, *events: Any, done: bool = True) -> None:
        """Answer chats with these chunks, all at once."""

        async def answer(_request: Request, reply: Reply) -> None:
            await reply.begin_events()
            await reply.send(sse(*events, done=done))

        self.on_chat(answer)

    @property
    def chat(self) -> Any:
        """The body of the last chat request."""
        return next(request.json for request in reversed(self.requests) if request.path.endswith("/completions"))


def sse(*events: Any, done: bool = False) -> bytes:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"] if done else lines).encode()


def text(content: str | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of an answer."""
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}], **more}


def usage(prompt: int, completion: int, **more: Any) -> dict[str, Any]:
    """The chunk at the end."""
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more}}


@contextlib.asynccontextmanager
async def wire_server(
    host: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WireServer]:
    """A server with one model, on a free port unless one is given."""
    server = WireServer("")
    open_ones: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_ones.add(task)
        try:
            request = await read_request(reader)
            server.requests.append(request)
            handler = server.routes.get(request.path.partition("?")[0])
            reply = Reply(reader, writer)
            if handler is None:
                await reply.whole(404, b"nothing here", "text/plain")
            else:
                await handler(request, reply)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            open_ones.discard(task)
            writer.close()

    listener = await asyncio.start_server(serve, host, port, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    server.url = f"{'https' if tls else 'http'}://{shown}:{server.port}/v1"
    server.on_models(MODELS)
    try:
        yield server
    finally:
        listener.close()
        for task in list(open_ones):
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)
