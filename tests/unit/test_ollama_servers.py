"""Which of Ollama's servers are asked, what they list, and which rows are one with files on disk."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ollama_store import OllamaStore
from servers.ollama_server import OllamaServer, ollama_server
from servers.wire_server import Reply, Request

from llmtui.domain.models import ModelInfo
from llmtui.domain.operations import Progress
from llmtui.domain.settings import Server
from llmtui.engines.ollama.client import OllamaEngine
from llmtui.engines.ollama.connection import Connection
from llmtui.engines.ollama.vocabulary import vocabulary
from llmtui.errors import EngineError, LlmtuiError, ModelError, UsageError
from llmtui.services.models import Catalogue
from llmtui.services.ollama_servers import (
    OLLAMA_SERVER,
    delete_through,
    known_servers,
    ollama_target,
    on_server,
    parameters_in,
    pull_through,
    unite,
)
from llmtui.services.servers import list_all_served, served_details
from llmtui.services.wiring import open_engine
from llmtui.store.config import Config
from llmtui.store.paths import Folders

DEMO = Path(__file__).parents[2] / "tui" / "llmtui" / "data" / "demo.gguf"


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    async with ollama_server() as running:
        yield running


def own(server: OllamaServer, **configured: Server) -> dict[str, Server]:
    return known_servers(configured, server.url)


def catalogue(tmp_path: Path, host: str, **config: object) -> Catalogue:
    folders = Folders(config_dir=tmp_path, data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")
    environ = {"OLLAMA_HOST": host, "OLLAMA_MODELS": str(tmp_path / "store"), "HOME": str(tmp_path)}
    return Catalogue(folders, Config(**config), environ=environ)  # type: ignore[arg-type]


def test_the_users_own_server_is_known_unless_it_is_configured_or_unwanted() -> None:
    assert known_servers({}, None)[OLLAMA_SERVER].url == "http://127.0.0.1:11434"
    assert known_servers({}, "box:1")[OLLAMA_SERVER].url == "http://box:1"
    assert known_servers({}, "ftp://box") == {}
    assert known_servers({}, None, ollama=False) == {}
    named = {"mine": Server(url="http://127.0.0.1:11434/", kind="ollama")}
    assert known_servers(named, None) == named


async def test_models_are_listed_with_what_the_server_tells(server: OllamaServer) -> None:
    details = {"family": "qwen2", "parameter_size": "494.03M", "quantization_level": "Q4_0"}
    server.add("qwen2:0.5b", digest="ab" * 32, size=352, show={"details": details})
    server.add("other:latest")
    server.resident["qwen2:0.5b"] = 4096
    first, second = await list_all_served(own(server))

    assert (first.name, first.served_id, first.server) == ("ollama-server/qwen2:0.5b", "qwen2:0.5b", OLLAMA_SERVER)
    assert (first.architecture, first.quantisation, first.parameters) == ("qwen2", "Q4_0", 494_030_000)
    assert (first.size_bytes, first.digests, first.source) == (352, ("ab" * 32,), "server")
    assert (first.loaded, second.loaded) == (True, False)
    assert (second.name, second.quantisation, second.parameters) == ("ollama-server/other:latest", None, None)


async def test_the_own_server_is_silent_when_it_is_absent_a_configured_one_is_not(server: OllamaServer) -> None:
    server.add("m:latest")
    down = Server(url="http://127.0.0.1:1", kind="ollama")
    found = await list_all_served(known_servers({"down": down, "box": Server(url=server.url, kind="ollama")}, ":1"))

    assert [info.name for info in found] == ["down/", "box/m:latest"]
    assert "cannot be reached" in (found[0].problem or "")


async def test_odd_answers_of_a_list_are_a_problem_and_hostile_names_are_safe(server: OllamaServer) -> None:
    server.add("evil\x1b[31m:latest")
    box = {"box": Server(url=server.url, kind="ollama", models=("evil*",))}
    (row,) = await list_all_served(box)
    assert "\x1b" not in row.name
    assert row.served_id == "evil\x1b[31m:latest"

    async def odd(_request: Request, reply: Reply) -> None:
        await reply.json({"models": 3})

    server.on("/api/tags", odd)
    (row,) = await list_all_served(box)
    assert "not part of this API" in (row.problem or "")


async def test_a_model_on_disk_and_on_the_server_is_one_row(tmp_path: Path, server: OllamaServer) -> None:
    store = OllamaStore(tmp_path / "store")
    store.add("library/reciter:latest", model=DEMO)
    store.add("library/reciter:8b", model=DEMO, system=b"Recite.")
    for tag in ("latest", "8b"):
        digest = hashlib.sha256(store.manifest(f"library/reciter:{tag}").read_bytes()).hexdigest()
        server.add(f"reciter:{tag}", digest=digest)
    server.add("elsewhere:latest", digest="cd" * 32)
    known = catalogue(tmp_path, server.url)
    files, served = unite(await asyncio.to_thread(known.list), await list_all_served(known.servers))

    assert [info.name for info in served] == ["ollama-server/elsewhere:latest"]
    reciter = next(info for info in files if info.name.startswith("ollama/"))
    assert reciter.also_served == OLLAMA_SERVER
    assert len(reciter.digests) == 2
    assert [info.also_served for info in files if info.name == "demo"] == [None]


async def test_names_lead_to_the_disk_first_and_then_to_the_server(tmp_path: Path, server: OllamaServer) -> None:
    store = OllamaStore(tmp_path / "store")
    store.add("library/reciter:latest", model=DEMO)
    known = catalogue(tmp_path, server.url)

    async def resolve(spec: str) -> ModelInfo:
        return await asyncio.to_thread(known.resolve, spec)

    assert (await resolve("ollama/reciter")).server is None
    there = await resolve("ollama/other:7b")
    assert (there.name, there.server, there.served_id) == ("ollama/other:7b", OLLAMA_SERVER, "other:7b")
    forced = await resolve("ollama-server/reciter")
    assert (forced.server, forced.served_id) == (OLLAMA_SERVER, "reciter:latest")
    assert there.path == f"{server.url}#other:7b", "as it is listed"
    engine = open_engine(known.servers, there, Config().runtime)
    assert isinstance(engine, OllamaEngine)
    with pytest.raises(UsageError, match="No model is called"):
        await asyncio.to_thread(catalogue(tmp_path, "127.0.0.1:1").resolve, "ollama/other:7b")


async def test_details_come_from_the_server_without_a_load(server: OllamaServer) -> None:
    info = {"general.architecture": "qwen2", "qwen2.context_length": 32768}
    server.add("qwen2:7b", show={"template": "{{ .Prompt }}", "model_info": info})
    servers = own(server)
    row = ModelInfo(
        name="ollama/qwen2:7b", path="", parts=(), source="server", size_bytes=None, modified_ns=0,
        server=OLLAMA_SERVER, served_id="qwen2:7b",
    )  # fmt: skip
    found = await served_details(row, servers)

    assert (found.served_by, found.build, found.template) == ("Ollama", "0.40.0", "{{ .Prompt }}")
    assert (found.info.trained_context, found.info.size_bytes, found.info.loaded) == (32768, 4_000_000, False)
    assert server.bodies("/api/generate") == []


@pytest.mark.parametrize(("text", "number"), [("8.0B", 8e9), ("494.03M", 494.03e6), ("", None), ("big", None)])
def test_parameters_are_read_as_ollama_writes_them(text: str, number: float | None) -> None:
    assert parameters_in(text) == number


async def test_a_pull_counts_the_bytes_of_all_layers(server: OllamaServer) -> None:
    server.pulled = [
        {"status": "pulling manifest"},
        {"status": "pulling a", "digest": "a", "total": 100, "completed": 40},
        {"status": "pulling a", "digest": "a", "total": 100, "completed": 100},
        {"status": "pulling b", "digest": "b", "total": 50},
        {"status": "pulling b", "digest": "b", "total": 50, "completed": 50},
        {"status": "verifying sha256 digest"},
        {"status": "success"},
    ]
    target = ollama_target("ollama/qwen2:0.5b", own(server))
    assert target is not None
    events = [event async for event in pull_through(target)]

    assert [(event.done, event.total) for event in events] == [
        (None, None), (40, 100), (100, 100), (100, 150), (150, 150), (150, 150), (150, 150),
    ]  # fmt: skip
    assert [event.stage for event in events[-2:]] == ["verifying sha256 digest", "success"]
    info = await on_server(target)
    assert info is not None
    await delete_through(target._replace(model=info.served_id or ""))
    assert await on_server(target) is None
    with pytest.raises(ModelError, match="has no model"):
        await delete_through(target)


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ([{"status": "pulling manifest"}], "stopped in the middle"),
        ([], "stopped in the middle"),
        ([{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}], "failed"),
    ],
)
async def test_a_pull_that_fails_says_why(server: OllamaServer, lines: list[dict[str, str]], title: str) -> None:
    server.pulled = lines
    target = ollama_target("ollama/nothing", own(server))
    assert target is not None
    with pytest.raises(LlmtuiError, match=title) as caught:
        async for _ in pull_through(target):
            pass
    assert "file does not exist" in caught.value.cause or len(lines) < 2


async def test_closing_a_pull_stops_the_servers_work(server: OllamaServer) -> None:
    gone = asyncio.Event()

    async def pulling(_request: Request, reply: Reply) -> None:
        await reply.begin_chunked()
        await reply.chunk(json.dumps({"status": "pulling", "digest": "a", "total": 9, "completed": 1}).encode() + b"\n")
        await reply.gone()
        gone.set()

    server.on("/api/pull", pulling)
    target = ollama_target("ollama/big", own(server))
    assert target is not None
    events = pull_through(target)
    assert await anext(events) == Progress(stage="downloading", done=1, total=9)
    await events.aclose()
    await asyncio.wait_for(gone.wait(), 5)


def test_what_is_no_model_of_ollamas_is_left_to_others() -> None:
    servers = {"box": Server(url="http://box"), "mine": Server(url="http://mine", kind="ollama")}
    assert ollama_target("Qwen/Qwen2-7B-GGUF", servers) is None
    assert ollama_target("box/x", servers) is None
    target = ollama_target("mine/x", servers)
    assert target is not None
    assert (target.name, target.model) == ("mine", "x")
    with pytest.raises(UsageError, match="left out"):
        ollama_target("ollama/x", servers)
    with pytest.raises(UsageError, match="No model is named"):
        ollama_target("mine/", servers)


async def test_the_vocabulary_comes_from_the_verbose_description(server: OllamaServer) -> None:
    verbose = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": ["a", "b", "ab", "<|end|>"],
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.token_type": [1, 1, 1, 3],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.eos_token_id": 3,
    }
    server.add("m:latest", show={"model_info": {"tokenizer.ggml.tokens": None}}, verbose=verbose)
    server.add("empty:latest")
    connection = Connection(Server(url=server.url, kind="ollama"), "box")
    found = await vocabulary(connection, "m:latest")
    with pytest.raises(EngineError, match="does not tell"):
        await vocabulary(connection, "empty:latest")
    await connection.close()

    assert (found.model, found.pre, found.eos, found.add_bos) == ("gpt2", "qwen2", 3, False)
    assert (found.tokens, found.merges, found.token_types) == (("a", "b", "ab", "<|end|>"), ("a b",), (1, 1, 1, 3))
