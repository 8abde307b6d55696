"""The cache in other types, with the real worker: what it takes, that answers come, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from contract.conftest import DEMO, OpenEngine
from gguf_shapes import Shape
from odd_models import write_mamba
from test_engine_contract import finish_of, play, request, text_of

from llmtui.domain.fit import cache_bytes
from llmtui.domain.kv_types import KV_TYPES
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Runtime, Sampling
from llmtui.errors import ModelError
from llmtui.services.model_files import inspect

LOG_STEP = (1 << 20) / 100
RECITE = ChatMessage("user", "背诵李白的《静夜思》，只写正文。")


async def test_a_cache_in_eight_bits_takes_half_and_still_answers(open_worker: OpenEngine) -> None:
    logged: dict[str, int] = {}
    for kind in ("f16", "q8_0"):
        async with open_worker(DEMO, context=2048, kv_type_k=kind, kv_type_v=kind) as engine:
            logged[kind] = engine.loaded.memory.kv_bytes
            answer = text_of(await play(engine, request("a", Sampling(temperature=0), RECITE)))
        assert "床前明月光" in answer
    assert logged["q8_0"] / logged["f16"] == pytest.approx(34 / 64, abs=0.01)


@pytest.mark.parametrize("kind", KV_TYPES)
async def test_each_type_answers_and_takes_what_was_predicted(open_worker: OpenEngine, kind: str) -> None:
    runtime = {"context": 4096, "kv_type_k": kind, "kv_type_v": kind, "micro_batch": 64}
    info = inspect((DEMO,), name="demo", source="file")
    async with open_worker(DEMO, **runtime) as engine:
        events = await play(engine, request("a", Sampling(temperature=0, max_tokens=4), RECITE))
        assert finish_of(events).timings.completion_tokens == 4
        predicted = cache_bytes(info.cache_cost, engine.loaded.context_size, Runtime(**runtime))
        assert predicted == pytest.approx(engine.loaded.memory.kv_bytes, abs=LOG_STEP)
        assert engine.loaded.kv_bytes_per_token == pytest.approx(predicted / engine.loaded.context_size, rel=0.02)


async def test_flash_attention_can_be_off(open_worker: OpenEngine) -> None:
    async with open_worker(DEMO, flash_attention="off", kv_type_k="q8_0") as engine:
        assert "床前明月光" in text_of(await play(engine, request("a", Sampling(temperature=0), RECITE)))


@pytest.mark.parametrize("flash_attention", ["auto", "off"])
async def test_heads_that_blocks_do_not_divide_are_refused(
    open_worker: OpenEngine, make_gguf: Callable[..., Path], tmp_path: Path, flash_attention: str
) -> None:
    path = make_gguf(Shape("llama", 2, 192, 4, 2, 512, 1000, 2048), "f16", tmp_path / "head48.gguf")
    with pytest.raises(ModelError, match="cannot be kept in q8_0") as caught:
        async with open_worker(path, kv_type_k="q8_0", flash_attention=flash_attention):
            pass
    assert all(words in caught.value.cause for words in ("`kv_type_k`", "has 48", "32 does not divide"))
    async with open_worker(path, kv_type_k="bf16", flash_attention=flash_attention) as engine:
        assert (
            finish_of(await play(engine, request("a", Sampling(max_tokens=2), RECITE))).timings.completion_tokens == 2
        )


async def test_a_recurrent_model_has_no_such_cache(open_worker: OpenEngine, tmp_path: Path) -> None:
    async with open_worker(write_mamba(tmp_path / "mamba.gguf"), kv_type_k="q8_0", kv_type_v="q8_0") as engine:
        assert engine.loaded.memory.recurrent_bytes > 0
