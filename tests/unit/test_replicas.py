"""Several servers that share the load: who is asked, who is left out, and who comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers.wire_server import Reply, Request, WireServer, sse, text, wire_server

from llmtui.domain.events import Delta, Failed, Finished, Notice, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Runtime, Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.engines.replicas.choice import Replica
from llmtui.engines.replicas.engine import ReplicatedEngine
from llmtui.errors import EngineError, LlmtuiError, ModelError
from llmtui.services.runs.stage import identity_of
from llmtui.services.servers import list_all_served, served_details, served_model
from llmtui.services.wiring import open_engine

DOWN = "http://127.0.0.1:1/v1"
WAIT_S = 10.0


@pytest.fixture
async def two() -> AsyncIterator[tuple[WireServer, WireServer]]:
    async with wire_server() as a, wire_server() as b:
        a.says(text("from a", "stop"))
        b.says(text("from b", "stop"))
        yield a, b


def models(*ids: str, **more: Any) -> dict[str, Any]:
    return {"data": [{"id": each, **more} for each in ids]}


def share(*urls: str, model: str | None = "m", rest_s: float = 60.0) -> ReplicatedEngine:
    server = Server(urls=urls)

    def opener(host: str, one: Server) -> Replica:
        return Replica(host, lambda wanted: OpenAIEngine("lab/m", one, f"lab ({host})", wanted))

    replicas = [opener(host, one) for host, one in zip(server.hosts, server.replicas, strict=True)]
    return ReplicatedEngine("lab", replicas, model, rest_s=rest_s, grace_s=WAIT_S)


@contextlib.asynccontextmanager
async def opened(engine: ReplicatedEngine) -> AsyncIterator[LoadedModel]:
    try:
        async for _ in engine.load():
            pass
        assert engine.loaded is not None
        yield engine.loaded
    finally:
        await engine.close()


def request(id_: str = "r", conversation: str | None = None) -> GenerateRequest:
    asked = (ChatMessage("user", "hello"),)
    return GenerateRequest(id=id_, messages=asked, sampling=Sampling(), conversation=conversation)


async def turn(engine: ReplicatedEngine, id_: str = "r", conversation: str | None = None) -> list[TurnEvent]:
    return [event async for event in engine.generate(request(id_, conversation))]


def answer(events: list[TurnEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def told(events: list[TurnEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice) and event.kind == "replica"]


async def test_idle_servers_take_turns_and_say_who_answered(two: tuple[WireServer, WireServer]) -> None:
    engine = share(two[0].url, two[1].url)
    async with opened(engine) as loaded:
        turns = [await turn(engine) for _ in range(4)]
    assert [answer(events) for events in turns] == ["from a", "from b", "from a", "from b"]
    assert isinstance(turns[1][-1], Finished)
    assert turns[1][-1].timings.replica == f"{two[1].url}#m"
    assert loaded.replicas == (two[0].url, two[1].url)
    assert loaded.description == "m at lab, 2 replicas"


async def test_whoever_has_least_to_do_is_asked(two: tuple[WireServer, WireServer]) -> None:
    waits, go = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request, reply: Reply) -> None:
        waits.set()
        await go.wait()
        await reply.begin_events()
        await reply.send(sse(text("from a", "stop"), done=True))

    two[0].on_chat(slow)
    engine = share(two[0].url, two[1].url)
    async with opened(engine):
        first = asyncio.create_task(turn(engine, "slow"))
        await waits.wait()
        assert [answer(await turn(engine)) for _ in range(3)] == ["from b"] * 3
        go.set()
        assert answer(await first) == "from a"


async def test_a_conversation_stays_where_it_is_cached_until_that_server_is_gone(
    two: tuple[WireServer, WireServer],
) -> None:
    engine = share(two[0].url, two[1].url)
    async with opened(engine):
        stays = [answer(await turn(engine, conversation=chat)) for chat in ("x", "y", "x", "x", "y")]
        assert stays == ["from a", "from b", "from a", "from a", "from b"]
        two[0].routes.pop("/v1/chat/completions")
        two[0].on_models(models("another"))
        assert [answer(await turn(engine, conversation="x")) for _ in range(2)] == ["from b", "from b"]


async def test_a_failure_before_the_answer_is_put_to_another_and_told_once(two: tuple[WireServer, WireServer]) -> None:
    async def broken(_request: Request, reply: Reply) -> None:
        await reply.json({"error": "no memory"}, 500)

    two[0].on_chat(broken)
    engine = share(two[0].url, two[1].url)
    async with opened(engine):
        turns = [await turn(engine) for _ in range(3)]
        assert engine.answering == 1
    assert [answer(events) for events in turns] == ["from b"] * 3
    (once,) = [line for events in turns for line in told(events)]
    assert once.endswith("failed: HTTP 500: no memory; it is left out, 1 of 2 replicas of lab go on")
    assert sum(request.path.endswith("completions") for request in two[0].requests) == 1


async def test_a_request_that_fails_everywhere_is_nobodys_fault(two: tuple[WireServer, WireServer]) -> None:
    async def broken(_request: Request, reply: Reply) -> None:
        await reply.json({"error": "odd request"}, 500)

    for server in two:
        server.on_chat(broken)
    engine = share(two[0].url, two[1].url)
    async with opened(engine):
        last = (await turn(engine))[-1]
        assert isinstance(last, Failed)
        assert last.cause == "HTTP 500: odd request; none of the 2 replicas asked answers"
        assert engine.answering == 2


async def test_a_refused_request_is_not_put_to_others(two: tuple[WireServer, WireServer]) -> None:
    async def refused(_request: Request, reply: Reply) -> None:
        await reply.json({"error": "unknown option"}, 400)

    two[0].on_chat(refused)
    engine = share(two[0].url, two[1].url)
    async with opened(engine):
        last = (await turn(engine))[-1]
        assert isinstance(last, Failed)
        assert last.cause == "HTTP 400: unknown option"
        assert engine.answering == 2


async def test_an_answer_that_breaks_off_fails_and_the_next_try_goes_elsewhere(
    two: tuple[WireServer, WireServer],
) -> None:
    async def breaks(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        await reply.send(sse(text("from")))

    two[0].on_chat(breaks)
    engine = share(two[0].url, two[1].url)
    async with opened(engine):
        events = await turn(engine)
        assert answer(events) == "from"
        assert isinstance(events[-1], Failed)
        assert "stopped in the middle" in events[-1].title
        assert told(events)
        assert answer(await turn(engine)) == "from b"


async def test_a_server_comes_back_when_it_answers_again() -> None:
    async with wire_server() as b:
        b.says(text("from b", "stop"))
        async with wire_server() as a:
            port, url = a.port, a.url
        engine = share(url, b.url, rest_s=0.01)
        async with opened(engine) as loaded:
            assert loaded.replicas == (b.url,)
            first = await turn(engine)
            assert "cannot be reached" in told(first)[0]
            async with wire_server(port=port) as a:
                a.says(text("from a", "stop"))
                async with asyncio.timeout(WAIT_S):
                    while engine.answering < 2:
                        await turn(engine)
                assert {answer(await turn(engine)) for _ in range(2)} == {"from a", "from b"}
                assert len(engine.loaded.replicas if engine.loaded else ()) == 2


async def test_when_all_are_gone_the_error_is_that_of_a_dead_server_and_the_first_back_answers(
    two: tuple[WireServer, WireServer],
) -> None:
    async with wire_server() as a, wire_server() as b:
        engine = share(a.url, b.url)
        where = a.port
        async with opened(engine):
            pass
        engine = share(a.url, b.url)
        loading = engine.load()
        async for _ in loading:
            pass
    try:
        for _ in range(2):
            last = (await turn(engine))[-1]
            assert isinstance(last, Failed)
            assert (last.kind, last.cause) == ("engine", "Connection refused; none of the 2 replicas asked answers")
        assert engine.answering == 0
        async with wire_server(port=where) as a:
            a.says(text("again", "stop"))
            events = await turn(engine)
            assert answer(events) == "again"
            assert any("answers again" in line for line in told(events))
    finally:
        await engine.close()


async def test_none_at_all_cannot_be_loaded() -> None:
    engine = share(DOWN, "http://127.0.0.1:2/v1")
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        async for _ in engine.load():
            pass
    assert caught.value.cause == "Connection refused; none of the 2 replicas answers"
    assert not engine.alive


async def test_a_model_that_only_some_serve_is_asked_for_only_there(two: tuple[WireServer, WireServer]) -> None:
    a, b = two
    a.on_models(models("other"))
    b.on_models(models("m", "other"))
    engine = share(a.url, b.url)
    async with opened(engine):
        turns = [await turn(engine) for _ in range(2)]
    assert [answer(events) for events in turns] == ["from b", "from b"]
    assert "has no model 'm'" in told(turns[0])[0]
    listed = await list_all_served({"lab": Server(urls=(a.url, b.url))})
    assert [info.name for info in listed] == ["lab/other", "lab/m"]


async def test_without_a_name_the_first_ones_model_is_meant(two: tuple[WireServer, WireServer]) -> None:
    two[1].on_models(models("n"))
    engine = share(two[0].url, two[1].url, model=None)
    async with opened(engine):
        events = await turn(engine)
    assert answer(events) == "from a"
    assert "serves another model: 'n' instead of 'm'" in told(events)[0]


async def test_a_run_is_taken_up_whoever_answers_then(two: tuple[WireServer, WireServer]) -> None:
    identities = []
    for urls in ((two[0].url, two[1].url), (DOWN, two[1].url), (two[0].url, DOWN)):
        engine = share(*urls)
        async with opened(engine) as loaded:
            identities.append(identity_of("lab/m", loaded))
    assert identities[0] == identities[1] == identities[2]


async def test_differences_are_told_and_the_smaller_context_counts(two: tuple[WireServer, WireServer]) -> None:
    two[0].on_models(models("m", max_model_len=4096))
    two[1].on_models(models("m", max_model_len=2048))
    engine = share(two[0].url, two[1].url)
    async with opened(engine) as loaded:
        assert loaded.context_size == 2048
        (line,) = told(await turn(engine))
    assert line.endswith("context 2,048 instead of 4,096")


async def test_cancel_reaches_the_server_that_answers(two: tuple[WireServer, WireServer]) -> None:
    gone = asyncio.Event()

    async def endless(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        await reply.send(sse(text("word ")))
        await reply.gone()
        gone.set()

    two[0].on_chat(endless)
    engine = share(two[0].url, two[1].url)
    async with opened(engine):
        events = []
        async for event in engine.generate(request("c")):
            events.append(event)
            if isinstance(event, Delta):
                await engine.cancel("c")
        assert isinstance(events[-1], Finished)
        assert events[-1].reason == "cancelled"
        await asyncio.wait_for(gone.wait(), WAIT_S)
        assert engine.answering == 2


async def test_counts_are_had_from_whoever_counts(two: tuple[WireServer, WireServer]) -> None:
    async def counts(_request: Request, reply: Reply) -> None:
        await reply.json({"tokens": [1, 2, 3]})

    for server in two:
        server.on_models(models("m", owned_by="llamacpp"))
        server.routes["/tokenize"] = counts
    async with wire_server() as gone:
        gone.on_models(models("m", owned_by="llamacpp"))
        engine = share(gone.url, two[0].url, two[1].url)
        loading = engine.load()
        async for _ in loading:
            pass
    try:
        assert engine.answering == 3
        assert [len(await engine.tokenise("hello")) for _ in range(3)] == [3, 3, 3]
        assert engine.answering == 2
        for server in two:
            server.routes.pop("/tokenize")
        with pytest.raises(LlmtuiError, match="does not know the route"):
            await engine.count_prompt("hello")
        assert engine.answering == 2
    finally:
        await engine.close()


async def test_the_program_opens_them_together_and_shows_each(two: tuple[WireServer, WireServer]) -> None:
    servers = {"lab": Server(urls=(two[0].url, two[1].url, DOWN), key_env=None)}
    info = served_model("lab/m", servers)
    assert info is not None
    engine = open_engine(servers, info, Runtime())
    assert isinstance(engine, ReplicatedEngine)
    async with opened(engine) as loaded:
        assert loaded.name == "lab/m"
        assert engine.answering == 2
    details = await served_details(info, servers)
    assert [line.partition(": ")[0] for line in details.replicas[:2]] == list(servers["lab"].hosts[:2])
    assert "cannot be reached" in details.replicas[2]
    with pytest.raises(ModelError, match="has no model"):
        await served_details(served_model("lab/x", servers) or info, {"lab": Server(urls=(two[0].url, two[1].url))})


def test_paths_tell_replicas_behind_one_host_apart() -> None:
    assert Server(urls=("http://h/a/v1", "http://h/b/v1", "http://i:1/v1")).hosts == ("h/a/v1", "h/b/v1", "i:1")
