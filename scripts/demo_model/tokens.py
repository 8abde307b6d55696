"""Byte-level BPE of the demo, split the way llama.cpp splits text for its ``qwen2`` pre-tokenizer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SYSTEM: Final = "<|system|>"
USER: Final = "<|user|>"
ASSISTANT: Final = "<|assistant|>"
END: Final = "<|end|>"
FIM_PREFIX: Final = "<|fim_prefix|>"
FIM_SUFFIX: Final = "<|fim_suffix|>"
FIM_MIDDLE: Final = "<|fim_middle|>"
SPECIALS: Final = (SYSTEM, USER, ASSISTANT, END, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)

PRE: Final = "qwen2"
PATTERN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""llama.cpp's expression for ``tokenizer.ggml.pre = qwen2``; training must split as inference does."""

TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] | trim + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)

_HAN = re.compile(r"([一-鿿])")


def train_bpe(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A tokenizer over ``texts``.

    Chinese characters are shown to the trainer one by one, so that each becomes a token of its own
    and no whole line of a poem does: a line must be recited, not looked up.
    """
    tokenizer = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[AddedToken(name, special=True) for name in SPECIALS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_pieces(texts), trainer)
    return tokenizer


def _byte_level(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def read_bpe(path: Path) -> Tokenizer:
    """The tokenizer in a GGUF file, as training had it."""
    reader = gguf.GGUFReader(path)
    tokens, merges = (_contents(reader, f"tokenizer.ggml.{key}") for key in ("tokens", "merges"))
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = _byte_level(models.BPE(vocab={token: n for n, token in enumerate(tokens)}, merges=pairs))
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIALS])
    return tokenizer


def _contents(reader: gguf.GGUFReader, key: str) -> list[str]:
    found = reader.get_field(key)
    if found is None:
        raise ValueError(f"no {key} in the file")
    return list(found.contents())


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from (piece for piece in _HAN.split(text) if piece)


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Tokens of ``text``; special tokens written in it are recognised."""
    found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return found
