"""A small Llama: RMSNorm, rotary positions, grouped-query attention, SwiGLU, tied embeddings.

Weight layouts are llama.cpp's own: rotary pairs are neighbours (2i, 2i+1), so the export copies
matrices as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; every matrix dimension is a multiple of 256, as k-quants need."""

    vocab: int
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 768
    context: int = 4096
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads


def rotary(length: int, shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosines and sines, ``length`` × ``head / 2``."""
    speed = shape.rope_base ** (-torch.arange(0, shape.head, 2, dtype=torch.float32) / shape.head)
    angle = torch.outer(torch.arange(length, dtype=torch.float32), speed)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns neighbouring pairs of ``x`` (batch, time, heads, head) by the position's angle."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = cos[: x.shape[1], None].to(x.dtype), sin[: x.shape[1], None].to(x.dtype)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class Block(nn.Module):
    """One layer: attention and feed-forward, each normalised before and added after."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        kv = shape.kv_heads * shape.head
        self.attn_norm = nn.RMSNorm(shape.hidden, eps=shape.norm_eps)
        self.attn_q = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.attn_k = nn.Linear(shape.hidden, kv, bias=False)
        self.attn_v = nn.Linear(shape.hidden, kv, bias=False)
        self.attn_output = nn.Linear(shape.hidden, shape.hidden, bias=False)
        self.ffn_norm = nn.RMSNorm(shape.hidden, eps=shape.norm_eps)
        self.ffn_gate = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.ffn_up = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.ffn_down = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """(batch, time, hidden) to the same."""
        batch, time, _ = x.shape
        s = self.shape
        h = self.attn_norm(x)
        q = rotate(self.attn_q(h).view(batch, time, s.heads, s.head), cos, sin)
        k = rotate(self.attn_k(h).view(batch, time, s.kv_heads, s.head), cos, sin)
        v = self.attn_v(h).view(batch, time, s.kv_heads, s.head)
        k, v = (t.repeat_interleave(s.heads // s.kv_heads, dim=2) for t in (k, v))
        mixed = functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True
        )
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, time, s.hidden))
        h = self.ffn_norm(x)
        out: Tensor = x + self.ffn_down(functional.silu(self.ffn_gate(h)) * self.ffn_up(h))
        return out


class Network(nn.Module):
    """Embedding, blocks, and the embedding again as the output layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocab, shape.hidden)
        self.blk = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.RMSNorm(shape.hidden, eps=shape.norm_eps)
        cos, sin = rotary(shape.context, shape)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                out = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * shape.layers) ** 0.5 if out else 0.02)

    def forward(self, tokens: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Logits of (batch, time) ``tokens``; only at the positions of the mask ``wanted`` when given."""
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x, self.cos, self.sin)
        if wanted is not None:
            x = x[wanted]
        return functional.linear(self.output_norm(x), self.token_embd.weight)
