"""Writes a LoRA adapter with random weights for a model file: it changes the answers, and teaches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = ("attn_q.weight", "attn_v.weight", "ffn_down.weight")


def make_lora(base: Path, path: Path, *, rank: int = 4, strength: float = 3.0, seed: int = 0) -> Path:
    """Writes an adapter for the model in ``base`` to ``path`` and returns ``path``.

    Args:
        base: a small model; its whole header is read.
        path: the file, overwritten.
        rank: of the matrices.
        strength: spread of what scale 1 adds, times the square root of a row's length; 3 is enough to make the
            demo model talk nonsense, 1 hardly disturbs it.
        seed: the same seed gives the same bytes.
    """
    reader = gguf.GGUFReader(base)
    arch = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(path, arch)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_name(f"random adapter of rank {rank}")
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(rank))
    for n, tensor in enumerate(reader.tensors):
        if not tensor.name.endswith(TARGETS):
            continue
        inputs, outputs = (int(size) for size in tensor.shape)
        rng = np.random.default_rng([seed, n])
        spread = strength / np.sqrt(inputs * rank)
        a = rng.standard_normal((rank, inputs), dtype=np.float32)
        b = rng.standard_normal((outputs, rank), dtype=np.float32) * np.float32(spread)
        writer.add_tensor(f"{tensor.name}.lora_a", a)
        writer.add_tensor(f"{tensor.name}.lora_b", b.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
