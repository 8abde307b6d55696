"""The same weights through the worker and through a real server: the same text, the same counts."""

import time

import pytest
from contract.conftest import DEMO, loaded
from servers.llama_server import llama_server

from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import TurnMetrics
from llmtui.domain.settings import Runtime, Sampling, Server
from llmtui.engines.base import Engine, GenerateRequest
from llmtui.engines.llama.client import LlamaEngine
from llmtui.engines.openai.client import OpenAIEngine

CHAT = (
    ChatMessage("system", "你是AI助理。"),
    ChatMessage("user", "背诵李白的《静夜思》，只写正文。"),
    ChatMessage("assistant", "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。"),
    ChatMessage("user", "What is llmtui?"),
)
COUNTS = ("prompt_tokens", "cached_tokens", "completion_tokens", "context_used", "finish_reason")


async def answer(
    engine: Engine, asked: tuple[ChatMessage, ...] | str, sampling: Sampling
) -> tuple[str, TurnMetrics, int]:
    fold = TurnFold(time.perf_counter_ns())
    messages, text = ((), asked) if isinstance(asked, str) else (asked, None)
    request = GenerateRequest(id="turn", messages=messages, prompt=text, sampling=sampling)
    async for event in engine.generate(request):
        fold.add(event)
    assert engine.loaded is not None
    return fold.text, fold.metrics(engine.loaded), await engine.count_prompt(asked)


@pytest.mark.parametrize("messages", [CHAT[1:2], CHAT[3:], CHAT])
@pytest.mark.parametrize("limit", [None, 7])
async def test_worker_and_server_agree(messages: tuple[ChatMessage, ...], limit: int | None) -> None:
    sampling = Sampling(temperature=0, max_tokens=limit)
    with llama_server(DEMO) as address:
        async with (
            loaded(LlamaEngine("demo", str(DEMO), Runtime(context=512, threads=1))) as worker,
            loaded(OpenAIEngine("demo", Server(url=address), "box", "demo")) as server,
        ):
            here, there = await answer(worker, messages, sampling), await answer(server, messages, sampling)
            assert here[0] == there[0] != ""
            assert {key: getattr(here[1], key) for key in COUNTS} == {key: getattr(there[1], key) for key in COUNTS}
            assert here[2] == there[2] == here[1].prompt_tokens
            assert await worker.tokenise("hello 世界 <|end|>") == await server.tokenise("hello 世界 <|end|>")
    assert there[1].sources["decode_tps"] == there[1].sources["prefill_tps"] == "engine"
    assert here[1].sources["decode_tps"] == "measured"
    assert there[1].itl_p50_ms is not None
    assert there[1].rss_anon_bytes is None


POEM_ASKED = "<|user|>\n背诵李白的《静夜思》，只写正文。<|end|>\n<|assistant|>\n"


@pytest.mark.parametrize("text", ["床前明月光", POEM_ASKED, "llmtui is\n"])
async def test_worker_and_server_continue_a_text_alike(text: str) -> None:
    sampling = Sampling(temperature=0, max_tokens=24)
    with llama_server(DEMO) as address:
        async with (
            loaded(LlamaEngine("demo", str(DEMO), Runtime(context=512, threads=1))) as worker,
            loaded(OpenAIEngine("demo", Server(url=address), "box", "demo")) as server,
        ):
            here, there = await answer(worker, text, sampling), await answer(server, text, sampling)
    assert here[0] == there[0] != ""
    assert {key: getattr(here[1], key) for key in COUNTS} == {key: getattr(there[1], key) for key in COUNTS}
    assert here[2] == there[2] == here[1].prompt_tokens
    assert there[1].sources["decode_tps"] == there[1].sources["prefill_tps"] == "engine"
    if text == POEM_ASKED:
        assert here[0].startswith("床前明月光，"), "the template's tokens, written out, are tokens"
