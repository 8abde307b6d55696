"""Prefix reuse where the cache is not a plain one: it must never change an answer."""

from pathlib import Path

import pytest
from odd_models import write_gemma3, write_mamba
from test_engine_contract import finish_of, play, request, text_of

from llmtui.domain.events import PrefillProgress
from llmtui.domain.fit import cache_bytes
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.llama.client import LlamaEngine
from llmtui.services.model_files import inspect
from llmtui.services.models import DEMO_FILE

GREEDY = Sampling(temperature=0, max_tokens=10, ignore_eos=True)
WINDOW = 32
LOG_STEP = (1 << 20) / 100
"""llama.cpp logs sizes in hundredths of a mebibyte."""


@pytest.fixture(scope="session")
def mamba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mamba(tmp_path_factory.mktemp("odd") / "mamba.gguf")


@pytest.fixture(scope="session")
def gemma3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gemma3(tmp_path_factory.mktemp("odd") / "gemma3.gguf", WINDOW)


async def fresh_answer(open_worker, path: Path, *messages: ChatMessage) -> str:
    async with open_worker(path, context=2048) as engine:
        return text_of(await play(engine, request("fresh", GREEDY, *messages)))


async def two_turns(engine: LlamaEngine) -> tuple[list[ChatMessage], int]:
    messages = [ChatMessage("user", "one two three " * 20)]
    first = await play(engine, request("a", GREEDY, *messages))
    messages += [ChatMessage("assistant", text_of(first)), ChatMessage("user", "four")]
    return messages, finish_of(first).timings.prompt_tokens or 0


@pytest.mark.parametrize("kind", ["demo", "mamba", "gemma3"])
async def test_the_header_predicts_the_cache(open_worker, kind: str, request: pytest.FixtureRequest) -> None:
    path = DEMO_FILE if kind == "demo" else request.getfixturevalue(kind)
    info = inspect((path,), name=kind, source="file")
    async with open_worker(path, context=2048) as engine:
        memory = engine.loaded.memory
        predicted = cache_bytes(info.cache_cost, engine.loaded.context_size, Runtime())
        logged = (memory.kv_bytes or 0) + (memory.recurrent_bytes or 0)
        assert predicted == pytest.approx(logged, abs=LOG_STEP)
        assert info.weights_bytes == pytest.approx(memory.weights_bytes, rel=0.3)


async def test_a_recurrent_state_is_told(open_worker, mamba: Path) -> None:
    async with open_worker(mamba, context=2048) as engine:
        assert engine.loaded.recurrent
        assert engine.loaded.kv_bytes_per_token == 0
        assert engine.loaded.memory.recurrent_bytes > 0


async def test_a_recurrent_state_goes_on_where_the_prompt_goes_on(open_worker, mamba: Path) -> None:
    async with open_worker(mamba, context=2048) as engine:
        messages = [ChatMessage("user", "one two three " * 20)]
        first = finish_of(await play(engine, request("a", Sampling(temperature=0, max_tokens=1), *messages)))
        answer = text_of(await play(engine, request("b", GREEDY, *messages)))
        assert first.timings.context_used == first.timings.prompt_tokens
    assert answer == await fresh_answer(open_worker, mamba, *messages)


async def test_a_recurrent_state_that_does_not_fit_is_made_anew(open_worker, mamba: Path) -> None:
    async with open_worker(mamba, context=2048) as engine:
        await two_turns(engine)
        other = ChatMessage("user", "one two three four five six")
        events = await play(engine, request("c", GREEDY, other))
        timings = finish_of(events).timings
        assert timings.cached_tokens == 0
        assert timings.cache_miss_at > 0
    assert text_of(events) == await fresh_answer(open_worker, mamba, other)


async def test_a_recurrent_prompt_cancelled_half_way_goes_on_right(open_worker, mamba: Path) -> None:
    long = ChatMessage("user", "one two three " * 100)
    async with open_worker(mamba, context=2048) as engine:
        async for event in engine.generate(request("a", GREEDY, long)):
            if isinstance(event, PrefillProgress):
                await engine.cancel("a")
        resumed = text_of(await play(engine, request("b", GREEDY, long)))
    assert resumed == await fresh_answer(open_worker, mamba, long)


async def test_a_window_keeps_the_earlier_turns(open_worker, gemma3: Path) -> None:
    async with open_worker(gemma3, context=2048) as engine:
        messages, first_prompt = await two_turns(engine)
        events = await play(engine, request("b", GREEDY, *messages))
    assert finish_of(events).timings.cached_tokens >= first_prompt
    assert text_of(events) == await fresh_answer(open_worker, gemma3, *messages)


async def test_a_window_that_has_moved_on_is_evaluated_anew(open_worker, gemma3: Path) -> None:
    long = ChatMessage("user", "one two three " * 120)
    async with open_worker(gemma3, context=2048, batch=32) as engine:
        await play(engine, request("a", GREEDY, long))
        other = ChatMessage("user", "one two three " * 10 + "four")
        events = await play(engine, request("b", GREEDY, other))
    assert finish_of(events).timings.cached_tokens == 0
    assert text_of(events) == await fresh_answer(open_worker, gemma3, other)


async def test_growth_is_unknown_with_a_window(open_worker, gemma3: Path) -> None:
    async with open_worker(gemma3, context=2048) as engine:
        assert engine.loaded.kv_bytes_per_token is None
