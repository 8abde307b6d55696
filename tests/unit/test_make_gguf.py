"""The model factory: what it writes is what a reader of the format finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
import pytest
from gguf_shapes import SHAPES, tensors
from gguf_vocab import CHATML, byte_alphabet, encode, vocabulary
from make_gguf import make

if TYPE_CHECKING:
    from pathlib import Path

TINY = ["llama-tiny", "qwen2-tiny"]


def field(reader: gguf.GGUFReader, key: str) -> Any:
    found = reader.get_field(key)
    assert found is not None, key
    return found.contents()


@pytest.mark.parametrize("shape", TINY)
@pytest.mark.parametrize("kind", ["f32", "f16", "q8_0", "q4_0"])
def test_tensors_have_the_names_sizes_and_type_asked_for(tmp_path: Path, shape: str, kind: str) -> None:
    reader = gguf.GGUFReader(make(shape, kind, tmp_path / "model.gguf"))

    expected = {spec.name: spec.dims for spec in tensors(SHAPES[shape])}
    found = {t.name: tuple(int(n) for n in reversed(t.shape)) for t in reader.tensors}
    assert found == expected
    matrices = {t.tensor_type.name for t in reader.tensors if t.name.endswith("ffn_up.weight")}
    assert matrices == {kind.upper()}
    assert all(t.tensor_type.name == "F32" for t in reader.tensors if len(t.shape) == 1)


@pytest.mark.parametrize("kind", ["f32", "f16", "q8_0", "q4_0"])
def test_values_are_finite_centred_and_of_the_intended_spread(tmp_path: Path, kind: str) -> None:
    reader = gguf.GGUFReader(make("llama-tiny", kind, tmp_path / "model.gguf"))

    for tensor in (t for t in reader.tensors if t.name.endswith(("attn_q.weight", "ffn_down.weight"))):
        plain = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.isfinite(plain).all()
        inputs = int(tensor.shape[0])
        assert plain.std() == pytest.approx(inputs**-0.5, rel=0.1)
        assert abs(plain.mean()) < 0.1 * plain.std()


def test_metadata_tells_the_shape_and_the_tokenizer(tmp_path: Path) -> None:
    reader = gguf.GGUFReader(make("qwen2-tiny", "q4_0", tmp_path / "model.gguf", context=512, layers=3, vocab=400))

    assert field(reader, "general.architecture") == "qwen2"
    assert field(reader, "general.file_type") == gguf.LlamaFileType.MOSTLY_Q4_0
    assert field(reader, "qwen2.context_length") == 512
    assert field(reader, "qwen2.block_count") == 3
    assert field(reader, "qwen2.attention.head_count_kv") == 2
    tokens = field(reader, "tokenizer.ggml.tokens")
    assert len(tokens) == len(set(tokens)) == 400
    assert tokens[field(reader, "tokenizer.ggml.eos_token_id")] == "<|im_end|>"
    assert field(reader, "tokenizer.chat_template") == CHATML
    assert {t.name for t in reader.tensors if ".attn_q.bias" in t.name} == {f"blk.{n}.attn_q.bias" for n in range(3)}


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (
        make("llama-tiny", "q4_0", tmp_path / f"{n}.gguf", seed=seed).read_bytes() for n, seed in enumerate((3, 3, 4))
    )

    assert first == again
    assert first != other


def test_a_model_may_come_without_tensors_or_with_another_template(tmp_path: Path) -> None:
    bare = gguf.GGUFReader(make("llama-tiny", "f16", tmp_path / "bare.gguf", vocab_only=True))
    odd = gguf.GGUFReader(make("llama-tiny", "f16", tmp_path / "odd.gguf", template="{{ messages | length }}"))
    none = gguf.GGUFReader(make("llama-tiny", "f16", tmp_path / "none.gguf", template=None))

    assert not bare.tensors
    assert len(field(bare, "tokenizer.ggml.tokens")) == SHAPES["llama-tiny"].vocab
    assert field(odd, "tokenizer.chat_template") == "{{ messages | length }}"
    assert none.get_field("tokenizer.chat_template") is None


def test_every_merge_joins_two_tokens_into_a_third() -> None:
    words = vocabulary(1000)

    known = set(words.tokens)
    assert words.merges
    for merge in words.merges:
        left, right = merge.split(" ")
        assert {left, right, left + right} <= known


def test_the_byte_alphabet_is_one_to_one() -> None:
    alphabet = byte_alphabet()

    assert len(set(alphabet)) == 256
    assert encode(" a", alphabet) == "Ġa"


def test_a_vocabulary_too_small_for_its_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="259"):
        vocabulary(258)
