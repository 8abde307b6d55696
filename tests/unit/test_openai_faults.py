"""A server at its worst in a turn: every fault is an error with cause and remedy, and what had come is kept."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from servers.talk import REQUEST, failure, opened, play
from servers.wire_server import Reply, Request, WireServer, sse, text, usage, wire_server

from llmtui.domain.events import Delta, Finished
from llmtui.engines.http.access import Patience
from llmtui.engines.openai.sse import MAX_EVENT


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


async def test_headers_that_are_slow_are_waited_for(server: WireServer) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request, reply: Reply) -> None:
        asked.set()
        await go.wait()
        await reply.begin_events()
        await reply.send(sse(text("at last", "stop"), done=True))

    server.on_chat(slow)
    engine = await opened(server)
    task = asyncio.create_task(play(engine))
    await asked.wait()
    assert not task.done()
    go.set()
    event, fold = await task
    assert isinstance(event, Finished)
    assert fold.text == "at last"
    await engine.close()


def test_a_long_prompt_may_take_minutes_before_the_first_byte() -> None:
    assert Patience().answer_s >= 600


async def test_headers_that_never_come(server: WireServer) -> None:
    async def never(_request: Request, reply: Reply) -> None:
        await reply.gone()

    server.on_chat(never)
    failed, _ = await failure(server, Patience(answer_s=0.05))
    assert "fallen silent" in failed.title


async def test_silence_in_the_middle_keeps_the_text(server: WireServer) -> None:
    async def stalls(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("begun")))
        await reply.gone()

    server.on_chat(stalls)
    failed, kept = await failure(server, Patience(answer_s=0.05))
    assert "fallen silent" in failed.title
    assert kept == "begun"


async def test_a_cut_in_the_middle_keeps_the_text(server: WireServer) -> None:
    async def cut(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("half an ans")))

    server.on_chat(cut)
    failed, kept = await failure(server)
    assert "broke in the middle" in failed.title
    assert failed.cause == "the server closed it"
    assert "kept" in failed.remedy
    assert kept == "half an ans"


async def test_a_reset_before_the_headers(server: WireServer) -> None:
    async def hang_up(_request: Request, reply: Reply) -> None:
        reply.writer.transport.abort()

    server.on_chat(hang_up)
    failed, _ = await failure(server)
    assert "did not answer" in failed.title


async def test_a_cut_behind_the_finish_reason_loses_nothing(server: WireServer) -> None:
    async def cut(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("whole", "stop")))

    server.on_chat(cut)
    event, fold = await play(await opened(server))
    assert isinstance(event, Finished)
    assert (fold.text, fold.timings.completion_tokens) == ("whole", None)


async def test_a_stream_without_end_marker(server: WireServer) -> None:
    server.says(text("a"), text("b"), done=False)
    failed, kept = await failure(server)
    assert "end marker" in failed.cause
    assert kept == "ab"


async def test_a_finish_reason_without_done_is_an_end(server: WireServer) -> None:
    server.says(text("a", "stop"), done=False)
    event, _ = await play(await opened(server))
    assert isinstance(event, Finished)


async def test_done_without_a_finish_reason_is_an_end(server: WireServer) -> None:
    server.says(text("a"))
    event, fold = await play(await opened(server))
    assert isinstance(event, Finished)
    assert (event.reason, fold.text) == ("stop", "a")


async def test_empty_chunks_are_nothing(server: WireServer) -> None:
    empty = [{"choices": []}, {}, text(""), text(None), {"choices": None}, {"choices": [{}]}, {"usage": None}]
    server.says(*empty, text("a", "stop"), *empty, usage(1, 1))
    engine = await opened(server)
    events = [event async for event in engine.generate(REQUEST)]
    assert [type(event) for event in events] == [Delta, Finished]
    await engine.close()


@pytest.mark.parametrize(
    "line",
    [b"data: {oops\x1b[2J\n\n", b'data: {"choices": 7}\n\n', b"data: [1]\n\n", b"data: " + b"[" * 100_000 + b"\n\n"],
)
async def test_a_malformed_line_keeps_the_text(server: WireServer, line: bytes) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        await reply.send(sse(text("good ")) + line + sse(text("never", "stop"), done=True))

    server.on_chat(answer)
    failed, kept = await failure(server)
    assert "not part of this API" in failed.title
    assert len(failed.cause) < 600
    assert kept == "good "


async def test_a_line_without_end(server: WireServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        await reply.send(b"data: " + b"x" * (MAX_EVENT + 1))
        await reply.gone()

    server.on_chat(answer)
    failed, _ = await failure(server)
    assert "without end" in failed.title


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"code": 500, "message": "out of \x1b[31mmemory"}},
        {"error": "out of \x1b[31mmemory"},
        {"error_code": 50002, "text": "out of \x1b[31mmemory"},
    ],
)
async def test_an_error_inside_the_stream(server: WireServer, error: dict[str, object]) -> None:
    server.says(text("begun "), error)
    failed, kept = await failure(server)
    assert "in the middle" in failed.title
    assert "out of ␛[31mmemory" in failed.cause
    assert kept == "begun "
