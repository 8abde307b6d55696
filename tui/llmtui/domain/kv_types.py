"""Types in which llama.cpp can keep the KV cache, what they cost, and flash attention, which some of them need."""

from typing import Literal, NamedTuple, get_args

KvType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
FlashAttention = Literal["auto", "on", "off"]
KV_TYPES: tuple[KvType, ...] = get_args(KvType)
CHOICES: dict[str, tuple[str, ...]] = {
    "flash_attention": get_args(FlashAttention),
    "kv_type_k": KV_TYPES,
    "kv_type_v": KV_TYPES,
}
"""Words that fields of `Runtime` take."""


class Block(NamedTuple):
    """Numbers that are stored together, and the bytes they take."""

    elements: int
    size_bytes: int


_BLOCKS: dict[KvType, Block] = {
    "f32": Block(1, 4),
    "f16": Block(1, 2),
    "bf16": Block(1, 2),
    "q8_0": Block(32, 34),
    "q5_1": Block(32, 24),
    "q5_0": Block(32, 22),
    "q4_1": Block(32, 20),
    "q4_0": Block(32, 18),
    "iq4_nl": Block(32, 18),
}


def block_of(kind: KvType) -> Block:
    """How numbers of a type are stored, as ggml lays them out."""
    return _BLOCKS[kind]


def is_quantised(kind: KvType) -> bool:
    """Whether several numbers share a scale."""
    return _BLOCKS[kind].elements > 1


def bytes_per_element(kind: KvType) -> float:
    """Of a number of the cache, e.g. 34/32 in `q8_0`."""
    block = _BLOCKS[kind]
    return block.size_bytes / block.elements
