"""The way to a server: addresses, TLS, IPv6, proxies, ports where something else speaks."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from servers.talk import load, opened, play
from servers.wire_server import WireServer, text, wire_server

from llmtui.domain.events import Failed
from llmtui.domain.settings import Server
from llmtui.engines.http.access import is_loopback, proxy_for
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.engines.openai.connection import api_url
from llmtui.errors import EngineError

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


async def test_https_to_a_server_that_only_knows_http_is_no_matter_of_certificates() -> None:
    async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        with pytest.raises(EngineError, match="does not speak TLS") as caught:
            await load(OpenAIEngine("box/m", Server(url=f"https://127.0.0.1:{port}/v1"), "box", "m"))
    assert "http://" in caught.value.remedy


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


@pytest.mark.parametrize(
    ("spared", "url", "direct"),
    [
        ("", "http://10.1.2.3:9/v1", False),
        ("*", "http://10.1.2.3:9/v1", True),
        ("10.0.0.0/8", "http://10.1.2.3:9/v1", True),
        ("10.0.0.0/8", "http://11.1.2.3:9/v1", False),
        ("10.1.2.3", "http://10.1.2.3:9/v1", True),
        ("10.1.2.3:9", "http://10.1.2.3:9/v1", True),
        ("10.1.2.3:8", "http://10.1.2.3:9/v1", False),
        ("x, Example.test ", "http://gpu.example.TEST/v1", True),
        (".example.test", "http://gpu.example.test/v1", True),
        ("*.example.test", "http://gpu.example.test/v1", True),
        ("example.test", "http://myexample.test/v1", False),
        ("[fd00::1]", "http://[fd00::1]:9/v1", True),
        ("fd00::1", "http://[fd00::1]:9/v1", True),
        ("[fd00::1]:8", "http://[fd00::1]:9/v1", False),
        ("fd00::/8", "http://[fd00::1]:9/v1", True),
        ("a b,,[::1]:80,::1/128", "http://[fd00::1]:9/v1", False),
        ("", "http://[::1]:9/v1", True),
        ("", "https://10.1.2.3/v1", True),
    ],
)
def test_whom_no_proxy_spares(spared: str, url: str, *, direct: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "10.9.9.9:3128")
    monkeypatch.setenv("NO_PROXY", spared)
    assert proxy_for(url) == (None if direct else "http://10.9.9.9:3128")


async def test_brackets_in_no_proxy_do_no_harm(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    monkeypatch.setenv("NO_PROXY", "localhost,[::1],::1/128")
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


async def test_a_port_that_speaks_something_else() -> None:
    async def ssh(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.0\r\n")
        writer.close()

    listener = await asyncio.start_server(ssh, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    with pytest.raises(EngineError, match="did not answer as a web server"):
        await load(OpenAIEngine("box/m", Server(url=url), "box", "m"))
    listener.close()


async def test_a_server_that_is_down() -> None:
    engine = OpenAIEngine("box/m", Server(url="http://127.0.0.1:1/v1"), "box", "m")
    with pytest.raises(EngineError, match="box cannot be reached") as caught:
        await load(engine)
    assert caught.value.cause == "Connection refused"
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
