"""A host with a scripted model and the chats of one folder: what the tests of conversations work on."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from llmtui.domain.events import TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import GpuReading, HostReading, ProcessMemory
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.services.host import ModelHost
from llmtui.services.session import ChatSession
from llmtui.store.paths import Folders

INFO = ModelInfo(
    name="tiny", path="/m.gguf", parts=("/m.gguf",), source="file", size_bytes=1, modified_ns=0, quantisation="Q8_0"
)
READING = HostReading(t_ns=0, process=ProcessMemory(rss_anon_bytes=5), gpu=GpuReading(reason="no GPU"))
SHORT = ScriptedTurn(tokens=("yes", " it", " is"))
ENDLESS = ScriptedTurn(tokens=("a",) * 100_000, delay_s=0.001)


class SpyEngine(ScriptedEngine):
    """A scripted engine that remembers what it was asked."""

    prompts: list[tuple[ChatMessage, ...]]
    starts: list[str]

    async def generate(self, request: object) -> AsyncIterator[TurnEvent]:
        self.prompts = [*getattr(self, "prompts", []), request.messages]  # type: ignore[attr-defined]
        self.starts = [*getattr(self, "starts", []), request.answer_start]  # type: ignore[attr-defined]
        async for event in super().generate(request):  # type: ignore[arg-type]
            yield event


class Bench:
    """One data folder, one host, as many sessions as a test wants."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders
        self.sessions: list[ChatSession] = []
        self.host = ModelHost(lambda _info, _runtime: self.engine, Runtime())
        self.engine = SpyEngine([SHORT])
        self.numbers = itertools.count()

    async def load(self, *script: ScriptedTurn, context: int = 4096) -> SpyEngine:
        model = LoadedModel(
            name="tiny", description="", engine="scripted", engine_build="1", context_size=context, pid=1
        )
        self.engine = SpyEngine(script, model=model, load_s=0.01)
        async for _ in self.host.load(msgspec.structs.replace(INFO, path=f"/{next(self.numbers)}.gguf")):
            pass  # each load is of another model: none is taken from those that are loaded still
        return self.engine

    def new(self, system: str | None = None) -> ChatSession:
        session = ChatSession.new(self.host, self.folders, sampling=Sampling(seed=1), system=system)
        self.sessions.append(session)
        return session

    def reopen(self, path: Path) -> ChatSession:
        session = ChatSession.reopen(self.host, self.folders, path, sampling=Sampling())
        self.sessions.append(session)
        return session


async def ask(session: ChatSession, text: str = "is it?") -> list[TurnEvent]:
    return [event async for event in session.send(text)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the condition is the state of files and other tasks
            await asyncio.sleep(0.005)


def contents(session: ChatSession) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in session.messages]
