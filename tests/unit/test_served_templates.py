"""A turn's own template with servers: rendered here, sent as a text by the route that takes one."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers.ollama_server import OllamaServer, ollama_server
from servers.talk import load
from servers.wire_server import Reply, Request, WireServer, sse, usage, wire_server

from llmtui.domain.events import Failed, Finished, Notice, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling, Server
from llmtui.domain.template_families import FAMILIES
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import GenerateRequest
from llmtui.engines.ollama.client import OllamaEngine
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.engines.rendering.shipped import shipped

CHAT = (
    ChatMessage("user", "你好"),
    ChatMessage("assistant", "你好！"),
    ChatMessage("user", "tail \ud800"),
)
TOLD = (ChatMessage("system", "Be brief."), *CHAT)
BY_NAME = {family.name: family for family in FAMILIES}
LLAMA2 = "[INST] 你好 [/INST] 你好！ </s><s>[INST] tail \ufffd [/INST]"
WITH_EOS = NamedTemplate(name="mine", text="{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}")


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:

        async def answer(_request: Request, reply: Reply) -> None:
            await reply.begin_events()
            piece = {"object": "text_completion", "choices": [{"index": 0, "text": "fine", "finish_reason": "stop"}]}
            await reply.send(sse(piece, usage(1, 1), done=True))

        running.routes["/v1/completions"] = answer
        yield running


async def played(engine: OpenAIEngine | OllamaEngine, *requests: GenerateRequest) -> list[list[TurnEvent]]:
    await load(engine)
    try:
        return [[event async for event in engine.generate(request)] for request in requests]
    finally:
        await engine.close()


def asked(template: NamedTemplate, chat: tuple[ChatMessage, ...] = CHAT, **more: Any) -> GenerateRequest:
    return GenerateRequest(id="turn", messages=chat, template=template, sampling=Sampling(stop=("#",), seed=1), **more)


def notices(events: list[TurnEvent]) -> list[str]:
    return [event.kind for event in events if isinstance(event, Notice)]


async def test_an_openai_server_is_sent_the_rendered_text_and_the_templates_stops(server: WireServer) -> None:
    engine = OpenAIEngine("box/m", Server(url=server.url), "box", "m")
    (events,) = await played(engine, asked(shipped(BY_NAME["llama2"]), answer_start=" So"))
    assert server.requests[-1].path == "/v1/completions"
    assert server.chat["prompt"] == LLAMA2 + " So"  # without the begin token: the server's tokenizer puts it there
    assert server.chat["stop"] == ["#", "[INST]"]
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.timings.rendered_sha256 == hashlib.sha256((LLAMA2 + " So").encode()).hexdigest()


async def test_what_was_changed_for_a_template_is_told_once(server: WireServer) -> None:
    engine = OpenAIEngine("box/m", Server(url=server.url), "box", "m")
    gemma = shipped(BY_NAME["gemma"])
    first, second = await played(engine, asked(gemma, TOLD), asked(gemma, TOLD))
    assert notices(first) == ["template"]
    assert notices(second) == []
    for events in (first, second):
        assert isinstance(events[-1], Finished)
        assert "first user message" in (events[-1].timings.template_note or "")


async def test_an_end_token_that_the_server_does_not_tell_is_said_to_be_missing(server: WireServer) -> None:
    engine = OpenAIEngine("box/m", Server(url=server.url), "box", "m")
    (events,) = await played(engine, asked(WITH_EOS))
    assert notices(events) == ["template"]
    assert server.chat["prompt"] == "你好你好！tail \ufffd"


async def test_a_template_that_cannot_be_rendered_fails_the_turn_and_sends_nothing(server: WireServer) -> None:
    engine = OpenAIEngine("box/m", Server(url=server.url), "box", "m")
    before = len(server.requests)
    broken, fine = await played(engine, asked(NamedTemplate(name="mine", text="{{ broken")), asked(WITH_EOS))
    assert isinstance(broken[-1], Failed)
    assert broken[-1].kind == "template"
    assert isinstance(fine[-1], Finished)
    assert [each.path for each in server.requests[before:]].count("/v1/completions") == 1


async def test_ollama_is_sent_it_raw_without_the_models_own_stops() -> None:
    async with ollama_server() as running:
        running.add("m:latest", show={"parameters": 'stop "<|im_end|>"'})
        engine = OllamaEngine("ollama/m", Server(url=running.url, kind="ollama"), "box", "m")
        (events,) = await played(engine, asked(shipped(BY_NAME["llama2"])))
        assert isinstance(events[-1], Finished)
        sent = last_body(running)
        assert sent["raw"] is True
        assert sent["prompt"] == LLAMA2
        assert sent["options"]["stop"] == ["#", "[INST]"]


def last_body(server: OllamaServer) -> dict[str, Any]:
    return server.bodies("/api/generate")[-1]
