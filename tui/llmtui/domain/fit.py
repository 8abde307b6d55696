"""Whether a model will fit: what its cache costs, by its header, and what that means for the memory there is.

Formulas: llama.cpp's own allocation, written down in `llama-kv-cache` and `llama-memory-recurrent`. Where an
architecture does more than its header says, the result is an upper bound.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from llmtui.domain.kv_types import bytes_per_element
from llmtui.domain.models import CacheCost, ModelInfo
from llmtui.domain.quantities import size
from llmtui.domain.settings import DEFAULT_CONTEXT, Runtime

Verdict = Literal["yes", "tight", "no"]

F32_BYTES = 4
WINDOW_STEP = 256
"""Windows are rounded up to this many tokens."""
BUFFER_BYTES = 256 << 20
"""Stands for compute and output buffers, for which there is no closed form."""
SHARE_KEPT_FREE = 0.1
"""Of the machine's memory: what runs beside the model needs some, and a machine that swaps is of no use."""
GPU_KEPT_FREE = 1 << 30
MOST_LAYERS = 4096
"""More is no model but a damaged or hostile header."""
_FULL_EVERY = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "llama4": 4}
"""Every how many layers one sees the whole context, where the header has a window and no pattern."""
_FULLY_RECURRENT = {"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"}


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """Memory that a model can have.

    Attributes:
        where: in words, e.g. `memory`.
        available_bytes: free now, with what switching would release; None where unknown.
        total_bytes: of the machine; None where unknown.
        reason: why nothing is known.
    """

    where: str = "memory"
    available_bytes: int | None = None
    total_bytes: int | None = None
    reason: str | None = None


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate made from a header; the engine's own figures come with the load.

    Attributes:
        verdict: None where it cannot be told; `reason` says why.
        context: tokens that would be granted.
        weights_bytes, cache_bytes, buffer_bytes: the parts; None where unknown.
        available_bytes: see `Room`.
    """

    verdict: Verdict | None
    reason: str
    context: int | None = None
    weights_bytes: int | None = None
    cache_bytes: int | None = None
    buffer_bytes: int | None = None
    available_bytes: int | None = None

    @property
    def total_bytes(self) -> int | None:
        """Everything together; None where a part is unknown."""
        parts = (self.weights_bytes, self.cache_bytes, self.buffer_bytes)
        return None if None in parts else sum(part or 0 for part in parts)


def fit_of(info: ModelInfo, runtime: Runtime, room: Room) -> Fit:
    """Whether a model would load, and go on when its context is full.

    `no` is what the engine refuses; `tight` loads and leaves less free than the machine should keep.
    """
    if info.problem is not None:
        return Fit(verdict=None, reason="it cannot be loaded")
    if info.server is not None:
        return Fit(verdict=None, reason="it runs in the server's memory")
    weights, cost = info.weights_bytes or info.size_bytes, info.cache_cost
    asked = runtime.context or DEFAULT_CONTEXT
    context = min(asked, info.trained_context or asked)
    if weights is None or cost is None:
        return Fit(verdict=None, reason="its header does not say enough", context=context, weights_bytes=weights)
    cache = cache_bytes(cost, context, runtime)
    available = room.available_bytes
    verdict, reason = _judged(weights + cache, room)
    return Fit(
        verdict=verdict,
        reason=reason,
        context=context,
        weights_bytes=weights,
        cache_bytes=cache,
        buffer_bytes=BUFFER_BYTES,
        available_bytes=available,
    )


def cache_bytes(cost: CacheCost, context: int, runtime: Runtime) -> int:
    """Bytes of the cache and of recurrent states for sequences of `context` tokens, in the types of `runtime`."""
    slots = runtime.slots
    cells = context * slots
    window = cells
    if cost.window:
        needed = cost.window * slots + min(runtime.batch, runtime.micro_batch or runtime.batch)
        window = min(cells, -(-needed // WINDOW_STEP) * WINDOW_STEP)
    elements = cost.full_elements * cells + cost.windowed_elements * window
    keys, values = bytes_per_element(runtime.kv_type_k), bytes_per_element(runtime.kv_type_v)
    return round(elements * (cost.key_share * keys + (1 - cost.key_share) * values)) + cost.state_bytes * slots


def cache_cost(architecture: str | None, values: Mapping[str, object]) -> CacheCost | None:
    """What a token and a sequence cost, from a header's metadata; None when it does not say.

    Args:
        architecture: prefix of the keys.
        values: numbers, booleans, or tuples with one of them a layer.
    """
    header = _Header(architecture or "", values)
    layers = header.number("block_count")
    width = header.number("embedding_length")
    if not layers or layers > MOST_LAYERS or not width:
        return None
    state = header.state_elements(width)
    if architecture in _FULLY_RECURRENT:
        return CacheCost(state_bytes=F32_BYTES * layers * state) if state else None
    heads = header.per_layer("attention.head_count", layers)
    if heads is None or not any(heads):
        return None
    kv_heads = header.per_layer("attention.head_count_kv", layers) or heads
    head = width // max(heads)
    key, value = header.number("attention.key_length") or head, header.number("attention.value_length") or head
    if header.number("attention.kv_lora_rank") and max(kv_heads) == 1:
        value = 0  # a compressed cache holds keys only
    with_cache = layers - (header.number("attention.shared_kv_layers") or 0)
    windowed = header.windowed_layers(layers)
    full_elements = windowed_elements = recurrent = 0
    for layer, count in enumerate(kv_heads):
        if count == 0:
            recurrent += 1
        elif layer < with_cache:
            elements = count * (key + value)
            if windowed[layer]:
                windowed_elements += elements
            else:
                full_elements += elements
    return CacheCost(
        full_elements=full_elements,
        windowed_elements=windowed_elements,
        key_share=key / (key + value) if key + value else 0.5,
        window=header.number("attention.sliding_window") or 0,
        state_bytes=F32_BYTES * recurrent * state,
    )


class _Header:
    """Metadata of one architecture; whatever is not a sane number counts as missing."""

    def __init__(self, architecture: str, values: Mapping[str, object]) -> None:
        self._architecture = architecture
        self._values = values

    def number(self, key: str) -> int | None:
        return _whole(self._values.get(f"{self._architecture}.{key}"))

    def per_layer(self, key: str, layers: int) -> list[int] | None:
        value = self._values.get(f"{self._architecture}.{key}")
        if isinstance(value, tuple):
            numbers = [_whole(item) for item in value[:layers]]
            known = [number for number in numbers if number is not None]
            return known if len(known) == layers else None
        number = _whole(value)
        return None if number is None else [number] * layers

    def windowed_layers(self, layers: int) -> list[bool]:
        if not self.number("attention.sliding_window"):
            return [False] * layers
        pattern = self._values.get(f"{self._architecture}.attention.sliding_window_pattern")
        if isinstance(pattern, tuple) and len(pattern) >= layers:
            return [bool(item) for item in pattern[:layers]]
        every = _whole(pattern) or _FULL_EVERY.get(self._architecture)
        return [every is not None and every > 0 and (layer + 1) % every != 0 for layer in range(layers)]

    def state_elements(self, width: int) -> int:
        """Of one recurrent layer: Mamba's convolution and state, or RWKV's shifted tokens and matrix."""
        inner, state = self.number("ssm.inner_size") or 0, self.number("ssm.state_size") or 0
        if inner:
            convolution = max(0, (self.number("ssm.conv_kernel") or 1) - 1)
            return convolution * (inner + 2 * (self.number("ssm.group_count") or 0) * state) + state * inner
        head = self.number("wkv.head_size") or 0
        return (self.number("token_shift_count") or 2) * width + width * head if head else 0


def _judged(needed: int, room: Room) -> tuple[Verdict | None, str]:
    available = room.available_bytes
    if available is None:
        return None, room.reason or f"how much {room.where} is free is not known"
    free = f"{size(available)} of {room.where} is available"
    if needed > available:
        return "no", f"it takes {size(needed + BUFFER_BYTES)}; {free}"
    spare = int(SHARE_KEPT_FREE * (room.total_bytes or 0)) if room.where == "memory" else GPU_KEPT_FREE
    left = available - needed - BUFFER_BYTES
    if left < spare:
        return "tight", f"it would leave {size(max(0, left))} free; {free}"
    return "yes", free


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 1 << 40 else None
