"""A server that says no: every status is an error with cause and remedy, whatever body comes with it."""

import json
from collections.abc import AsyncIterator

import pytest
from servers.talk import failure, load, opened, play, replies
from servers.wire_server import Reply, Request, WireServer, text, wire_server

from llmtui.domain.events import Failed, Finished
from llmtui.domain.settings import Server
from llmtui.engines.http.access import Patience
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.errors import EngineError, LlmtuiError


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


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


async def test_a_redirect_is_not_followed_and_says_where_to(server: WireServer) -> None:
    async def elsewhere(_request: Request, reply: Reply) -> None:
        await reply.whole(308, b"", Location="https://other.example.test/v1/chat/completions")

    server.on_chat(elsewhere)
    failed, _ = await failure(server)
    assert "HTTP 308: to https://other.example.test/v1" in failed.cause
    assert "final address" in failed.remedy


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


async def test_a_llama_server_that_was_started_with_another_model(server: WireServer) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": "llamacpp", "aliases": ["mm"]}]})
    engine = await opened(server)
    server.says(text("mine", "stop", model="mm"))
    event, fold = await play(engine)
    assert isinstance(event, Finished)
    server.says(text("not mine", "stop", model="other\x1b"))
    event, fold = await play(engine)
    assert isinstance(event, Failed)
    assert (event.kind, event.title, fold.text) == ("model", "box serves another model now", "")
    assert event.cause == "'other␛' answers; asked for 'm'"
    await engine.close()


async def test_other_servers_may_call_a_model_as_they_like(server: WireServer) -> None:
    server.says(text("fine", "stop", model="m-2024-08-06"))
    event, _ = await play(await opened(server))
    assert isinstance(event, Finished)


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


async def test_errors_of_the_load_are_ours(server: WireServer) -> None:
    async def silent(_request: Request, reply: Reply) -> None:
        await reply.gone()

    server.routes["/v1/models"] = silent
    with pytest.raises(LlmtuiError, match="fallen silent"):
        await opened(server, Patience(question_s=0.05))
