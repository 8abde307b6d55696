"""Answers with the status of success that are none, or come in another form: told apart, bounded, never waited for."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest
from servers.talk import failure, opened, play, replies
from servers.wire_server import Reply, Request, WireServer, sse, text, usage, wire_server

from llmtui.domain.events import Finished
from llmtui.engines.http.access import Patience
from llmtui.engines.openai.sse import MAX_EVENT
from llmtui.errors import ModelError

WHOLE = {"choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}]}


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


@pytest.mark.parametrize("kind", ["text/html", "text/event-stream", "application/json"])
async def test_a_page_of_a_captive_portal(server: WireServer, kind: str) -> None:
    replies(server, 200, b"\n<!DOCTYPE html><p>Please \x1b log in</p>", kind)
    failed, kept = await failure(server)
    assert failed.title == "box sent something that is not part of this API"
    assert "a page for people" in failed.cause
    assert "Please ␛ log in" in failed.cause
    assert kept == ""


@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream"])
async def test_words_that_are_no_events(server: WireServer, kind: str) -> None:
    replies(server, 200, b"It works!\n\n", kind)
    failed, _ = await failure(server)
    assert "these are no events: It works!" in failed.cause


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain; charset=utf-8"])
@pytest.mark.parametrize(
    ("error", "title", "cause"),
    [
        ({"error": {"code": 429, "message": "slow down"}}, "asked too often", "HTTP 429: slow down"),
        ({"error": {"code": "odd", "message": "no"}}, "failed", "no"),
        ({"error": "out of memory"}, "failed", "out of memory"),
        ({"object": "error", "message": "no such thing", "code": 400}, "failed", "no such thing"),
        ({"detail": [{"msg": "field required"}]}, "failed", "field required"),
    ],
)
async def test_an_error_with_the_status_of_success(
    server: WireServer, kind: str, error: dict[str, object], title: str, cause: str
) -> None:
    replies(server, 200, json.dumps(error).encode(), kind)
    failed, _ = await failure(server)
    assert title in failed.title
    assert "middle" not in failed.title
    assert cause in failed.cause


@pytest.mark.parametrize("body", [b'{"ok": true}', b"[1, 2]", b'{"choices": []}', b"{"])
async def test_json_that_holds_no_answer(server: WireServer, body: bytes) -> None:
    replies(server, 200, body)
    failed, _ = await failure(server)
    assert "not part of this API" in failed.title


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "application/octet-stream"])
async def test_the_header_does_not_matter(server: WireServer, kind: str) -> None:
    replies(server, 200, b"\xef\xbb\xbf" + sse(text("in "), text("events", "stop"), done=True), kind)
    event, fold = await play(await opened(server))
    assert isinstance(event, Finished)
    assert fold.text == "in events"
    replies(server, 200, json.dumps(WHOLE).encode(), kind)
    event, fold = await play(await opened(server))
    assert isinstance(event, Finished)
    assert fold.text == "all at once"


async def test_a_whole_answer_without_a_reason_is_an_answer(server: WireServer) -> None:
    replies(server, 200, b'{"choices": [{"message": {"content": "hi"}}]}')
    event, fold = await play(await opened(server))
    assert isinstance(event, Finished)
    assert (event.reason, fold.text) == ("stop", "hi")


async def test_compressed_though_it_was_not_asked_for(server: WireServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        packed = gzip.compress(sse(text("unpacked", "stop"), usage(3, 2), done=True))
        await reply.whole(200, packed, "text/event-stream", **{"Content-Encoding": "gzip"})

    server.on_chat(answer)
    _, fold = await play(await opened(server))
    assert (fold.text, fold.timings.completion_tokens) == ("unpacked", 2)


async def test_bytes_that_are_not_compressed_as_they_claim(server: WireServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.whole(200, b"not gzip", "text/event-stream", **{"Content-Encoding": "gzip"})

    server.on_chat(answer)
    failed, _ = await failure(server)
    assert failed.cause


@pytest.mark.parametrize(
    ("begin", "piece"),
    [(b'data: {"a": "', b"x"), (b"", b"data: x\n"), (b'{"a": "', b"x"), (b"data: x\n", b"data: " + b"y" * 90 + b"\n")],
)
async def test_an_endless_event_is_given_up_before_it_fills_the_memory(
    server: WireServer, begin: bytes, piece: bytes
) -> None:
    sent = 0

    async def answer(_request: Request, reply: Reply) -> None:
        nonlocal sent
        await reply.begin_events()
        await reply.send(begin)
        block = piece * ((1 << 18) // len(piece))
        while True:
            await reply.send(block)
            sent += len(block)

    server.on_chat(answer)
    failed, _ = await failure(server)
    assert "without end" in failed.title
    assert sent < 8 * MAX_EVENT


async def test_a_connection_left_open_behind_the_end_marker_is_not_waited_for(server: WireServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("done", "stop"), usage(3, 2), done=True))
        await reply.gone()

    server.on_chat(answer)
    event, fold = await play(await opened(server))
    assert isinstance(event, Finished)
    assert (fold.text, fold.timings.completion_tokens) == ("done", 2)


async def test_counts_behind_the_finish_reason_are_waited_for_a_little(server: WireServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("done", "stop")))
        await reply.gone()

    server.on_chat(answer)
    engine = await opened(server, Patience(question_s=1, answer_s=600))
    event, fold = await play(engine)
    assert isinstance(event, Finished)
    assert (event.reason, fold.text, fold.timings.completion_tokens) == ("stop", "done", None)
    await engine.close()


@pytest.mark.parametrize(
    ("piece", "shown"),
    [
        (b"\xe4\xbd\xa0\xe5\xa5", "你\ufffd"),
        (b"\\ud83d", "\ufffd"),
        (b"\\ud83d\\ude00", "😀"),
        (b"\\\\ud83d", "\\ud83d"),
    ],
)
async def test_half_a_character_does_not_cost_the_answer(server: WireServer, piece: bytes, shown: str) -> None:
    event = b'data: {"choices": [{"delta": {"content": "' + piece + b'"}}]}\n\n'
    replies(server, 200, event + sse(text("!", "stop"), done=True), "text/event-stream")
    end, fold = await play(await opened(server))
    assert isinstance(end, Finished)
    assert fold.text == f"{shown}!"


async def test_an_error_that_is_not_utf_8_is_shown_as_far_as_it_is_text(server: WireServer) -> None:
    replies(server, 500, '{"error": {"message": "out of 显存"}}'.encode("gbk"))
    failed, _ = await failure(server)
    assert failed.cause.startswith("HTTP 500: out of \ufffd")


async def test_a_server_without_models_that_says_null() -> None:
    async with wire_server() as server:
        server.on_models({"object": "list", "data": None})
        with pytest.raises(ModelError, match="has no model 'm'"):
            await opened(server)
