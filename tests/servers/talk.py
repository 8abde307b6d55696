"""One turn with a server of a test, through the real engine."""

import time

from servers.wire_server import Reply, Request, WireServer

from llmtui.domain.events import Failed, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import GenerateRequest
from llmtui.engines.http.access import Patience
from llmtui.engines.openai.client import OpenAIEngine

REQUEST = GenerateRequest(id="turn", messages=(ChatMessage("user", "hello"),), sampling=Sampling(seed=1))


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
