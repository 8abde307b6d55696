"""A server at its worst: every fault is an error with cause and remedy, and what had come is kept."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from servers.wire_server import Reply, Request, WireServer, sse, text, usage, wire_server

from llmtui.domain.events import Delta, Failed, Finished, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.http.access import Patience, is_loopback
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.engines.openai.connection import api_url
from llmtui.engines.openai.sse import MAX_LINE, EventParser
from llmtui.errors import EngineError, LlmtuiError

REQUEST = GenerateRequest(id="turn", messages=(ChatMessage("user", "hello"),), sampling=Sampling(seed=1))
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


async def load(engine: OpenAIEngine) -> OpenAIEngine:
    async for _ in engine.load():
        pass
    return engine


async def opened(server: WireServer, patience: Patience | None = None) -> OpenAIEngine:
    return await load(OpenAIEngine("box/m", Server(url=server.url), "box", "m", patience=patience))


async def play(engine: OpenAIEngine) -> tuple[TurnEvent, TurnFold]:
    """The last event, and the fold of all."""
    fold = TurnFold(time.perf_counter_ns())
    event: TurnEvent | None = None
    async for event in engine.generate(REQUEST):
        fold.add(event)
    assert event is not None
    return event, fold


async def failure(server: WireServer, patience: Patience | None = None) -> tuple[Failed, str]:
    """How a turn fails, and the text it had brought."""
    engine = await opened(server, patience)
    event, fold = await play(engine)
    assert engine.alive, "the next turn may go better"
    await engine.close()
    assert isinstance(event, Failed), event
    assert event.title
    assert event.remedy
    assert "\x1b" not in event.title + event.cause + event.remedy
    return event, fold.text


def replies(server: WireServer, status: int, body: bytes, kind: str = "application/json") -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.whole(status, body, kind)

    server.on_chat(answer)


async def test_a_server_that_is_down() -> None:
    engine = OpenAIEngine("box/m", Server(url="http://127.0.0.1:1/v1"), "box", "m")
    with pytest.raises(EngineError, match="box cannot be reached") as caught:
        await load(engine)
    assert "Start the server" in caught.value.remedy
    assert not engine.alive


async def test_a_server_that_goes_down_later_and_comes_back() -> None:
    async with wire_server() as server:
        engine = await opened(server)
    event, _ = await play(engine)
    assert isinstance(event, Failed)
    assert "cannot be reached" in event.title
    assert engine.alive
    async with wire_server(port=server.port) as again:
        again.says(text("back", "stop"))
        _, fold = await play(engine)
    assert fold.text == "back"
    await engine.close()


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
        await reply.send(b"data: " + b"x" * (MAX_LINE + 1))
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


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (400, "refuses the request"),
        (401, "wants a key"),
        (403, "wants a key"),
        (404, "cannot chat"),
        (429, "asked too often"),
        (500, "failed"),
        (502, "failed"),
        (503, "not ready"),
        (307, "sends us elsewhere"),
        (418, "refuses the request"),
    ],
)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "the \\u001b reason"}}', ": the ␛ reason"),
        (b'{"detail": "why"}', ": why"),
        (b'["odd"]', ': ["odd"]'),
        (b"<html><b>Bad</b> luck\x1b</html>", ": Bad luck␛"),
        (b"", ""),
        (b"[" * 100_000, ": [["),
    ],
)
async def test_a_status_with_any_body(server: WireServer, status: int, title: str, body: bytes, said: str) -> None:
    replies(server, status, body)
    failed, _ = await failure(server)
    assert title in failed.title
    assert f"HTTP {status}{said}" in failed.cause
    assert len(failed.cause) < 500


async def test_a_refused_key_names_its_variable(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_request: Request, reply: Reply) -> None:
        await reply.json({"error": {"message": "bad key"}}, 401)

    server.routes["/v1/models"] = refuse
    monkeypatch.setenv("BOX_KEY", "wrong")
    with pytest.raises(EngineError, match="refuses the key") as caught:
        await load(OpenAIEngine("box/m", Server(url=server.url, key_env="BOX_KEY"), "box", "m"))
    assert "$BOX_KEY" in caught.value.remedy
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize("value", [None, " ", "two\nlines", "schlüssel"])
async def test_a_key_that_is_not_there(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOX_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("BOX_KEY", value)
    with pytest.raises(EngineError, match="no key for box") as caught:
        await load(OpenAIEngine("box/m", Server(url="http://127.0.0.1:1/v1", key_env="BOX_KEY"), "box", "m"))
    assert "export BOX_KEY" in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "error", "numbers"),
    [
        (400, {"type": "exceed_context_size_error", "message": "x", "n_prompt_tokens": 2106, "n_ctx": 512}, "2,106"),
        (400, {"message": "This model's maximum context length is 4096 tokens. However, you requested 5000"}, "4096"),
        (400, {"code": "context_length_exceeded", "message": "no"}, "no"),
    ],
)
async def test_a_prompt_that_is_too_long(
    server: WireServer, status: int, error: dict[str, object], numbers: str
) -> None:
    replies(server, status, json.dumps({"error": error}).encode())
    failed, _ = await failure(server)
    assert failed.kind == "context"
    assert numbers in failed.cause


async def test_a_page_instead_of_a_list_of_models(server: WireServer) -> None:
    async def page(_request: Request, reply: Reply) -> None:
        await reply.whole(200, b"<html>Welcome to my router</html>", "text/html")

    server.routes["/v1/models"] = page
    with pytest.raises(EngineError, match="not part of this API") as caught:
        await opened(server)
    assert "Welcome" in caught.value.cause


async def test_a_port_that_speaks_something_else() -> None:
    async def ssh(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.0\r\n")
        writer.close()

    listener = await asyncio.start_server(ssh, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    with pytest.raises(EngineError, match="did not answer as a web server"):
        await load(OpenAIEngine("box/m", Server(url=url), "box", "m"))
    listener.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_certificate_of_ones_own(authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    async with wire_server(tls=context) as server:
        server.says(text("safe", "stop"))
        with pytest.raises(EngineError, match="certificate of box is not trusted") as caught:
            await opened(server)
        assert "verify" in caught.value.remedy
        for verify in (str(file), False):
            engine = await load(OpenAIEngine("box/m", Server(url=server.url, verify=verify), "box", "m"))
            _, fold = await play(engine)
            assert fold.text == "safe"
            await engine.close()


async def test_an_authority_file_that_is_missing(tmp_path: Path) -> None:
    server = Server(url="https://127.0.0.1:1/v1", verify=str(tmp_path / "none.pem"))
    with pytest.raises(EngineError, match="settings for box"):
        await load(OpenAIEngine("box/m", server, "box", "m"))


async def test_an_ipv6_host() -> None:
    async with wire_server("::1") as server:
        assert server.url.startswith("http://[::1]:")
        server.says(text("six", "stop"))
        _, fold = await play(await opened(server))
        assert fold.text == "six"


async def test_a_proxy_is_not_asked_for_the_way_to_this_machine(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    server.says(text("direct", "stop"))
    _, fold = await play(await opened(server))
    assert fold.text == "direct"


async def test_a_proxy_is_taken_for_other_machines(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    server.routes["http://llm.example.test:9000/v1/models"] = server.routes["/v1/models"]
    engine = await load(OpenAIEngine("far/m", Server(url="http://llm.example.test:9000/v1"), "far", "m"))
    assert engine.alive
    await engine.close()


async def test_a_proxy_that_refuses(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", server.url.removesuffix("/v1"))
    with pytest.raises(EngineError, match="proxy refused the way to far") as caught:
        await load(OpenAIEngine("far/m", Server(url="https://llm.example.test/v1"), "far", "m"))
    assert "NO_PROXY" in caught.value.remedy


async def test_a_proxy_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(EngineError, match="settings for far"):
        await load(OpenAIEngine("far/m", Server(url="http://llm.example.test/v1"), "far", "m"))


async def test_the_model_is_unloaded_meanwhile(server: WireServer) -> None:
    engine = await opened(server)
    server.on_models({"data": [{"id": "m2"}, {"id": "other"}]})
    replies(server, 404, b'{"error": {"message": "model m not found"}}')
    event, _ = await play(engine)
    assert isinstance(event, Failed)
    assert event.kind == "model"
    assert event.title == "box has no model 'm'"
    assert "near matches: m2" in event.cause
    assert "no model 'm'" in engine.last_log()[-1]
    await engine.close()


async def test_a_server_that_only_continues_texts(server: WireServer) -> None:
    failed, _ = await failure(server)
    assert failed.title == "box cannot chat: it has no such route"
    assert "/v1/chat/completions: HTTP 404: nothing here" in failed.cause
    assert "ask --raw" in failed.remedy


async def test_a_404_where_the_list_is_gone_too(server: WireServer) -> None:
    engine = await opened(server)
    del server.routes["/v1/models"]
    event, _ = await play(engine)
    assert isinstance(event, Failed)
    assert "does not know the model or the route" in event.title
    assert "'m'" in event.cause
    await engine.close()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "No models loaded. Please load a model in the developer page"),
        (409, "Model qwen is not loaded"),
        (400, '{"error": {"code": "model_not_found", "message": "?"}}'),
    ],
)
async def test_a_model_that_is_not_loaded_there(server: WireServer, status: int, said: str) -> None:
    replies(server, status, said.encode())
    failed, _ = await failure(server)
    assert failed.kind == "model"
    assert "has not loaded the model" in failed.title


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("http://host:1", "http://host:1/v1"),
        ("http://host:1/", "http://host:1/v1"),
        ("http://host:1/v1/", "http://host:1/v1"),
        ("https://host/api/openai#m", "https://host/api/openai"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1"),
    ],
)
def test_addresses(url: str, api: str) -> None:
    assert api_url(url) == api


@pytest.mark.parametrize(
    ("host", "here"), [("127.0.0.2", 1), ("[::1]", 1), ("localhost", 1), ("10.0.0.1", 0), ("a.b", 0)]
)
def test_what_this_machine_is(host: str, here: int) -> None:
    assert is_loopback(f"http://{host}:1/v1") == bool(here)


EVENTS = st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1), max_size=5)


@given(EVENTS, st.data())
def test_events_come_whole_however_the_bytes_are_cut(events: list[str], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    stream = "".join(f": ping{end}event: x{end}data: {event}{end}{end}" for event in events).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parser, found = EventParser(), []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parser.feed(stream[start:stop])
    assert [event.decode() for event in found + parser.end()] == events


def test_several_data_lines_are_one_event() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\ndata:b\n\ndata: rest") == [b"a\nb"]
    assert parser.end() == [b"rest"]


async def test_errors_of_the_load_are_ours(server: WireServer) -> None:
    async def silent(_request: Request, reply: Reply) -> None:
        await reply.gone()

    server.routes["/v1/models"] = silent
    with pytest.raises(LlmtuiError, match="fallen silent"):
        await opened(server, Patience(question_s=0.05))
