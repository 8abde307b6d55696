"""Servers as sources of models: what a word names, and what is listed when some do not answer."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from servers.wire_server import Reply, Request, WireServer, wire_server

from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Runtime, Server
from llmtui.engines.llama.client import LlamaEngine
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.errors import ModelError, UsageError
from llmtui.services import servers as service
from llmtui.services.model_files import details
from llmtui.services.models import Catalogue
from llmtui.services.servers import list_all_served, list_served, served_model, server_of
from llmtui.services.wiring import open_engine
from llmtui.store.config import Config
from llmtui.store.paths import Folders

BOX = {"box": Server(url="http://10.0.0.2:80/v1", key_env="BOX_KEY")}


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with wire_server() as running:
        yield running


@pytest.mark.parametrize(
    ("spec", "where", "model", "path"),
    [
        ("box/qwen2", "box", "qwen2", "http://10.0.0.2:80/v1#qwen2"),
        ("box/org/model:7b", "box", "org/model:7b", "http://10.0.0.2:80/v1#org/model:7b"),
        ("box", "box", None, "http://10.0.0.2:80/v1"),
        ("box/", "box", None, "http://10.0.0.2:80/v1"),
        ("http://h:1/v1#a/b", "http://h:1/v1", "a/b", "http://h:1/v1#a/b"),
        ("https://[::1]:1/v1", "https://[::1]:1/v1", None, "https://[::1]:1/v1"),
    ],
)
def test_what_a_word_names(spec: str, where: str, model: str | None, path: str) -> None:
    info = served_model(spec, BOX)
    assert info is not None
    assert (info.server, info.served_id, info.path, info.source) == (where, model, path, "server")
    assert info.name == spec


@pytest.mark.parametrize("spec", ["boxes/x", "demo", "./box/x", "models/box"])
def test_other_words_name_no_server(spec: str) -> None:
    assert served_model(spec, BOX) is None


@pytest.mark.parametrize("spec", ["http://", "http:///v1#m", "http://h:99999/v1", "https://u:p@h/v1"])
def test_a_url_that_is_none(spec: str) -> None:
    with pytest.raises(UsageError, match="not that of a server"):
        served_model(spec, BOX)


def test_keys_go_to_configured_servers_only() -> None:
    configured, plain = served_model("box/m", BOX), served_model("http://10.0.0.2:80/v1#m", BOX)
    assert configured is not None
    assert plain is not None
    assert server_of(configured, BOX) == BOX["box"]
    assert server_of(plain, BOX) == Server(url="http://10.0.0.2:80/v1")


def test_the_catalogue_knows_servers_and_files_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = Folders(config_dir=tmp_path / "c", data_dir=tmp_path / "d", cache_dir=tmp_path / "e")
    catalogue = Catalogue(folders, Config(servers=BOX, default_model="box/m"))
    assert catalogue.resolve("box/m").server == "box"
    assert catalogue.resolve(None).served_id == "m"
    assert catalogue.resolve("http://h:1/v1#m").server == "http://h:1/v1"
    with pytest.raises(ModelError, match="does not show its model's file"):
        details(catalogue.resolve("box/m"))
    with pytest.raises(UsageError, match="box"):
        catalogue.resolve("boks")
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "m").write_bytes(b"no model")
    with pytest.raises(ModelError, match="GGUF"):
        catalogue.resolve("box/m")


def test_each_model_gets_the_engine_that_fits() -> None:
    served, file = served_model("box/m", BOX), Catalogue(Folders.resolve({}), Config()).resolve("demo")
    assert served is not None
    assert isinstance(open_engine(BOX, served, Runtime()), OpenAIEngine)
    assert isinstance(open_engine(BOX, file, Runtime()), LlamaEngine)


async def test_models_are_listed_with_what_is_known(server: WireServer) -> None:
    meta = {"n_ctx_train": 4096, "n_params": 7, "size": 99, "ftype": "Q8_0"}
    rows = [{"id": "a", "meta": meta}, {"id": "b\x1b[2J", "max_model_len": 50}, {"id": "hidden"}]
    server.on_models({"data": rows})
    first, second = await list_all_served({"box": Server(url=server.url, models=("a", "b*"))})
    assert (first.name, first.path, first.served_id) == ("box/a", f"{server.url}#a", "a")
    assert (first.size_bytes, first.parameters, first.quantisation, first.trained_context) == (99, 7, "Q8_0", 4096)
    assert (second.name, second.served_id, second.trained_context) == ("box/b␛[2J", "b\x1b[2J", 50)
    assert second.size_bytes is None


def problems(found: list[ModelInfo]) -> dict[str, str]:
    return {info.name: info.problem or "" for info in found}


async def test_servers_that_do_not_answer_are_named_and_hold_up_nobody(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LIST_S", 0.3)

    async def silent(_request: Request, reply: Reply) -> None:
        await reply.gone()

    async with wire_server() as hanging, wire_server() as empty:
        hanging.routes["/v1/models"] = silent
        empty.on_models({"data": []})
        configured = {
            "hangs": Server(url=hanging.url),
            "down": Server(url="http://127.0.0.1:1/v1"),
            "locked": Server(url=server.url, key_env="LLMTUI_NO_SUCH_KEY"),
            "empty": Server(url=empty.url),
            "fine": Server(url=server.url),
        }
        order = [infos[0].server async for infos in list_served(configured)]
        assert order[-1] == "hangs"
        assert set(order) == set(configured)
        found = await list_all_served(configured)
    said = problems(found)
    assert list(said) == ["hangs/", "down/", "locked/", "empty/", "fine/m"]
    assert "did not answer within" in said["hangs/"]
    assert "cannot be reached" in said["down/"]
    assert "LLMTUI_NO_SUCH_KEY is not set" in said["locked/"]
    assert said["empty/"] == "it offers no model"
    assert said["fine/m"] == ""


async def test_leaving_early_asks_nobody_any_longer(server: WireServer) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def silent(_request: Request, reply: Reply) -> None:
        asked.set()
        await reply.gone()
        gone.set()

    async with wire_server() as hanging:
        hanging.routes["/v1/models"] = silent
        listing = list_served({"hangs": Server(url=hanging.url), "fine": Server(url=server.url)})
        assert (await anext(listing))[0].server == "fine"
        await asked.wait()
        await listing.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(gone.wait(), 5)


def test_plain_http_makes_no_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    from llmtui.engines.openai.connection import Connection

    def refuse(*_: object, **__: object) -> ssl.SSLContext:
        raise AssertionError("a context takes tens of milliseconds")

    monkeypatch.setattr(ssl, "create_default_context", refuse)
    assert Connection(Server(url="http://127.0.0.1:1"), "x").api == "http://127.0.0.1:1/v1"
