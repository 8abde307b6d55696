"""An Ollama server at its worst: every fault is an error with cause and remedy, and what had come is kept."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from servers.ollama_server import OllamaServer, done, line, ollama_server, part
from servers.wire_server import Reply, Request

from llmtui.domain.events import Failed, Finished, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.http.access import Patience
from llmtui.engines.ollama import connection as ollama_connection
from llmtui.engines.ollama.client import OllamaEngine
from llmtui.errors import EngineError, LlmtuiError

REQUEST = GenerateRequest(id="turn", messages=(ChatMessage("user", "hello"),), sampling=Sampling(seed=1))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "OLLAMA_API_KEY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    async with ollama_server() as running:
        running.add("m:latest")
        yield running


def engine_for(url: str, patience: Patience | None = None, **settings: Any) -> OllamaEngine:
    return OllamaEngine("box/m", Server(url=url, kind="ollama", **settings), "box", "m", patience=patience)


async def load(engine: OllamaEngine) -> OllamaEngine:
    async for _ in engine.load():
        pass
    return engine


async def refusal(engine: OllamaEngine) -> LlmtuiError:
    with pytest.raises(LlmtuiError) as caught:
        await load(engine)
    assert caught.value.title
    assert caught.value.remedy
    assert not engine.alive
    return caught.value


async def failure(server: OllamaServer, patience: Patience | None = None) -> tuple[Failed, str]:
    """How a turn fails, and the text it had brought."""
    engine = await load(engine_for(server.url, patience))
    fold = TurnFold(time.perf_counter_ns())
    event: TurnEvent | None = None
    async for event in engine.generate(REQUEST):
        fold.add(event)
    assert engine.alive, "the next turn may go better"
    await engine.close()
    assert isinstance(event, Failed), event
    assert event.title
    assert event.remedy
    assert "\x1b" not in event.title + event.cause + event.remedy
    return event, fold.text


def says(server: OllamaServer, *pieces: bytes, ends: bool = True) -> None:
    """Answer chats with these bytes; without `ends` the connection breaks in the middle."""

    async def answer(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        for piece in pieces:
            await reply.chunk(piece)
        if ends:
            await reply.send(b"0\r\n\r\n")

    server.on("/api/chat", answer)


def replies(server: OllamaServer, status: int, body: bytes, kind: str = "application/json") -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.whole(status, body, kind)

    server.on("/api/chat", answer)


@pytest.mark.parametrize("json_body", [True, False])
@pytest.mark.parametrize(
    ("status", "kind", "title"),
    [
        (400, "engine", "refuses the request"),
        (401, "engine", "wants a key"),
        (404, "model", "has no model"),
        (429, "engine", "asked too often"),
        (500, "engine", "failed"),
        (302, "engine", "sends us elsewhere"),
    ],
)
async def test_statuses_are_told_with_what_the_server_says(
    server: OllamaServer, status: int, kind: str, title: str, json_body: bool
) -> None:
    said = "model 'm' \x1b not found" if status == 404 else "the reason \x1b of it"
    replies(server, status, json.dumps({"error": said}).encode() if json_body else said.encode(), "text/plain")
    failed, _ = await failure(server)

    assert failed.kind == kind
    assert title in failed.title
    assert "not found" in failed.cause if status == 404 else "the reason" in failed.cause
    assert status == 404 or str(status) in failed.cause


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b'{"error": {"message": "deep"}}', b"[" * 100_000])
async def test_an_odd_body_of_an_error_is_an_error_all_the_same(server: OllamaServer, body: bytes) -> None:
    replies(server, 500, body)
    failed, _ = await failure(server)

    assert "box" in failed.title


async def test_a_prompt_too_long_is_told_with_both_numbers(server: OllamaServer) -> None:
    inner = {"error": {"message": "exceeds the available context size", "n_prompt_tokens": 8889, "n_ctx": 4096}}
    replies(server, 400, json.dumps({"error": json.dumps(inner)}).encode())
    failed, _ = await failure(server)

    assert failed.kind == "context"
    assert "8,889" in failed.cause
    assert "4,096" in failed.cause


async def test_a_prompt_too_long_is_told_with_the_context_where_no_number_came(server: OllamaServer) -> None:
    replies(server, 400, b'{"error": "the prompt is longer than the context length currently available"}')
    failed, _ = await failure(server)

    assert failed.kind == "context"
    assert "512" in failed.cause


async def test_a_server_that_is_not_there(server: OllamaServer) -> None:
    error = await refusal(engine_for("http://127.0.0.1:1"))

    assert "cannot be reached" in error.title
    assert "Failed to connect to Ollama" not in str(error), "the cause is the network's, not the package's sentence"


async def test_a_server_that_goes_away_between_turns(server: OllamaServer) -> None:
    engine = await load(engine_for(server.url))
    server.wire.routes.clear()
    events = [event async for event in engine.generate(REQUEST)]
    await engine.close()

    assert isinstance(events[-1], Failed)
    assert "route" in events[-1].title
    assert "/v1" not in events[-1].remedy
    assert engine.last_log()


async def test_headers_may_take_their_time_and_silence_is_told(server: OllamaServer) -> None:
    patience = Patience(question_s=5, answer_s=0.3)

    async def slow(_request: Request, reply: Reply) -> None:
        await reply.gone()

    server.on("/api/chat", slow)
    failed, _ = await failure(server, patience)
    assert "fallen silent" in failed.title
    assert Patience().answer_s > 30


async def test_silence_in_mid_answer_keeps_what_came(server: OllamaServer) -> None:
    async def slow(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(line(part("so far")))
        await reply.gone()

    server.on("/api/chat", slow)
    failed, text = await failure(server, Patience(answer_s=0.3))

    assert "fallen silent" in failed.title
    assert text == "so far"


async def test_a_connection_cut_in_mid_answer_keeps_what_came(server: OllamaServer) -> None:
    says(server, line(part("so far")), ends=False)
    failed, text = await failure(server)

    assert "broke in the middle" in failed.title
    assert text == "so far"


async def test_a_stream_without_an_end_is_told(server: OllamaServer) -> None:
    says(server, line(part("so far")))
    failed, text = await failure(server)

    assert "stopped in the middle" in failed.title
    assert text == "so far"


@pytest.mark.parametrize(
    "odd", [b"{not json}\n", b"[1]\n", b'"text"\n', b'{"message": 3}\n', b"\xff\xfe\n", b"[" * 50_000 + b"\n"]
)
async def test_a_malformed_line_is_told(server: OllamaServer, odd: bytes) -> None:
    says(server, line(part("so far")), odd)
    failed, text = await failure(server)

    assert "not part of this API" in failed.title
    assert "Ollama" in failed.remedy
    assert text == "so far"


async def test_a_line_may_come_in_pieces_and_empty_parts_do_no_harm(server: OllamaServer) -> None:
    whole = line(part("héllo")) + line(part("")) + line({"done": False}) + line(done())
    says(server, *(whole[at : at + 7] for at in range(0, len(whole), 7)))
    engine = await load(engine_for(server.url))
    fold = TurnFold(time.perf_counter_ns())
    async for event in engine.generate(REQUEST):
        fold.add(event)
    await engine.close()

    assert (fold.text, fold.finish_reason) == ("héllo", "stop")


async def test_a_line_without_end_is_cut_off(server: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ollama_connection, "MAX_LINE", 10_000)
    says(server, line(part("so far")), *[b"x" * 4000] * 3)
    failed, text = await failure(server)

    assert "line without end" in failed.title
    assert text == "so far"


async def test_an_error_in_the_stream_is_the_servers_word(server: OllamaServer) -> None:
    says(server, line(part("so far")), line({"error": "out of memory"}))
    failed, text = await failure(server)

    assert "out of memory" in failed.cause
    assert "middle of the answer" in failed.title
    assert text == "so far"


async def test_cancel_ends_the_servers_work_before_anything_came_and_after(server: OllamaServer) -> None:
    gone, asked = asyncio.Event(), asyncio.Event()

    async def answer(_request: Request, reply: Reply) -> None:
        asked.set()
        await reply.gone()
        gone.set()

    server.on("/api/chat", answer)
    engine = await load(engine_for(server.url))

    async def stop() -> None:
        await asked.wait()
        await engine.cancel("turn")

    stopper = asyncio.create_task(stop())
    events = [event async for event in engine.generate(REQUEST)]
    await stopper
    assert [type(event) for event in events] == [Finished]
    assert events[0].reason == "cancelled"  # type: ignore[union-attr]
    await asyncio.wait_for(gone.wait(), 5)

    gone.clear()

    async def endless(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        try:
            while True:
                await reply.chunk(line(part("x")))
                await asyncio.sleep(0)
                if reply.reader.at_eof():
                    break
        finally:
            gone.set()

    server.on("/api/chat", endless)
    async for event in engine.generate(REQUEST):
        if not isinstance(event, Finished):
            await engine.cancel("turn")
    await asyncio.wait_for(gone.wait(), 5)
    assert engine.alive
    await engine.close()


async def test_cancelling_a_load_closes_its_connection(server: OllamaServer) -> None:
    gone, asked = asyncio.Event(), asyncio.Event()

    async def answer(_request: Request, reply: Reply) -> None:
        asked.set()
        await reply.gone()
        gone.set()

    server.on("/api/generate", answer)
    engine = engine_for(server.url)
    loading = asyncio.create_task(load(engine))
    await asked.wait()
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    await asyncio.wait_for(gone.wait(), 5)
    assert not engine.alive


async def test_a_model_that_is_removed_meanwhile_is_told(server: OllamaServer) -> None:
    engine = await load(engine_for(server.url))
    server.models.clear()
    events = [event async for event in engine.generate(REQUEST)]
    await engine.close()

    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "model"
    assert "ollama pull m" in events[-1].remedy


async def test_a_server_without_memory_list_or_version_still_loads(server: OllamaServer) -> None:
    del server.wire.routes["/api/ps"]
    engine = await load(engine_for(server.url))
    assert engine.loaded is not None
    assert engine.loaded.memory.total_bytes is None
    await engine.close()


async def test_a_proxy_is_not_asked_for_this_machine(server: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "::1,10.0.0.0/8")
    await (await load(engine_for(server.url))).close()


async def test_a_proxy_is_asked_for_other_machines(server: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert "cannot be reached" in (await refusal(engine_for("http://box.invalid:11434"))).title
    async with ollama_server() as proxy:
        proxy.add("m:latest")
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        await refusal(engine_for("http://box.invalid:11434"))
        assert [request.path for request in proxy.wire.requests] == ["http://box.invalid:11434/api/show"]


async def test_a_key_goes_only_where_it_was_sent(server: OllamaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "secret")
    await (await load(engine_for(server.url))).close()
    assert all("authorization" not in request.headers for request in server.wire.requests)

    server.wire.requests.clear()
    await (await load(engine_for(server.url, key_env="OLLAMA_API_KEY"))).close()
    assert {request.headers["authorization"] for request in server.wire.requests} == {"Bearer secret"}
    monkeypatch.delenv("OLLAMA_API_KEY")
    assert "no key" in (await refusal(engine_for(server.url, key_env="OLLAMA_API_KEY"))).title


async def test_tls_of_ones_own(tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    async with ollama_server(tls=context) as server:
        server.add("m:latest")
        assert server.url.startswith("https://")
        error = await refusal(engine_for(server.url))
        assert "certificate" in error.title
        await (await load(engine_for(server.url, verify=str(bundle)))).close()
        await (await load(engine_for(server.url, verify=False))).close()
        assert "settings" in (await refusal(engine_for(server.url, verify=str(tmp_path / "none")))).title


async def test_an_ipv6_host() -> None:
    try:
        async with ollama_server("::1") as server:
            server.add("m:latest")
            engine = await load(engine_for(server.url))
            await engine.close()
    except OSError:
        pytest.skip("this machine has no IPv6")


async def test_a_loading_error_is_the_servers_word(server: OllamaServer) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.json({"error": "model requires more system memory (9 GiB) than is available"}, 500)

    server.on("/api/generate", answer)
    error = await refusal(engine_for(server.url))

    assert isinstance(error, EngineError)
    assert "more system memory" in error.cause
