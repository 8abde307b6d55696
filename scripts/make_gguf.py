# /// script
# requires-python = ">=3.11"
# dependencies = ["gguf>=0.19", "numpy>=2.0"]
# ///
"""Writes models of real shapes with random weights, for tests and benchmarks.

    python scripts/make_gguf.py --shape qwen2-0.5b --type q4_0 -o out.gguf

Speed, memory and file handling depend on shapes and types, not on what a model knows, so a random
one measures them as well as a real one, in seconds and without a download. Needs gguf and numpy.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from gguf_lora import make_lora
from gguf_shapes import SHAPES, Part, Shape, TensorSpec, tensors
from gguf_vocab import CHATML, Vocabulary, vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = gguf.GGMLQuantizationType

TYPES = {
    "f32": (Kind.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (Kind.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q4_0": (Kind.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
    "q8_0": (Kind.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}

_SPREAD = {Kind.Q4_0: 4.61, Kind.Q8_0: 73.9}
"""Standard deviation of uniformly random codes: 0..15 for q4_0, -128..127 for q8_0."""

_CODE_BYTES = {Kind.Q4_0: 16, Kind.Q8_0: 32}
_BLOCK = 32


def make(
    shape: str | Shape,
    kind: str,
    path: Path,
    *,
    seed: int = 0,
    context: int | None = None,
    layers: int | None = None,
    vocab: int | None = None,
    template: str | None = CHATML,
    vocab_only: bool = False,
    words: Vocabulary | None = None,
    pre: str = "qwen2",
) -> Path:
    """Writes a model of ``shape`` in the type ``kind`` to ``path`` and returns ``path``.

    Args:
        shape: a name in ``gguf_shapes.SHAPES``, or sizes of your own.
        kind: ``f32``, ``f16``, ``q8_0`` or ``q4_0``; vectors are always f32.
        path: the file, overwritten.
        seed: the same seed gives the same bytes.
        context: trained context length in the metadata.
        layers: another number of layers.
        vocab: another vocabulary size.
        template: the chat template, ``None`` for a model without.
        vocab_only: metadata and tokenizer, no tensors.
        words: a vocabulary of your own; ``vocab`` must be its size.
        pre: the rule that splits a text into words.
    """
    sizes = SHAPES[shape] if isinstance(shape, str) else shape
    sizes = replace(sizes, context=context or sizes.context, layers=layers or sizes.layers, vocab=vocab or sizes.vocab)
    quantum, file_type = TYPES[kind]
    words = words or vocabulary(sizes.vocab)
    writer = gguf.GGUFWriter(path, sizes.arch)
    writer.add_name(f"random {shape if isinstance(shape, str) else sizes.arch}")
    writer.add_file_type(file_type)
    _sizes(writer, sizes)
    _words(writer, words, template, pre)
    specs = [] if vocab_only else tensors(sizes)
    kinds = [stored_as(spec, quantum, tied=sizes.tied) for spec in specs]
    for spec, stored in zip(specs, kinds, strict=True):
        _declare(writer, spec, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for n, (spec, stored) in enumerate(zip(specs, kinds, strict=True)):
        rng = np.random.default_rng([seed, n])
        writer.write_tensor_data(values(spec, stored, rng, quiet=words.unreadable))
    writer.close()
    return path


def _sizes(writer: gguf.GGUFWriter, sizes: Shape) -> None:
    """The architecture's keys."""
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_block_count(sizes.layers)
    writer.add_context_length(sizes.context)
    writer.add_embedding_length(sizes.hidden)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.kv_heads)
    writer.add_rope_freq_base(sizes.rope_base)
    writer.add_layer_norm_rms_eps(sizes.norm_eps)
    writer.add_vocab_size(sizes.vocab)
    if sizes.head:
        writer.add_key_length(sizes.head)
        writer.add_value_length(sizes.head)
    for key, value in sizes.extra.items():
        name = f"{sizes.arch}.{key}"
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        else:
            writer.add_float32(name, value)


def _words(writer: gguf.GGUFWriter, words: Vocabulary, template: str | None, pre: str) -> None:
    """Tokenizer and template."""
    special = set(words.specials)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in words.tokens])
    writer.add_token_merges(words.merges or ["Ġ Ġ"])
    writer.add_bos_token_id(words.specials["<|endoftext|>"])
    writer.add_eos_token_id(words.specials["<|im_end|>"])
    writer.add_pad_token_id(words.specials["<|endoftext|>"])
    writer.add_add_bos_token(value=False)
    if template is not None:
        writer.add_chat_template(template)


