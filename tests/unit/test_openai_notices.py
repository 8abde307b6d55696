"""What a server does not do as it was asked, and thoughts that it tells apart, over real HTTP."""

from collections.abc import AsyncIterator

import pytest
from servers.wire_server import WireServer, text, usage, wire_server

from llmtui.domain.events import Delta, Finished, Notice, ReasoningDelta, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.openai.client import OpenAIEngine


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


async def turns(
    server: WireServer, *samplings: Sampling, standard_only: bool = False, question: str = "hello"
) -> list[list[TurnEvent]]:
    engine = OpenAIEngine("box/m", Server(url=server.url, standard_only=standard_only), "box", "m")
    async for _ in engine.load():
        pass
    chat = (ChatMessage("user", question),)
    played = []
    for sampling in samplings:
        request = GenerateRequest(id="turn", messages=chat, sampling=sampling)
        played.append([event async for event in engine.generate(request)])
    await engine.close()
    return played


def told(events: list[TurnEvent]) -> list[str]:
    assert isinstance(events[-1], Finished)
    notices = [event for event in events if isinstance(event, Notice)]
    assert all(notice.remedy.endswith(".") for notice in notices)
    return [notice.text for notice in notices]


@pytest.mark.parametrize(("written", "alarm"), [(12, False), (13, False), (40, True)])
async def test_more_tokens_than_were_asked_for(server: WireServer, written: int, *, alarm: bool) -> None:
    server.says(text("a", "stop"), usage(5, written))
    (events,) = await turns(server, Sampling(max_tokens=12))
    assert told(events) == (["The server wrote 40 tokens though at most 12 were asked for"] if alarm else [])


async def test_a_stop_text_that_is_not_heeded_also_across_chunks(server: WireServer) -> None:
    server.says(text("one tw"), text("o th"), text("ree", "stop"), usage(5, 6))
    heeded, missed = await turns(
        server, Sampling(stop=("four", "one three")), Sampling(stop=("four", "two\x1b", "two"))
    )
    assert told(heeded) == []
    assert told(missed) == ["The server went on behind the stop text 'two'"]


async def test_a_prompt_that_was_cut(server: WireServer) -> None:
    server.on_models({"data": [{"id": "m", "max_model_len": 100}]})
    server.says(text("a", "stop"), usage(90, 2))
    (events,) = await turns(server, Sampling(), question="word " * 400)
    (alarm,) = told(events)
    assert "read only 90 of about" in alarm
    assert "context holds 100" in alarm
    (events,) = await turns(server, Sampling(), question="word " * 50)
    assert told(events) == []


async def test_wishes_that_a_server_is_not_told_are_named_once(server: WireServer) -> None:
    server.says(text("a", "stop"))
    dry = Sampling(dry_multiplier=0.8, mirostat=2)
    played = await turns(server, dry, dry, Sampling(xtc_probability=0.5), Sampling())
    assert [told(events) for events in played] == [
        ["This server has no option for the DRY penalty, mirostat"],
        [],
        ["This server has no option for XTC"],
        [],
    ]


async def test_the_standard_leaves_more_out(server: WireServer) -> None:
    server.says(text("a", "stop"))
    usual, wish = await turns(server, Sampling(), Sampling(top_k=3, repeat_penalty=1.1), standard_only=True)
    assert told(usual) == []
    assert told(wish) == ["This server has no option for top-k, the repeat penalty"]


@pytest.mark.parametrize(
    ("owner", "missing"),
    [("library", "top-k, min-p, the repeat penalty"), ("organization_owner", "min-p"), ("vllm", "")],
)
async def test_what_a_kind_of_server_is_known_to_ignore_is_named(server: WireServer, owner: str, missing: str) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": owner}]})
    server.says(text("a", "stop"))
    (events,) = await turns(server, Sampling(top_k=3, min_p=0.1, repeat_penalty=1.1))
    assert told(events) == ([f"This server has no option for {missing}"] if missing else [])


async def test_llama_server_is_told_everything(server: WireServer) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": "llamacpp"}]})
    server.says(text("a", "stop"))
    (events,) = await turns(server, Sampling(dry_multiplier=0.8, mirostat=2, typical_p=0.9))
    assert told(events) == []
    assert (server.chat["dry_multiplier"], server.chat["mirostat"], server.chat["typical_p"]) == (0.8, 2, 0.9)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_thoughts_and_answer_of_one_chunk(server: WireServer, key: str) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": "vllm"}]})

    def thinks(thought: str, content: str | None, count: int) -> dict[str, object]:
        delta = {key: thought, "content": content}
        return {"choices": [{"delta": delta}], "usage": {"prompt_tokens": 3, "completion_tokens": count}}

    server.says(thinks("hm", None, 2), thinks(" so", "4", 4), text("2", "stop", usage={"completion_tokens": 5}))
    (events,) = await turns(server, Sampling())
    generated = [event for event in events if isinstance(event, Delta | ReasoningDelta)]
    assert [(type(event).__name__, event.text, event.n_tokens) for event in generated] == [
        ("ReasoningDelta", "hm", 2),
        ("ReasoningDelta", " so", 2),
        ("Delta", "4", 0),
        ("Delta", "2", 1),
    ]


@pytest.mark.parametrize(
    ("owner", "body"),
    [
        ("vllm", {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("library", {"reasoning_effort": "none"}),
        ("user", {"enable_thinking": False}),
    ],
)
async def test_servers_are_asked_not_to_think(server: WireServer, owner: str, body: dict[str, object]) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": owner}]})
    server.says(text("a", "stop"))
    (events,) = await turns(server, Sampling(reasoning="off"))
    assert told(events) == []
    keys = {"chat_template_kwargs", "reasoning_effort", "enable_thinking"}
    assert {key: value for key, value in server.chat.items() if key in keys} == body


async def test_a_server_that_cannot_be_told_is_named_once(server: WireServer) -> None:
    server.says(text("a", "stop"))
    first, again = await turns(server, Sampling(reasoning="off"), Sampling(reasoning="off"))
    assert told(first) == ["This server knows no `reasoning: off`, so nothing changes"]
    assert told(again) == []
    assert "reasoning_effort" not in server.chat
