"""A gap filled by servers other than llama.cpp's: what is sent, and what is said when it is not done."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers.wire_server import Reply, Request, WireServer, text, usage, wire_server

from llmtui.domain.events import Failed, Notice, TurnEvent
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.openai.client import OpenAIEngine


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


async def fill(server: WireServer, prefix: str, suffix: str) -> list[TurnEvent]:
    engine = OpenAIEngine("box/m", Server(url=server.url), "box", "m")
    async for _ in engine.load():
        pass
    request = GenerateRequest(id="gap", prompt=prefix, suffix=suffix, sampling=Sampling(max_tokens=5))
    events = [event async for event in engine.generate(request)]
    await engine.close()
    return events


def answers(server: WireServer, status: int, value: Any) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.json(value, status)

    server.routes["/v1/completions"] = answer


async def test_the_suffix_is_sent_to_the_completions_route(server: WireServer) -> None:
    answers(server, 200, {"choices": [{"text": "x", "finish_reason": "stop"}]})
    events = await fill(server, "def f():", "\nf()")
    sent = server.requests[-1]
    assert sent.path == "/v1/completions"
    assert (sent.json["prompt"], sent.json["suffix"], sent.json["max_tokens"]) == ("def f():", "\nf()", 5)
    assert not [event for event in events if isinstance(event, Failed | Notice)]


@pytest.mark.parametrize("status", [400, 422, 501])
async def test_a_refusal_is_told_with_the_servers_words(server: WireServer, status: int) -> None:
    answers(server, status, {"error": {"message": "suffix is not currently supported"}})
    (event,) = await fill(server, "a", "b")
    assert isinstance(event, Failed)
    assert (event.kind, event.title) == ("usage", "box cannot fill a gap with this model")
    assert "suffix is not currently supported" in event.cause
    assert "llama-server" in event.remedy


async def test_a_server_without_the_route_is_told(server: WireServer) -> None:
    (event,) = await fill(server, "a", "b")
    assert isinstance(event, Failed)
    assert "cannot fill a gap" in event.title


async def test_other_refusals_keep_their_meaning(server: WireServer) -> None:
    answers(server, 401, {"error": {"message": "no"}})
    (event,) = await fill(server, "a", "b")
    assert isinstance(event, Failed)
    assert "wants a key" in event.title


async def test_a_suffix_that_cannot_have_been_read_is_told(server: WireServer) -> None:
    counted = text("x", "stop") | usage(4, 1)
    counted["choices"] = [{"text": "x", "finish_reason": "stop"}]
    answers(server, 200, counted)
    events = await fill(server, "def f():", "word " * 60)
    (notice,) = [event for event in events if isinstance(event, Notice)]
    assert "ignore the text behind the gap" in notice.text
