"""A text continued without a chat template, over real HTTP: route, body, counts, and servers that would stop early."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers.talk import load
from servers.wire_server import Reply, Request, WireServer, sse, usage, wire_server

from llmtui.domain.events import Delta, Failed, Finished, TurnEvent
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.engines.openai.wire import TEXT_TOKENS


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


def piece(text: str, finish: str | None = None) -> dict[str, Any]:
    return {"object": "text_completion", "choices": [{"index": 0, "text": text, "finish_reason": finish}]}


def continues(server: WireServer, *events: Any) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        await reply.send(sse(*events, done=True))

    server.routes["/v1/completions"] = answer


async def played(server: WireServer, prompt: str = "Once", **sampling: Any) -> list[TurnEvent]:
    engine = await load(OpenAIEngine("box/m", Server(url=server.url), "box", "m"))
    try:
        request = GenerateRequest(id="turn", prompt=prompt, sampling=Sampling(**sampling))
        return [event async for event in engine.generate(request)]
    finally:
        await engine.close()


async def test_a_text_goes_out_as_it_is_and_its_continuation_comes_back(server: WireServer) -> None:
    continues(server, piece(" upon"), piece(""), piece(" a time", "stop"), usage(1, 4))
    events = await played(server, "<s>Once \ud800")
    assert "".join(event.text for event in events if isinstance(event, Delta)) == " upon a time"
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.timings.prompt_tokens, last.timings.completion_tokens) == ("stop", 1, 4)
    assert server.requests[-1].path == "/v1/completions"
    assert server.chat["prompt"] == "<s>Once \ufffd"
    assert "messages" not in server.chat


@pytest.mark.parametrize(
    ("model", "limit", "sent"),
    [
        ({"owned_by": "vllm", "max_model_len": 100}, None, 100 - len("你好".encode()) - 1),
        ({"owned_by": "vllm", "max_model_len": 4}, None, 1),
        ({"owned_by": "sglang", "max_model_len": 100}, 30, 30),
        ({"owned_by": "someone"}, None, TEXT_TOKENS),
        ({"owned_by": "library"}, None, None),
        ({"owned_by": "llamacpp"}, None, None),
    ],
)
async def test_servers_are_not_left_to_stop_after_sixteen_tokens(
    server: WireServer, model: dict[str, Any], limit: int | None, sent: int | None
) -> None:
    server.on_models({"data": [{"id": "m", **model}]})
    continues(server, piece("!", "stop"))
    await played(server, "你好", max_tokens=limit)
    assert server.chat.get("max_tokens") == sent


async def test_a_server_without_that_route_says_what_it_lacks(server: WireServer) -> None:
    failed = (await played(server))[-1]
    assert isinstance(failed, Failed)
    assert "continue a text" in failed.title
    assert "/v1/completions" in failed.cause
    assert "without --raw" in failed.remedy


@pytest.mark.parametrize(
    ("owner", "sent"),
    [
        ("vllm", {"model": "m", "prompt": "Once", "add_special_tokens": True}),
        ("llamacpp", {"model": "m", "content": "Once", "add_special": True, "parse_special": True}),
    ],
)
async def test_a_text_is_counted_as_it_would_be_evaluated(server: WireServer, owner: str, sent: dict[str, Any]) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": owner}]})

    async def tokenize(_request: Request, reply: Reply) -> None:
        await reply.json({"tokens": [1, 2, 3]})

    server.routes["/tokenize"] = tokenize
    engine = await load(OpenAIEngine("box/m", Server(url=server.url), "box", "m"))
    assert await engine.count_prompt("Once") == 3
    assert server.requests[-1].json == sent
    await engine.close()
