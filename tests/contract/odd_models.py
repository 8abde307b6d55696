"""Random models whose memory is not a plain KV cache: a recurrent one and one with a sliding window."""

import os
from pathlib import Path

import gguf
import numpy as np

VOCABULARY = 500
WIDTH = 64
TEMPLATE = "{% for m in messages %}{{ m.role + ':' + m.content + '\n' }}{% endfor %}{{ 'assistant:' }}"


def _writer(path: Path, architecture: str, *, template: str = TEMPLATE, adds_bos: bool = False) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path, architecture)
    # Bytes first, as GPT-2 writes them, then words that no merge makes: what is generated is readable.
    bytes_ = [chr(code) for code in range(0x21, 0x7F)] + [chr(0x100 + code) for code in range(0x100)]
    words = [f"Ġw{number}" for number in range(VOCABULARY - len(bytes_) - 1)]
    tokens = [*bytes_, *words, "<|end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (VOCABULARY - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["Ġ w"])
    writer.add_eos_token_id(VOCABULARY - 1)
    writer.add_bos_token_id(VOCABULARY - 1)
    writer.add_add_bos_token(value=adds_bos)
    writer.add_chat_template(template)
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_vocab_size(VOCABULARY)
    return writer


def _finish(writer: gguf.GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


class _Random:
    def __init__(self, writer: gguf.GGUFWriter) -> None:
        self._writer = writer
        self._rng = np.random.default_rng(1)

    def add(self, name: str, *shape: int) -> None:
        values = self._rng.standard_normal(shape, dtype=np.float32) / np.sqrt(shape[-1])
        self._writer.add_tensor(name, values.astype(np.float32))

    def ones(self, name: str, *shape: int, value: float = 1.0) -> None:
        self._writer.add_tensor(name, np.full(shape, value, dtype=np.float32))


def write_mamba(path: Path, *, template: str = TEMPLATE, adds_bos: bool = False) -> Path:
    """Two layers with a state of fixed size: nothing of it can be cut off."""
    inner, state, rank, kernel = 2 * WIDTH, 16, 4, 4
    writer = _writer(path, "mamba", template=template, adds_bos=adds_bos)
    writer.add_block_count(2)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    tensors = _Random(writer)
    tensors.add("token_embd.weight", VOCABULARY, WIDTH)
    tensors.ones("output_norm.weight", WIDTH)
    for layer in range(2):
        block = f"blk.{layer}"
        tensors.ones(f"{block}.attn_norm.weight", WIDTH)
        tensors.add(f"{block}.ssm_in.weight", 2 * inner, WIDTH)
        tensors.add(f"{block}.ssm_conv1d.weight", inner, kernel)
        tensors.ones(f"{block}.ssm_conv1d.bias", inner, value=0.0)
        tensors.add(f"{block}.ssm_x.weight", rank + 2 * state, inner)
        tensors.add(f"{block}.ssm_dt.weight", inner, rank)
        tensors.ones(f"{block}.ssm_dt.bias", inner, value=0.5)
        tensors.ones(f"{block}.ssm_a", inner, state, value=-1.0)
        tensors.ones(f"{block}.ssm_d", inner)
        tensors.add(f"{block}.ssm_out.weight", WIDTH, inner)
    return _finish(writer, path)


def write_bert(path: Path) -> Path:
    """One layer of an embedding model: it loads, but generates nothing."""
    writer = _writer(path, "bert")
    writer.add_block_count(1)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-6)
    writer.add_causal_attention(value=False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_token_type_count(1)
    tensors = _Random(writer)
    tensors.add("token_embd.weight", VOCABULARY, WIDTH)
    tensors.add("token_types.weight", 1, WIDTH)
    tensors.add("position_embd.weight", 2048, WIDTH)
    for norm in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        tensors.ones(f"{norm}.weight", WIDTH)
        tensors.ones(f"{norm}.bias", WIDTH, value=0.0)
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        tensors.add(f"blk.0.{name}.weight", WIDTH, WIDTH)
        tensors.ones(f"blk.0.{name}.bias", WIDTH, value=0.0)
    tensors.add("blk.0.ffn_up.weight", 2 * WIDTH, WIDTH)
    tensors.ones("blk.0.ffn_up.bias", 2 * WIDTH, value=0.0)
    tensors.add("blk.0.ffn_down.weight", WIDTH, 2 * WIDTH)
    tensors.ones("blk.0.ffn_down.bias", WIDTH, value=0.0)
    return _finish(writer, path)


def write_gemma3(path: Path, window: int, *, template: str = TEMPLATE) -> Path:
    """Six layers, five of which look back `window` tokens only."""
    heads, head = 2, 32
    writer = _writer(path, "gemma3", template=template)
    writer.add_block_count(6)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(heads)
    writer.add_head_count_kv(1)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_sliding_window(window)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    tensors = _Random(writer)
    tensors.add("token_embd.weight", VOCABULARY, WIDTH)
    tensors.ones("output_norm.weight", WIDTH)
    for layer in range(6):
        block = f"blk.{layer}"
        for norm in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"):
            tensors.ones(f"{block}.{norm}.weight", WIDTH)
        tensors.ones(f"{block}.attn_q_norm.weight", head)
        tensors.ones(f"{block}.attn_k_norm.weight", head)
        tensors.add(f"{block}.attn_q.weight", heads * head, WIDTH)
        tensors.add(f"{block}.attn_k.weight", head, WIDTH)
        tensors.add(f"{block}.attn_v.weight", head, WIDTH)
        tensors.add(f"{block}.attn_output.weight", WIDTH, heads * head)
        tensors.add(f"{block}.ffn_gate.weight", 2 * WIDTH, WIDTH)
        tensors.add(f"{block}.ffn_up.weight", 2 * WIDTH, WIDTH)
        tensors.add(f"{block}.ffn_down.weight", WIDTH, 2 * WIDTH)
    return _finish(writer, path)


def write_huge(path: Path) -> Path:
    """A file with a tensor of 8 TiB, of which the disk holds next to nothing."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tensor_info("token_embd.weight", [1 << 21, 1 << 20], np.dtype(np.float32), 1 << 43)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    os.truncate(path, path.stat().st_size + (1 << 43))
    return path
