"""Policies for a full context at the edge of 512 tokens, with real models: never an error, never a silent cut."""

from pathlib import Path

import pytest
from contract.conftest import DEMO

from llmtui.domain.events import Failed, Finished
from llmtui.domain.models import ModelInfo
from llmtui.domain.profile import Character, Mode, Overflow, Profile
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.llama.client import LlamaEngine
from llmtui.services.host import ModelHost
from llmtui.services.session import ChatSession
from llmtui.store.paths import Folders

QUESTIONS = ("背诵李白的《静夜思》，只写正文。", "Which key opens the model picker?", "生鱼片是不是死鱼片？", "a" * 90)
RESERVE = 64


@pytest.mark.parametrize("which", ["demo", "random"])
@pytest.mark.parametrize(
    ("mode", "overflow"),
    [
        ("instruct", "slide"),
        ("chat", "slide"),
        ("chat-instruct", "slide"),
        ("instruct", "compact"),
        ("chat", "compact"),
    ],
)
async def test_many_turns_in_512_tokens(
    tmp_path: Path, tiny_gguf: Path, which: str, mode: Mode, overflow: Overflow
) -> None:
    path = str(DEMO if which == "demo" else tiny_gguf)
    host = ModelHost(lambda _info, runtime: LlamaEngine("m", path, runtime), Runtime(context=512, threads=1))
    info = ModelInfo(name="m", path=path, parts=(path,), source="file", size_bytes=1, modified_ns=0)
    async for _ in host.load(info):
        pass
    folders = Folders(data_dir=tmp_path, config_dir=tmp_path, cache_dir=tmp_path)
    sampling = Sampling(temperature=0, max_tokens=80, seed=1)
    session = ChatSession.new(host, folders, sampling=sampling, system="Be brief.")
    persona = Character(name="AI", context="AI is a parrot.", greeting="Hello!")
    session.use(Profile(mode=mode, overflow=overflow, reserve=RESERVE, character=persona))
    dropped = 0
    try:
        for number in range(16):
            path_ids = [message.id for message in session.messages]
            events = [event async for event in session.send(QUESTIONS[number % 4])]
            assert isinstance(events[-1], Finished) or _told(events[-1], which, overflow), events[-1]
            if isinstance(events[-1], Failed):
                continue
            turn = session.turns[-1]
            assert turn.metrics.prompt_tokens is not None
            assert turn.metrics.prompt_tokens + RESERVE <= 512
            told = turn.manifest.dropped
            assert list(told) == path_ids[: len(told)]
            note = session.thread.note
            if overflow == "compact":
                assert told == (note.covers if note else ())
            dropped = max(dropped, len(told))
        assert dropped > 2 or (which == "random" and overflow == "compact")
    finally:
        await session.close()
        await host.close()


def _told(event: object, which: str, overflow: Overflow) -> bool:
    """A model of random weights writes notes that take more room than what they stand for; that is said."""
    refused = isinstance(event, Failed) and event.kind == "context" and "could not be put into a note" in event.title
    return refused and which == "random" and overflow == "compact"
