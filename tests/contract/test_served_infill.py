"""A gap filled by a real llama-server, by its own route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from contract.conftest import DEMO, OpenEngine, loaded
from servers.llama_server import llama_server
from test_engine_contract import finish_of, play, text_of

from llmtui.domain.events import Failed, Notice, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.profile import Profile
from llmtui.domain.settings import Sampling, Server
from llmtui.engines.base import Engine, GenerateRequest
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.errors import EngineError
from llmtui.services.conversation import as_messages
from llmtui.services.prompting import GAP, build
from llmtui.services.sending import request_of

GREEDY = Sampling(temperature=0, max_tokens=12, seed=1)
TEXT = f"def two_sum(nums, target):\n{GAP}\n    return []\n"


@asynccontextmanager
async def served(path: Path, context: int = 512) -> AsyncIterator[Engine]:
    with llama_server(path, context=context) as address:
        async with loaded(OpenAIEngine("box/m", Server(url=f"{address}/v1"), "box", None)) as engine:
            yield engine


def gap(engine: Engine, text: str, sampling: Sampling = GREEDY) -> GenerateRequest:
    asked = build(Profile(mode="infill"), as_messages([ChatMessage("user", text)]), loaded=engine.loaded)
    return request_of("gap", asked, sampling)


async def played(engine: Engine, request: GenerateRequest) -> list[TurnEvent]:
    return [event async for event in engine.generate(request)]


async def test_a_server_fills_a_gap_as_the_file_itself_does(open_worker: OpenEngine) -> None:
    async with open_worker(DEMO) as worker:
        own = await play(worker, gap(worker, TEXT))
    async with served(DEMO) as engine:
        request = gap(engine, TEXT)
        assert request.suffix == "\n    return []\n"
        events = await played(engine, request)
        assert text_of(events) == text_of(own)
        theirs, ours = finish_of(events), finish_of(own)
        assert theirs.timings.rendered_sha256 == ours.timings.rendered_sha256
        assert theirs.timings.prompt_tokens == ours.timings.prompt_tokens
        assert (theirs.reason, theirs.timings.completion_tokens) == (ours.reason, ours.timings.completion_tokens)
        assert not [event for event in events if isinstance(event, Notice)]
        with pytest.raises(EngineError, match="does not show prompts with a gap"):
            await engine.explain(request)  # type: ignore[attr-defined]


async def test_stop_texts_and_form_are_heeded() -> None:
    async with served(DEMO) as engine:
        whole = text_of(await played(engine, gap(engine, TEXT)))
        stop = whole.split()[0]
        assert stop not in text_of(await played(engine, gap(engine, TEXT, Sampling(temperature=0, stop=(stop,)))))
        formed = Sampling(temperature=0, max_tokens=12, json_schema={"type": "object", "maxProperties": 0})
        assert text_of(await played(engine, gap(engine, TEXT, formed))).replace(" ", "").strip() == "{}"


async def test_text_that_the_server_leaves_out_is_told() -> None:
    async with served(DEMO, context=1024) as engine:
        events = await played(engine, gap(engine, f"a{GAP}{'b c d e ' * 200}"))
        (notice,) = [event for event in events if isinstance(event, Notice)]
        assert notice.kind == "truncated"
        assert "left out a part of the text behind the gap" in notice.text


async def test_a_model_without_the_tokens_is_refused(tiny_gguf: Path) -> None:
    async with served(tiny_gguf) as engine:
        (event,) = await played(engine, gap(engine, TEXT))
        assert isinstance(event, Failed)
        assert event.kind == "usage"
        assert "cannot fill a gap" in event.title
        assert "prefix token is missing" in event.cause