def stored_as(spec: TensorSpec, quantum: gguf.GGMLQuantizationType, *, tied: bool) -> gguf.GGMLQuantizationType:
    """The type ``spec`` is stored in: f32 for vectors, 8 bits for a 4-bit model's output layer as llama.cpp has it."""
    if len(spec.dims) == 1:
        return Kind.F32
    is_output = spec.part == "output" or (spec.part == "embedding" and tied)
    return Kind.Q8_0 if quantum == Kind.Q4_0 and is_output else quantum


def _declare(writer: gguf.GGUFWriter, spec: TensorSpec, stored: gguf.GGMLQuantizationType) -> None:
    block, block_bytes = gguf.GGML_QUANT_SIZES[stored]
    row = spec.dims[-1] // block * block_bytes
    n_bytes = row * int(np.prod(spec.dims[:-1], dtype=np.int64))
    if stored in _CODE_BYTES:
        writer.add_tensor_info(spec.name, (*spec.dims[:-1], row), np.dtype(np.uint8), n_bytes, raw_dtype=stored)
    else:
        kind = np.dtype(np.float16 if stored == Kind.F16 else np.float32)
        writer.add_tensor_info(spec.name, spec.dims, kind, n_bytes)


def spread(part: Part, inputs: int) -> float:
    """Standard deviation of a tensor's values.

    ``1 / sqrt(inputs)`` keeps the size of activations; embeddings are small beside what the layers
    add, or a model with tied embeddings would only repeat its last token.
    """
    return (1.5 if part in {"embedding", "output"} else 1.0) / math.sqrt(inputs)


def values(
    spec: TensorSpec, stored: gguf.GGMLQuantizationType, rng: np.random.Generator, *, quiet: int = 0
) -> NDArray[Any]:
    """Random content of ``spec`` as stored; quantised types are drawn as codes, never quantised.

    ``quiet`` rows of an embedding or output get a tenth of the spread, which keeps the raw byte
    tokens from being generated.
    """
    if spec.part == "norm":
        return np.ones(spec.dims, dtype=np.float32)
    deviation = spread(spec.part, spec.dims[-1])
    scale = np.full((*spec.dims[:-1], 1), deviation, dtype=np.float32)
    if spec.part in {"embedding", "output"}:
        scale[:quiet] *= 0.1
    if stored not in _CODE_BYTES:
        drawn = rng.standard_normal(spec.dims, dtype=np.float32) * scale
        return drawn.astype(np.float16) if stored == Kind.F16 else drawn
    blocks = spec.dims[-1] // _BLOCK
    steps = np.broadcast_to(scale / _SPREAD[stored], (*spec.dims[:-1], blocks)).astype(np.float16)
    signs = rng.integers(0, 2, steps.shape, dtype=np.uint16) << np.uint16(15)
    codes = rng.integers(0, 256, (*steps.shape, _CODE_BYTES[stored]), dtype=np.uint8)
    head = (steps.view(np.uint16) ^ signs)[..., None].view(np.uint8)
    return np.concatenate([head, codes], axis=-1).reshape(*spec.dims[:-1], -1)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a GGUF model of a real shape with random weights.")
    parser.add_argument(
        "--lora-for", type=Path, metavar="FILE", help="write a LoRA adapter for this small model instead"
    )
    parser.add_argument("--shape", choices=sorted(SHAPES), default="qwen2-0.5b")
    parser.add_argument("--type", choices=sorted(TYPES), default="q4_0")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--context", type=int, help="trained context length")
    parser.add_argument("--layers", type=int)
    parser.add_argument("--vocab", type=int)
    parser.add_argument("--vocab-only", action="store_true", help="no tensors")
    parser.add_argument("--template", type=Path, metavar="FILE", help="chat template instead of ChatML")
    args = parser.parse_args()
    if args.lora_for is not None:
        made = make_lora(args.lora_for, args.output, seed=args.seed)
        print(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
        return
    path = make(
        args.shape,
        args.type,
        args.output,
        seed=args.seed,
        context=args.context,
        layers=args.layers,
        vocab=args.vocab,
        template=args.template.read_text(encoding="utf-8") if args.template else CHATML,
        vocab_only=args.vocab_only,
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
