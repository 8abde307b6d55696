"""Shapes of real models, as a table: sizes, metadata keys and tensors of each architecture.

A new architecture is one function from ``Shape`` to its tensors in ``TENSORS``, and, where it has
keys of its own, an entry in ``Shape.extra``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Part = Literal["embedding", "output", "matrix", "residual", "norm", "bias"]
"""What a tensor is for; it decides the spread of its random values."""


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: its GGUF name, its sizes (rows first, as numpy has them), and its part."""

    name: str
    dims: tuple[int, ...]
    part: Part


@dataclass(frozen=True)
class Shape:
    """Sizes of one model. ``extra`` holds more metadata, keys without the architecture's prefix."""

    arch: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocab: int
    context: int
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5
    tied: bool = False
    qkv_bias: bool = False
    head: int = 0
    extra: Mapping[str, int | float | bool] = field(default_factory=dict)

    @property
    def head_size(self) -> int:
        """Width of one head; hidden / heads unless given."""
        return self.head or self.hidden // self.heads


SHAPES: dict[str, Shape] = {
    "llama-tiny": Shape("llama", 2, 256, 4, 2, 512, 1000, 2048),
    "qwen2-tiny": Shape("qwen2", 2, 256, 4, 2, 512, 1000, 2048, 1e6, 1e-6, tied=True, qkv_bias=True),
    "qwen2-0.5b": Shape("qwen2", 24, 896, 14, 2, 4864, 151_936, 32_768, 1e6, 1e-6, tied=True, qkv_bias=True),
    "qwen2-1.5b": Shape("qwen2", 28, 1536, 12, 2, 8960, 151_936, 32_768, 1e6, 1e-6, tied=True, qkv_bias=True),
    "qwen2-7b": Shape("qwen2", 28, 3584, 28, 4, 18_944, 152_064, 32_768, 1e6, 1e-6, qkv_bias=True),
    "llama-1b": Shape("llama", 16, 2048, 32, 8, 8192, 128_256, 131_072, 5e5, tied=True),
    "llama-8b": Shape("llama", 32, 4096, 32, 8, 14_336, 128_256, 131_072, 5e5),
}


def tensors(shape: Shape) -> list[TensorSpec]:
    """All tensors of ``shape``, in file order."""
    return list(TENSORS[shape.arch](shape))


def _dense(shape: Shape) -> Iterator[TensorSpec]:
    """Llama and its kin: attention and gated feed-forward; Qwen2 adds biases to q, k and v."""
    hidden, query, kv = shape.hidden, shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    yield TensorSpec("token_embd.weight", (shape.vocab, hidden), "embedding")
    yield TensorSpec("output_norm.weight", (hidden,), "norm")
    if not shape.tied:
        yield TensorSpec("output.weight", (shape.vocab, hidden), "output")
    for n in range(shape.layers):
        at = f"blk.{n}."
        yield TensorSpec(f"{at}attn_norm.weight", (hidden,), "norm")
        for name, rows in (("q", query), ("k", kv), ("v", kv)):
            yield TensorSpec(f"{at}attn_{name}.weight", (rows, hidden), "matrix")
            if shape.qkv_bias:
                yield TensorSpec(f"{at}attn_{name}.bias", (rows,), "bias")
        yield TensorSpec(f"{at}attn_output.weight", (hidden, query), "residual")
        yield TensorSpec(f"{at}ffn_norm.weight", (hidden,), "norm")
        yield TensorSpec(f"{at}ffn_gate.weight", (shape.feed_forward, hidden), "matrix")
        yield TensorSpec(f"{at}ffn_up.weight", (shape.feed_forward, hidden), "matrix")
        yield TensorSpec(f"{at}ffn_down.weight", (hidden, shape.feed_forward), "residual")


TENSORS: dict[str, Callable[[Shape], Iterator[TensorSpec]]] = {"llama": _dense, "qwen2": _dense}
