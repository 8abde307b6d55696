"""The OpenAI-compatible engine against a real HTTP server that behaves as told: requests, counts, sources."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from servers.wire_server import Reply, Request, WireServer, sse, text, usage, wire_server

from llmtui.domain.events import Delta, Failed, Finished, PrefillProgress, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.errors import EngineError, ModelError

QUESTION = (ChatMessage("user", "hello"),)


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


async def opened(server: WireServer, model: str | None = None, **settings: object) -> OpenAIEngine:
    engine = OpenAIEngine("box/m", Server(url=server.url, **settings), "box", model)  # type: ignore[arg-type]
    async for _ in engine.load():
        pass
    return engine


async def play(engine: OpenAIEngine, sampling: Sampling | None = None) -> tuple[list[TurnEvent], TurnFold]:
    fold = TurnFold(time.perf_counter_ns())
    events = []
    request = GenerateRequest(id="turn", messages=QUESTION, sampling=sampling or Sampling(seed=1))
    async for event in engine.generate(request):
        fold.add(event)
        events.append(event)
    return events, fold


def metrics_of(engine: OpenAIEngine, fold: TurnFold) -> TurnMetrics:
    assert engine.loaded is not None
    return fold.metrics(engine.loaded)


async def paced(server: WireServer, *pieces: bytes) -> None:
    """Answer chats with these pieces, each on its way before the next one is written."""

    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        for piece in pieces:
            await reply.send(piece)
            for _ in range(50):
                await asyncio.sleep(0)

    server.on_chat(answer)


async def test_key_headers_and_options_are_sent(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOX_KEY", "secret-1")
    server.says(text("hi", "stop"))
    engine = await opened(server, key_env="BOX_KEY", headers={"X-Team": "a"})
    sampling = Sampling(temperature=0.5, top_k=7, min_p=0.1, repeat_penalty=1.2, seed=5, max_tokens=9, stop=("#",))
    await play(engine, sampling)
    sent = server.requests[-1]
    assert sent.headers["authorization"] == "Bearer secret-1"
    assert sent.headers["x-team"] == "a"
    assert sent.json["stream_options"] == {"include_usage": True}
    assert sent.json["messages"] == [{"role": "user", "content": "hello"}]
    wanted = {"model": "m", "temperature": 0.5, "top_k": 7, "min_p": 0.1, "repeat_penalty": 1.2, "seed": 5}
    wanted |= {"repetition_penalty": 1.2, "max_tokens": 9, "stop": ["#"], "stream": True}
    assert {key: sent.json[key] for key in wanted} == wanted
    await engine.close()


async def test_standard_only_leaves_out_what_openai_refuses(server: WireServer) -> None:
    server.says(text("hi", "stop"))
    engine = await opened(server, standard_only=True)
    await play(engine)
    allowed = {"model", "messages", "stream", "stream_options", "temperature", "top_p", "seed"}
    assert set(server.chat) == allowed
    await engine.close()


async def test_usage_only_chunks_are_not_counted_as_tokens(server: WireServer) -> None:
    await paced(
        server,
        sse(text("one two ")),
        sse(text("three four ")),
        sse(text("five six", "stop")),
        sse(usage(5, 12), done=True),
    )
    engine = await opened(server)
    events, fold = await play(engine)
    found = metrics_of(engine, fold)
    stamps = [stamp for event in events if isinstance(event, Delta) for stamp in event.t_ns]
    assert fold.text == "one two three four five six"
    assert len(stamps) == 3
    assert (found.prompt_tokens, found.completion_tokens) == (5, 12)
    assert found.sources["completion_tokens"] == "engine"
    assert found.decode_tps == pytest.approx(12 * 2 / 3 / ((stamps[-1] - stamps[0]) / 1e9))
    assert found.sources["decode_tps"] == "estimated", "several tokens came in each chunk"
    assert found.itl_p50_ms is None
    assert "chunks" in found.reasons["itl_p50_ms"]
    assert found.prefill_tps is None
    assert found.cached_tokens is None
    assert found.context_size is None
    assert found.rss_anon_bytes is None
    assert "server" in found.reasons["rss_anon_bytes"]
    assert found.sources["ttft_s"] == "measured"
    await engine.close()


async def test_a_token_a_chunk_is_measured(server: WireServer) -> None:
    await paced(server, sse(text("a")), sse(text("b")), sse(text("c", "stop")), sse(usage(5, 4), done=True))
    engine = await opened(server)
    _, fold = await play(engine)
    found = metrics_of(engine, fold)
    assert found.completion_tokens == 4
    assert found.sources["decode_tps"] == "measured"
    assert fold.live().completion_tokens is None, "not known while it runs"
    await engine.close()


async def test_without_usage_counts_stay_unknown(server: WireServer) -> None:
    await paced(server, sse(text("a")), sse(text("b", "stop"), done=True))
    engine = await opened(server)
    _, fold = await play(engine)
    found = metrics_of(engine, fold)
    assert fold.finish_reason == "stop"
    assert found.prompt_tokens is found.completion_tokens is found.decode_tps is found.context_used is None
    assert "does not count" in found.reasons["completion_tokens"]
    assert found.decode_cps is not None
    await engine.close()


@pytest.mark.parametrize("count", [0, -1])
async def test_counts_that_cannot_be_are_unknown(server: WireServer, count: int) -> None:
    nothing = {"usage": {"prompt_tokens": count, "completion_tokens": count}}
    details = {"prompt_tokens_details": {"cached_tokens": 99}}
    odd = {"cache_n": -1, "prompt_n": 3, "prompt_ms": 1e300, "predicted_n": 0, "predicted_ms": -5}
    server.says(text("a", **nothing), text("b", "stop", **nothing), {**usage(count, count, **details), "timings": odd})
    engine = await opened(server)
    _, fold = await play(engine)
    found = metrics_of(engine, fold)
    assert fold.text == "ab"
    assert found.prompt_tokens is found.completion_tokens is found.prefill_tps is found.context_used is None
    assert "does not count" in found.reasons["completion_tokens"]
    await engine.close()


async def test_llama_servers_own_clock_is_taken(server: WireServer) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx_train": 4096, "n_vocab": 9}}]})

    async def props(_request: Request, reply: Reply) -> None:
        await reply.json({"default_generation_settings": {"n_ctx": 100}, "build_info": "b7", "model_ftype": "Q4_0"})

    server.routes["/props"] = props

    def timings(count: int, ms: float) -> dict[str, object]:
        return {"timings": {"cache_n": 3, "prompt_n": 7, "prompt_ms": 14.0, "predicted_n": count, "predicted_ms": ms}}

    progress = {"choices": [], "prompt_progress": {"total": 10, "cache": 3, "processed": 10}}
    end = {**usage(10, 6, prompt_tokens_details={"cached_tokens": 3}), **timings(6, 50.0)}
    server.says(progress, text(None), text("a", **timings(1, 0.0)), text("好", **timings(4, 30.0)),
                text("b", **timings(5, 40.0)), text(None, "stop"), end)  # fmt: skip
    engine = await opened(server)
    assert engine.loaded is not None
    assert (engine.loaded.served_by, engine.loaded.engine_build) == ("llama-server", "llama-server b7")
    assert (engine.loaded.context_size, engine.loaded.trained_context, engine.loaded.pid) == (100, 4096, None)
    events, fold = await play(engine)
    assert isinstance(events[0], PrefillProgress)
    found = metrics_of(engine, fold)
    assert [event.n_tokens for event in events if isinstance(event, Delta)] == [1, 3, 1, 1]
    assert found.decode_tps == pytest.approx(5 / 0.050)
    assert found.prefill_tps == pytest.approx(7 / 0.014)
    assert found.sources["decode_tps"] == found.sources["prefill_tps"] == "engine"
    assert (found.cached_tokens, found.completion_tokens, found.context_used) == (3, 6, 15)
    assert server.chat["timings_per_token"] is True
    await engine.close()


async def test_vllm_counts_as_it_goes(server: WireServer) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 2048}]})

    async def tokenize(request: Request, reply: Reply) -> None:
        await reply.json({"tokens": [1, 2, 3] if "messages" in request.json else [7], "count": 3})

    server.routes["/tokenize"] = tokenize
    count = [{"usage": {"prompt_tokens": 5, "completion_tokens": n}} for n in (1, 4, 5)]
    await paced(
        server, sse(text("a", **count[0])), sse(text("bcd", **count[1])), sse(text("e", "stop", **count[2]), done=True)
    )
    engine = await opened(server)
    assert engine.loaded is not None
    assert engine.loaded.context_size == 2048
    events, fold = await play(engine)
    assert server.chat["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert [event.n_tokens for event in events if isinstance(event, Delta)] == [1, 3, 1]
    found = metrics_of(engine, fold)
    assert found.completion_tokens == 5
    assert found.sources["decode_tps"] == "measured"
    assert await engine.count_prompt(QUESTION) == 3
    assert await engine.tokenise("x") == [7]
    await engine.close()


async def test_a_server_that_cannot_count_says_so(server: WireServer) -> None:
    engine = await opened(server)
    before = len(server.requests)
    with pytest.raises(EngineError, match="does not count"):
        await engine.count_prompt(QUESTION)
    assert len(server.requests) == before, "nothing is asked for every key that is typed"
    await engine.close()


async def test_thinking_is_told_apart_from_the_answer(server: WireServer) -> None:
    def thought(words: str, key: str = "reasoning_content") -> dict[str, object]:
        return {"choices": [{"delta": {key: words}}]}

    server.says(thought("let me "), thought("see", "reasoning"), text("42", "stop"))
    engine = await opened(server)
    _, fold = await play(engine)
    assert (fold.text, fold.reasoning) == ("42", "let me see")
    await engine.close()


async def test_a_server_that_does_not_stream_is_understood(server: WireServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        whole = {"choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}], **usage(3, 4)}
        whole["choices"] = [{"message": {"content": "all at once"}, "finish_reason": "stop"}]
        await reply.json(whole)

    server.on_chat(answer)
    engine = await opened(server)
    events, fold = await play(engine)
    assert isinstance(events[-1], Finished)
    assert (fold.text, fold.timings.completion_tokens) == ("all at once", 4)
    await engine.close()


@pytest.mark.parametrize(
    ("limit", "context", "reason"), [(12, 100, "length"), (None, 17, "context_full"), (None, 100, "length")]
)
async def test_what_length_means(server: WireServer, limit: int | None, context: int, reason: str) -> None:
    server.on_models({"data": [{"id": "m", "max_model_len": context}]})
    server.says(text("a", "length"), usage(5, 12))
    engine = await opened(server)
    events, _ = await play(engine, Sampling(max_tokens=limit))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == reason
    await engine.close()


async def test_cancel_closes_the_connection_and_keeps_the_text(server: WireServer) -> None:
    closed = asyncio.Event()

    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("begun")))
        await reply.gone()
        closed.set()

    server.on_chat(answer)
    engine = await opened(server)
    fold = TurnFold(0)
    async for event in engine.generate(GenerateRequest(id="turn", messages=QUESTION, sampling=Sampling())):
        fold.add(event)
        if isinstance(event, Delta):
            await engine.cancel("turn")
    assert (fold.finish_reason, fold.text) == ("cancelled", "begun")
    await asyncio.wait_for(closed.wait(), 5)
    await engine.close()


async def test_cancel_before_the_first_byte(server: WireServer) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def silent(_request: Request, reply: Reply) -> None:
        asked.set()
        await reply.gone()
        closed.set()

    server.on_chat(silent)
    engine = await opened(server)
    task = asyncio.create_task(play(engine))
    await asked.wait()
    await engine.cancel("turn")
    events, _ = await task
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"
    await asyncio.wait_for(closed.wait(), 5)
    await engine.close()


async def test_cancel_at_once(server: WireServer) -> None:
    server.says(text("never read", "stop"))
    engine = await opened(server)
    stream = engine.generate(GenerateRequest(id="turn", messages=QUESTION, sampling=Sampling()))
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await engine.cancel("turn")
    ended = await first
    assert isinstance(ended, Finished)
    assert ended.reason == "cancelled"
    await engine.close()


async def test_the_only_model_is_taken_and_named(server: WireServer) -> None:
    engine = OpenAIEngine("box", Server(url=server.url), "box", None)
    async for _ in engine.load():
        pass
    assert engine.loaded is not None
    assert engine.loaded.name == "box/m"
    await engine.close()


@pytest.mark.parametrize(
    ("models", "wanted", "words"),
    [
        (["qwen2-7b", "llama"], "qwen2-8b", "near matches: qwen2-7b"),
        (["a", "b"], None, "a, b"),
        ([], None, "no model"),
        ([], "x", "it has none"),
    ],
)
async def test_a_model_that_is_not_there(server: WireServer, models: list[str], wanted: str | None, words: str) -> None:
    server.on_models({"data": [{"id": name} for name in models]})
    with pytest.raises(ModelError) as caught:
        await opened(server, wanted)
    assert words in str(caught.value)


async def test_a_server_without_a_list_is_taken_at_the_users_word(server: WireServer) -> None:
    del server.routes["/v1/models"]
    server.says(text("hi", "stop"))
    engine = await opened(server, "anything")
    _, fold = await play(engine)
    assert (fold.text, server.chat["model"]) == ("hi", "anything")
    await engine.close()


async def test_turns_side_by_side_are_kept_apart(server: WireServer) -> None:
    waiting: dict[str, asyncio.Event] = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def answer(request: Request, reply: Reply) -> None:
        name = request.json["messages"][0]["content"]
        other = "b" if name == "a" else "a"
        await reply.begin_events()
        await reply.send(sse(text(f"{name}1")))
        waiting[name].set()
        await waiting[other].wait()
        await reply.send(sse(text(f"{name}2", "stop"), usage(3, 2), done=True))

    server.on_chat(answer)
    engine = await opened(server)

    async def turn(name: str) -> TurnFold:
        fold = TurnFold(0)
        request = GenerateRequest(id=name, messages=(ChatMessage("user", name),), sampling=Sampling())
        async for event in engine.generate(request):
            fold.add(event)
        return fold

    first, second = await asyncio.gather(turn("a"), turn("b"))
    assert (first.text, second.text) == ("a1a2", "b1b2")
    await engine.close()


async def test_close_in_an_answer_fails_it(server: WireServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(sse(text("begun")))
        await reply.gone()

    server.on_chat(answer)
    engine = await opened(server)
    events = []
    async for event in engine.generate(GenerateRequest(id="turn", messages=QUESTION, sampling=Sampling())):
        events.append(event)
        await engine.close()
    assert isinstance(events[-1], Failed)
