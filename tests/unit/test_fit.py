"""Fits or not: the cache's cost by kind of model, and what the verdicts mean."""

import os

import msgspec
import pytest

from llmtui.domain.fit import BUFFER_BYTES, Room, cache_bytes, cache_cost, fit_of
from llmtui.domain.models import CacheCost, ModelInfo
from llmtui.domain.settings import Runtime
from llmtui.probes.host import read_process
from llmtui.services.fits import read_room

MIB, GIB = 1 << 20, 1 << 30
LLAMA_8B = {
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}


def info(**values: object) -> ModelInfo:
    given = {
        "name": "m",
        "path": "/m.gguf",
        "parts": ["/m.gguf"],
        "source": "folder",
        "size_bytes": 4 * GIB,
        "modified_ns": 0,
        "weights_bytes": 4 * GIB,
        "trained_context": 131_072,
        "cache_cost": {"full_elements": 32 * 8 * 256},
    }
    return msgspec.convert(given | values, ModelInfo)


def cost(arch: str, **values: object) -> CacheCost | None:
    return cache_cost(arch, {f"{arch}.{key.replace('__', '.')}": value for key, value in values.items()})


def test_the_8b_shape_takes_a_gibibyte_at_8k() -> None:
    found = cache_cost("llama", LLAMA_8B)
    assert found is not None
    assert cache_bytes(found, 8192, Runtime()) == 1024 * MIB
    assert cache_bytes(found, 8192, Runtime(slots=2)) == 2048 * MIB


def test_heads_may_differ_between_layers_and_default_to_all() -> None:
    base = {"block_count": 3, "embedding_length": 64, "attention__head_count": 4}
    assert cost("x", **base) == CacheCost(full_elements=3 * 4 * 32)
    assert cost("x", **base, attention__head_count_kv=(1, 2, 1)) == CacheCost(full_elements=4 * 32)
    wide = cost("x", **base, attention__key_length=48, attention__value_length=16)
    assert wide == CacheCost(full_elements=3 * 4 * 64, key_share=0.75)


def test_a_window_bounds_what_its_layers_keep() -> None:
    base = {"block_count": 6, "embedding_length": 64, "attention__head_count": 4, "attention__sliding_window": 1024}
    found = cost("gemma3", **base)
    assert found == CacheCost(full_elements=128, windowed_elements=5 * 128, window=1024)
    assert cache_bytes(found, 32_768, Runtime()) == 2 * (128 * 32_768 + 5 * 128 * 1536)
    assert cache_bytes(found, 512, Runtime()) == 2 * 6 * 128 * 512
    said = cost("other", **base, attention__sliding_window_pattern=(True, True, False, True, True, False))
    assert said == CacheCost(full_elements=2 * 128, windowed_elements=4 * 128, window=1024)
    unknown = cost("other", **base)
    assert unknown is not None
    assert unknown.windowed_elements == 0


def test_compressed_and_shared_caches_cost_less() -> None:
    base = {"block_count": 4, "embedding_length": 64, "attention__head_count": 4}
    compressed = cost(
        "deepseek2",
        **base,
        attention__kv_lora_rank=512,
        attention__head_count_kv=1,
        attention__key_length=576,
        attention__value_length=512,
    )
    assert compressed == CacheCost(full_elements=4 * 576, key_share=1.0)
    assert cost("x", **base, attention__shared_kv_layers=3) == CacheCost(full_elements=128)


