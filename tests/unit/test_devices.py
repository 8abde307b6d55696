"""RPC workers on other machines: what is refused before llama.cpp, which would end the process over it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest

from llmtui.domain.settings import Runtime
from llmtui.engines.llama.deaths import describe_death, load_remedy
from llmtui.engines.llama.worker import devices
from llmtui.errors import EngineError
from llmtui.services.fits import read_room


@contextlib.asynccontextmanager
async def listening(answer: bytes | None) -> AsyncIterator[str]:
    """An endpoint that answers the first request with these bytes, or never."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(9)
        assert head[0] == 14
        await reader.readexactly(int.from_bytes(head[1:], "little"))
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def test_without_workers_nothing_is_added_and_the_build_is_told_by_its_devices() -> None:
    devices.add_workers(())
    assert devices.listed()
    assert devices.has_gpu() == any(device.name != "CPU" for device in devices.listed())


@pytest.mark.parametrize(
    ("answer", "title", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no RPC worker", "another protocol"),
        (b"", "is no RPC worker", "another protocol, or none"),
        (None, "does not answer", "it holds one model at a time"),
    ],
)
async def test_what_is_no_worker_is_told(
    answer: bytes | None, title: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "ANSWER_S", 0.2)
    async with listening(answer) as endpoint:
        with pytest.raises(EngineError, match=title) as caught:
            await asyncio.to_thread(devices._greet, endpoint)
    assert cause in caught.value.cause


async def test_a_worker_that_greets_back_is_let_through_and_one_that_is_off_is_not() -> None:
    async with listening((28).to_bytes(8, "little") + bytes(28)) as endpoint:
        await asyncio.to_thread(devices._greet, endpoint)
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        devices._greet(endpoint)
    assert caught.value.cause == "Connection refused"
    assert "rpc-server" in caught.value.remedy


@pytest.mark.parametrize("endpoint", ["host", "host:", ":1", "host:99999", "::1:5", "h:1:2", "a b:1", "http://h:1"])
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        Runtime(rpc=(endpoint,))


def test_memory_elsewhere_is_not_compared_with_memory_here() -> None:
    room = read_room(Runtime(rpc=("10.0.0.2:50052",)))
    assert room.available_bytes is None
    assert "rpc" in (room.reason or "")


def test_a_worker_that_is_lost_is_named_as_the_cause() -> None:
    log = ["ggml-rpc.cpp:355: Remote RPC server crashed or returned malformed response", "backtrace"]
    title, cause, remedy = describe_death(-signal.SIGABRT, log, out_of_memory=False)
    assert "RPC worker has failed" in title
    assert "Remote RPC server crashed" in cause
    assert load_remedy(-signal.SIGABRT, remedy) == remedy
