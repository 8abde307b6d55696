"""Muon: momentum whose matrix updates are made orthogonal, which memorises in far fewer steps.

After K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024). Embedding
and norms, which are no hidden matrices, go to AdamW.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def orthogonalise(update: Tensor, steps: int = 5) -> Tensor:
    """The nearest orthogonal matrices to a stack of ``update``, by a quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = update.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    flat: Tensor = x.mT if tall else x
    return flat.float()


class Muon:
    """Nesterov momentum with orthogonal updates, for the hidden matrices of ``network``."""

    def __init__(self, weights: list[nn.Parameter], *, rate: float, momentum: float = 0.95, decay: float = 0.0) -> None:
        self.rate, self.momentum, self.decay = rate, momentum, decay
        shapes = sorted({tuple(w.shape) for w in weights})
        self._stacks = [[w for w in weights if tuple(w.shape) == shape] for shape in shapes]
        self._memory = [torch.zeros(len(stack), *stack[0].shape) for stack in self._stacks]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One update with ``rate * scale``; gradients are consumed."""
        for stack, memory in zip(self._stacks, self._memory, strict=True):
            grad = torch.stack([w.grad for w in stack if w.grad is not None])
            memory.lerp_(grad, 1 - self.momentum)
            update = orthogonalise(grad.lerp(memory, self.momentum))
            gain = max(1.0, update.shape[-2] / update.shape[-1]) ** 0.5
            for weight, change in zip(stack, update, strict=True):
                weight.mul_(1 - self.rate * scale * self.decay)
                weight.add_(change, alpha=-self.rate * scale * gain)
                weight.grad = None
