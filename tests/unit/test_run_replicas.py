"""A run over several servers: all that may be in flight is, spread evenly, and a server's faults cost no sample."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from servers.wire_server import Reply, Request, WireServer, sse, text, usage, wire_server
from unit.run_bench import ONE, Opened, samples

from llmtui.domain.run import SampleRecord
from llmtui.domain.settings import Runtime, Server
from llmtui.services.host import ModelHost
from llmtui.services.models import Catalogue
from llmtui.services.runner import Runner
from llmtui.services.runs.events import Remark
from llmtui.services.wiring import Services, open_engine
from llmtui.store.config import Config

pytestmark = pytest.mark.usefixtures("quiet_host")
WAIT_S = 60.0
YES = sse(text("yes"), text("", "stop"), usage(5, 1), done=True)


@pytest.fixture
async def two() -> AsyncIterator[tuple[WireServer, WireServer]]:
    async with wire_server() as a, wire_server() as b:
        yield a, b


async def run(folder: Path, two: tuple[WireServer, WireServer], *, epochs: int) -> tuple[list[SampleRecord], list[str]]:
    """Every sample's records, and what was told; a try that had to be waited for would never come."""
    config = Config(servers={"lab": Server(urls=(two[0].url, two[1].url))})
    opened = Opened(folder, [], samples=ONE)
    catalogue = Catalogue(opened.folders, config)
    host = ModelHost(partial(open_engine, catalogue.servers), Runtime())
    opened.services = Services(config=config, folders=opened.folders, catalogue=catalogue, host=host)
    book = await opened.begin("lab/m", epochs=epochs)
    runner = Runner(opened.services, book, host, parallel=16, first_wait_s=3600)
    async with asyncio.timeout(WAIT_S):
        told = [event.text async for event in runner.events() if isinstance(event, Remark)]
    await host.close()
    await book.close(finished=True)
    return samples(book), told


def replicas(records: list[SampleRecord]) -> Counter[str | None]:
    return Counter(record.manifest.replica if record.manifest else None for record in records)


async def test_sixteen_slow_samples_are_in_flight_at_once_half_of_them_on_each_server(
    tmp_path: Path, two: tuple[WireServer, WireServer]
) -> None:
    under_way = Counter[int]()
    all_there = asyncio.Event()

    async def slow(request: Request, reply: Reply) -> None:
        if request.json.get("max_tokens") != 2:  # the warm-up's
            under_way[reply.writer.get_extra_info("sockname")[1]] += 1
            if sum(under_way.values()) >= 16:
                all_there.set()
            await asyncio.wait_for(all_there.wait(), WAIT_S)
        await reply.begin_events()
        await reply.send(YES)

    for server in two:
        server.on_chat(slow)
    found, told = await run(tmp_path, two, epochs=16)
    assert told == []
    assert sorted(under_way.values()) == [8, 8]
    assert replicas(found) == {two[0].url: 8, two[1].url: 8}
    assert {(record.status, record.attempts, record.parallel) for record in found} == {("done", 1, 16)}


async def test_answers_that_one_server_breaks_off_are_had_from_the_other_at_once(
    tmp_path: Path, two: tuple[WireServer, WireServer]
) -> None:
    async def breaks(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        await reply.send(sse(text("yes")))

    async def answers(_request: Request, reply: Reply) -> None:
        await reply.begin_events()
        await reply.send(YES)

    two[0].on_chat(breaks)
    two[1].on_chat(answers)
    found, told = await run(tmp_path, two, epochs=24)
    assert len({record.key for record in found}) == len(found) == 24
    assert replicas(found) == {two[1].url: 24}
    assert {record.status for record in found} == {"done"}
    assert len(told) == 1
    assert told[0].endswith("it is left out, 1 of 2 replicas of lab go on")
