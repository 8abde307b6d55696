"""What servers of each kind tell of their models, over real HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from servers.talk import load
from servers.wire_server import Reply, Request, WireServer, wire_server

from llmtui.domain.events import LoadProgress
from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Server
from llmtui.engines.http.access import Patience
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.services.servers import ServedDetails, list_all_served, served_details, served_model


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


def tells(server: WireServer, route: str, value: Any) -> None:
    async def answer(_request: Request, reply: Reply) -> None:
        await reply.json(value)

    server.routes[route] = answer


def studio(server: WireServer) -> None:
    ids = ("qwen2", "nomic", "phi")
    server.on_models({"data": [{"id": name, "owned_by": "organization_owner"} for name in ids]})
    known = {"arch": "qwen2", "quantization": "Q4_K_M", "max_context_length": 32768, "type": "llm"}
    rows = [
        {"id": "qwen2", **known, "state": "loaded", "loaded_context_length": 4096},
        {"id": "nomic", "type": "embeddings", "state": "not-loaded", "max_context_length": 2048},
        {"id": "phi", "type": "vlm", "state": "not-loaded", "max_context_length": 131072},
    ]
    tells(server, "/api/v0/models", {"data": rows})


async def shown(server: WireServer, spec: str = "box/m") -> ServedDetails:
    servers = {"box": Server(url=server.url)}
    info = served_model(spec, servers)
    assert isinstance(info, ModelInfo)
    return await served_details(info, servers)


async def test_lm_studio_tells_context_state_and_what_only_embeds(server: WireServer) -> None:
    studio(server)
    loaded, other = await list_all_served({"box": Server(url=server.url)})
    assert (loaded.name, loaded.loaded, loaded.architecture, loaded.quantisation) == (
        *("box/qwen2", True),
        *("qwen2", "Q4_K_M"),
    )
    assert (loaded.trained_context, other.name, other.loaded) == (32768, "box/phi", False)
    engine = await load(OpenAIEngine("box/qwen2", Server(url=server.url), "box", "qwen2"))
    assert engine.loaded is not None
    assert (engine.loaded.context_size, engine.loaded.trained_context) == (4096, 32768)
    assert (engine.loaded.served_by, engine.loaded.architecture) == ("LM Studio", "qwen2")
    await engine.close()
    assert (await shown(server, "box/phi")).context_size is None, "it shows once the model is loaded"


@pytest.mark.parametrize("extra", [None, {"data": "odd"}, {"data": []}])
async def test_an_lm_studio_without_its_own_routes_still_lists(server: WireServer, extra: Any) -> None:
    server.on_models({"data": [{"id": "qwen2", "owned_by": "organization_owner"}]})
    if extra is not None:
        tells(server, "/api/v0/models", extra)
    (info,) = await list_all_served({"box": Server(url=server.url)})
    assert (info.name, info.loaded, info.problem) == ("box/qwen2", None, None)


async def test_a_llama_server_with_several_models_loads_one_when_it_is_opened(server: WireServer) -> None:
    server.on_models({"data": [{"id": "a/b:Q4", "owned_by": "llamacpp", "status": {"value": "unloaded"}}]})
    settings = {"default_generation_settings": {"n_ctx": 512}, "build_info": "b1-x", "total_slots": 4}

    async def props(request: Request, reply: Reply) -> None:
        looking = request.path.endswith("&autoload=false")
        await reply.json({"error": "model is not loaded"} if looking else settings, 400 if looking else 200)

    server.routes["/props"] = props
    seen = await shown(server, "box/a/b:Q4")
    assert (seen.info.loaded, seen.context_size, seen.served_by) == (False, None, "llama-server")
    engine = OpenAIEngine("box/a/b:Q4", Server(url=server.url), "box", "a/b:Q4")
    events = [event async for event in engine.load()]
    assert [event.stage for event in events if isinstance(event, LoadProgress)] == ["asking box", "box loads it"]
    assert engine.loaded is not None
    assert engine.loaded.context_size == 512
    assert server.requests[-1].path == "/props?model=a%2Fb%3AQ4"
    await engine.close()


async def test_a_model_that_is_being_loaded_is_waited_for_as_long_as_an_answer(server: WireServer) -> None:
    server.on_models({"data": [{"id": "m", "owned_by": "llamacpp", "status": {"value": "unloaded"}}]})

    async def never(_request: Request, reply: Reply) -> None:
        await reply.gone()

    server.routes["/props"] = never
    patience = Patience(question_s=600, answer_s=0.05)
    engine = await load(OpenAIEngine("box/m", Server(url=server.url), "box", "m", patience=patience))
    assert engine.loaded is not None
    assert engine.loaded.context_size is None
    await engine.close()


async def test_vllm_and_sglang_tell_their_context(server: WireServer) -> None:
    rows = [
        {"id": "v", "owned_by": "vllm", "max_model_len": 100},
        {"id": "s", "owned_by": "sglang", "max_model_len": 0},
    ]
    server.on_models({"data": rows})
    tells(server, "/version", {"version": "0.6.3\x1b"})
    vllm, sglang = await shown(server, "box/v"), await shown(server, "box/s")
    assert (vllm.served_by, vllm.build, vllm.context_size) == ("vLLM", "0.6.3␛", 100)
    assert vllm.info.trained_context is None, "the served context is not what the model was trained on"
    assert (sglang.served_by, sglang.build, sglang.context_size) == ("SGLang", None, None)


async def test_ollamas_compatible_route_tells_the_context_of_a_loaded_model(server: WireServer) -> None:
    server.on_models({"data": [{"id": "qwen2", "owned_by": "library"}, {"id": "b:7b", "owned_by": "library"}]})
    tells(server, "/api/ps", {"models": [{"model": "qwen2:latest", "context_length": 4096}]})
    tells(server, "/api/version", {"version": "0.12.6"})
    loaded, other = await shown(server, "box/qwen2"), await shown(server, "box/b:7b")
    assert (loaded.context_size, loaded.info.loaded, loaded.build) == (4096, True, "0.12.6")
    assert (other.context_size, other.info.loaded) == (None, False)


async def test_a_server_that_tells_nothing_is_shown_with_nothing(server: WireServer) -> None:
    seen = await shown(server, "box")
    assert (seen.info.name, seen.url, seen.served_by) == ("box/m", server.url, server.url.split("/")[2])
    assert seen.build is seen.context_size is seen.template is seen.slots is seen.info.loaded is None


async def test_nonsense_sizes_are_unknown(server: WireServer) -> None:
    server.on_models({"data": [{"id": "m", "max_model_len": -1, "meta": {"n_params": 0, "n_ctx": -5, "size": -3}}]})
    seen = await shown(server)
    assert seen.context_size is seen.info.parameters is seen.info.size_bytes is seen.info.trained_context is None
