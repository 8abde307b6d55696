"""Merges into ranks: whatever the list, tiktoken then merges as the list says. And hostile vocabularies."""

import time
from itertools import pairwise

import pytest
import tiktoken
from gguf_vocab import byte_alphabet
from hypothesis import given, settings
from hypothesis import strategies as st

from llmtui.domain.vocabulary import BpeVocabulary
from llmtui.services.tokens.encoding import TextEncoding, TooLongError
from llmtui.services.tokens.ranks import InexpressibleError, ranks_of, token_bytes

BYTES = tuple(byte_alphabet())
PARTS = st.text("ab", min_size=1, max_size=4)
MERGES = st.lists(st.tuples(PARTS, PARTS), max_size=14)


def by_the_list(text: str, merges: list[tuple[str, str]]) -> list[str]:
    """The plain procedure: again and again the first merge of the list that applies, at its leftmost place."""
    pieces = list(text)
    while True:
        found = [(merges.index(pair), place) for place, pair in enumerate(pairwise(pieces)) if pair in merges]
        if not found:
            return pieces
        _, place = min(found)
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]


def vocabulary(pairs: list[tuple[str, str]], **fields: object) -> BpeVocabulary:
    tokens = dict.fromkeys([*BYTES, *(left + right for left, right in pairs)])
    given = {"tokens": tuple(tokens), "merges": tuple(" ".join(pair) for pair in pairs), "pre": "gpt-2"} | fields
    return BpeVocabulary(**given)  # type: ignore[arg-type]


@settings(max_examples=600, deadline=None)
@given(MERGES, st.lists(st.text("ab", min_size=1, max_size=16), min_size=1, max_size=8))
def test_ranks_merge_as_the_list_does_in_whatever_order_it_is(merges: list[tuple[str, str]], texts: list[str]) -> None:
    ranks = ranks_of(vocabulary(merges)).ranks
    encoding = tiktoken.Encoding("test", pat_str=r"[\s\S]+", mergeable_ranks=ranks, special_tokens={})
    pieces = {rank: data.decode("latin-1") for data, rank in ranks.items()}
    for text in texts:
        assert [pieces[rank] for rank in encoding.encode_ordinary(text)] == by_the_list(text, merges)


def test_every_byte_has_its_letter_and_nothing_else_has_one() -> None:
    assert b"".join(token_bytes(letter) or b"?" for letter in BYTES) == bytes(range(256))
    assert [token_bytes(text) for text in (" ", "a b", "\n", "\xad", "中", "\ufffd", "\U0001f600")] == [None] * 7


def test_ids_are_the_models_and_of_duplicates_the_last() -> None:
    words = vocabulary([("h", "i")])
    assert TextEncoding(words).encode("hi") == [256]
    assert TextEncoding(vocabulary([("h", "i")], tokens=(*words.tokens, "hi"))).encode("hi") == [257]


def test_a_byte_that_the_vocabulary_lacks_has_no_token() -> None:
    without = tuple(letter for letter in BYTES if letter != "q")
    assert TextEncoding(vocabulary([], tokens=without)).count("aqa") == 2


def test_special_tokens_are_found_longest_first_and_by_type_or_by_name() -> None:
    tokens = (*BYTES, "<a>", "<a><b>", "<|im_end|>", "<plain>")
    encoding = TextEncoding(vocabulary([], tokens=tokens, token_types=(1,) * 256 + (3, 4, 1, 1)))
    assert encoding.encode("<a><b><a>x<|im_end|>") == [257, 256, BYTES.index("x"), 258]
    assert encoding.count("<plain>") == 7


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"merges": ("a b",), "tokens": BYTES}, "lacks"),
        ({"pre": "of-tomorrow"}, "not known"),
        ({"tokens": (*BYTES, "ab", "aa", *(f"<{n}>" for n in range(30_000))), "token_types": (3,) * 30_258}, "special"),
        ({"merges": tuple(f"{'a' * n} a" for n in range(900, 0, -1))}, "before"),
    ],
)
def test_what_cannot_be_expressed_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(InexpressibleError, match=words):
        TextEncoding(vocabulary([("a", "b"), ("a", "a")], **fields))


@pytest.mark.parametrize(
    "merges",
    [
        ("",),
        (" ", "  ", "a", "a ", " a", "a  b", "\x00 \x00", "中 文", "\ufffd \ufffd"),
        ("x" * 1_000_000 + " " + "y" * 1_000_000,),
        tuple("a b" for _ in range(100_000)),
    ],
)
def test_hostile_merges_do_no_harm(merges: tuple[str, ...]) -> None:
    tokens = (*BYTES, "ab", "x" * 1_000_000, "", "\ufffd", "a b")
    start = time.monotonic()
    assert TextEncoding(vocabulary([], merges=merges, tokens=tokens)).encode("cdefg") == [
        BYTES.index(letter) for letter in "cdefg"
    ]
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("unit", [" ", "a", "\n", "1", ".", "中", " \n", "👩\u200d", "'", "\t "])
@pytest.mark.parametrize("pre", ["qwen2", "gpt-2", "deepseek-llm", "gpt-4o", "default"])
def test_long_runs_are_counted_and_not_choked_on(unit: str, pre: str) -> None:
    text = unit * (100_000 // len(unit)) + "x"
    assert TextEncoding(vocabulary([], pre=pre)).count(text) == len(text.encode())


def test_a_text_beyond_measure_is_refused() -> None:
    with pytest.raises(TooLongError):
        TextEncoding(vocabulary([])).count("a" * 1_000_001)
