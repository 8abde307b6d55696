"""Token counts made with a model's vocabulary are the counts of llama.cpp."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import vocabularies
from gguf_vocab import trained
from hypothesis import example, given, settings
from hypothesis import strategies as st
from texts import NASTY, PROSE

from llmtui.domain.text import estimate_tokens
from llmtui.services.tokens.encoding import TextEncoding
from llmtui.services.tokens.pretokenisers import PRETOKENISERS
from llmtui.store.gguf_vocabulary import read_vocabulary

FRAGMENTS = st.sampled_from(
    [
        *"aZéßΩя中文かカ한กनا👩9٣½ \t\n\r\xa0\u3000\u2028\u200d\u0301\x00\x1f\x85'\".,-_/\\|~$€（。",
        "  ", "\n\n", "'s", "'LL", "don't", " the", "Word", "word", "123", "4567", "你好", "，", "http://", "==",
        "<|im_start|>", "<|im_end|>",
    ]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, max_size=24).map("".join)
REQUIRED = ["qwen2", "llama-bpe", "gpt-2"]


@pytest.fixture(scope="session")
def folder() -> Path:
    """llama.cpp's own vocabularies; `scripts/test` has fetched them, where there is a network."""
    try:
        return vocabularies.fetch()
    except (OSError, ValueError, subprocess.SubprocessError):
        pytest.skip("llama.cpp's test vocabularies are not here and cannot be fetched: scripts/check_counts.py --fetch")


@functools.cache
def encoding_of(path: Path) -> TextEncoding:
    vocabulary = read_vocabulary(path)
    assert vocabulary is not None
    return TextEncoding(vocabulary)


@pytest.mark.parametrize("name", REQUIRED)
def test_all_46_strings_of_llama_cpp_have_the_tokens_it_gives_them(folder: Path, name: str) -> None:
    path = folder / f"ggml-vocab-{name}.gguf"
    cases = vocabularies.cases(path)
    assert len(cases) == 46
    assert [encoding_of(path).encode(text) for text, _ in cases] == [tokens for _, tokens in cases]


@pytest.mark.parametrize("name", REQUIRED)
def test_nasty_texts_have_the_tokens_that_llama_cpp_gives_them(folder: Path, name: str) -> None:
    path = folder / f"ggml-vocab-{name}.gguf"
    with vocabularies.opened(path) as worker:

        @settings(max_examples=300, deadline=None, database=None)
        @given(TEXTS)
        def agree(text: str) -> None:
            assert encoding_of(path).encode(text) == worker.tokenise(text, add_special=False).tolist()

        for text in NASTY:
            assert encoding_of(path).encode(text) == worker.tokenise(text, add_special=False).tolist(), repr(text)
        agree()


@pytest.mark.parametrize("pre", sorted(set(PRETOKENISERS) - {""}))
def test_every_rule_for_words_is_that_of_llama_cpp(pre: str, make_gguf: Callable[..., Path], tmp_path: Path) -> None:
    words = trained(NASTY, 400)
    path = make_gguf(
        "llama-tiny", "f16", tmp_path / "words.gguf", vocab_only=True, words=words, vocab=len(words.tokens), pre=pre
    )
    with vocabularies.opened(path) as worker:

        @settings(max_examples=60, deadline=None, database=None)
        @example("  \u3000")
        @example("一\u2003\u3000\u3001二")
        @given(TEXTS)
        def agree(text: str) -> None:
            assert encoding_of(path).encode(text) == worker.tokenise(text, add_special=False).tolist()

        for text in NASTY:
            assert encoding_of(path).encode(text) == worker.tokenise(text, add_special=False).tolist(), repr(text)
        agree()


@pytest.mark.parametrize("name", ["qwen2", "llama-bpe"])
@pytest.mark.parametrize("kind", PROSE)
def test_an_estimate_is_as_near_as_it_says(folder: Path, name: str, kind: str) -> None:
    text = PROSE[kind]
    tokens = encoding_of(folder / f"ggml-vocab-{name}.gguf").count(text)
    bound = 0.45 if kind in {"chinese", "japanese", "digits"} else 0.3
    assert abs(estimate_tokens(text) / tokens - 1) <= bound