def test_recurrent_states_do_not_grow() -> None:
    mamba = cost("mamba", block_count=2, embedding_length=8, ssm__inner_size=16, ssm__state_size=4, ssm__conv_kernel=4)
    assert mamba == CacheCost(state_bytes=4 * 2 * (3 * 16 + 4 * 16))
    assert cache_bytes(mamba, 100_000, Runtime()) == mamba.state_bytes
    rwkv = cost("rwkv6", block_count=2, embedding_length=128, wkv__head_size=64, token_shift_count=2)
    assert rwkv == CacheCost(state_bytes=4 * 2 * (2 * 128 + 128 * 64))
    hybrid = cost(
        "jamba",
        block_count=4,
        embedding_length=64,
        attention__head_count=4,
        attention__head_count_kv=(0, 2, 0, 0),
        ssm__inner_size=16,
        ssm__state_size=4,
        ssm__conv_kernel=4,
    )
    assert hybrid == CacheCost(full_elements=2 * 32, state_bytes=4 * 3 * (3 * 16 + 4 * 16))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"block_count": 10**9, "embedding_length": 64, "attention__head_count": 4},
        {"block_count": -1, "embedding_length": 64, "attention__head_count": 4},
        {"block_count": "4", "embedding_length": 64, "attention__head_count": 4},
        {"block_count": True, "embedding_length": 64, "attention__head_count": 4},
        {"block_count": 4, "embedding_length": 64, "attention__head_count": 0},
        {"block_count": 4, "embedding_length": 64, "attention__head_count": (4, 4)},
        {"block_count": 4, "embedding_length": 1 << 50, "attention__head_count": 4},
    ],
)
def test_a_header_that_does_not_say_is_unknown(values: dict[str, object]) -> None:
    assert cost("x", **values) is None


@pytest.mark.parametrize(
    ("available", "verdict"),
    [(20 * GIB, "yes"), (5 * GIB + BUFFER_BYTES + MIB, "tight"), (5 * GIB, "tight"), (5 * GIB - 1, "no"), (None, None)],
)
def test_the_verdict_follows_what_is_available(available: int | None, verdict: str | None) -> None:
    fit = fit_of(info(), Runtime(), Room(available_bytes=available, total_bytes=24 * GIB))
    assert fit.verdict == verdict
    assert (fit.weights_bytes, fit.cache_bytes, fit.context) == (4 * GIB, GIB, 8192)
    assert fit.total_bytes == 5 * GIB + BUFFER_BYTES
    assert fit.reason


def test_the_context_that_would_be_granted_counts() -> None:
    room = Room(available_bytes=20 * GIB)
    assert fit_of(info(trained_context=2048), Runtime(), room).context == 2048
    assert fit_of(info(), Runtime(context=1024), room).cache_bytes == GIB // 8
    assert fit_of(info(), Runtime(context=131_072), Room(available_bytes=16 * GIB)).verdict == "no"


def test_what_cannot_be_told_says_why() -> None:
    room = Room(available_bytes=20 * GIB)
    assert "server" in fit_of(info(server="box"), Runtime(), room).reason
    assert fit_of(info(problem="broken"), Runtime(), room).verdict is None
    assert "header" in fit_of(info(cache_cost=None), Runtime(), room).reason


def test_the_room_counts_what_a_loaded_model_would_give_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmtui.engines.llama.worker.machine.available_memory", lambda: GIB)
    runtime, gone = Runtime(gpu_layers=0), 2**22 + 1
    assert read_room(runtime).available_bytes == read_room(runtime, (gone,)).available_bytes == GIB
    own = read_process(os.getpid()).rss_anon_bytes
    if own is not None:
        held = read_room(runtime, (os.getpid(),)).available_bytes
        assert held is not None
        assert abs(held - GIB - own) < 64 * MIB


def test_the_types_of_the_cache_count() -> None:
    found = cache_cost("llama", LLAMA_8B)
    sizes = {
        kind: cache_bytes(found, 8192, Runtime(kv_type_k=kind, kv_type_v=kind)) for kind in ("f16", "q8_0", "q4_0")
    }
    assert sizes == {"f16": 1024 * MIB, "q8_0": 544 * MIB, "q4_0": 288 * MIB}
    assert cache_bytes(found, 8192, Runtime(kv_type_k="q8_0")) == (512 + 272) * MIB
    uneven = cache_cost("llama", {**LLAMA_8B, "llama.attention.key_length": 192, "llama.attention.value_length": 128})
    assert cache_bytes(uneven, 100, Runtime(kv_type_k="f32")) == 100 * 32 * 8 * (192 * 4 + 128 * 2)


def test_a_micro_batch_decides_how_long_windows_are() -> None:
    found = CacheCost(windowed_elements=128, window=1024)
    assert cache_bytes(found, 32_768, Runtime(batch=2048, micro_batch=256)) == 2 * 128 * 1280
