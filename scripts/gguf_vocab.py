"""A byte-level BPE vocabulary of any size that tokenises every text and decodes to readable text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain, pairwise, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

_WORDS = (" the", " of", " and", " to", " in", " is", " that", " it", " model", " with", " for", "ing", "er", "ion")
_CJK_FIRST, _CJK_COUNT = 0x4E00, 0x5000


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, the merges that build some of them, and ids of the special ones."""

    tokens: list[str]
    merges: list[str]
    specials: dict[str, int]

    @property
    def unreadable(self) -> int:
        """How many of the first tokens are raw bytes; generation had better avoid them."""
        return 256


def byte_alphabet() -> list[str]:
    """The printable character that stands for each byte in byte-level BPE, by byte (GPT-2's table)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(0x100, 0x200))
    return [chr(byte) if byte in plain else chr(next(shifted)) for byte in range(256)]


def vocabulary(size: int) -> Vocabulary:
    """A vocabulary of ``size`` tokens, at least the bytes and the special ones.

    Order: 256 bytes, words with their merges, fillers without merges, special tokens last (as
    Qwen's are), so that a cut vocabulary keeps them.

    Raises:
        ValueError: ``size`` is too small.
    """
    room = size - len(SPECIALS) - 256
    if room < 0:
        raise ValueError(f"a vocabulary needs at least {256 + len(SPECIALS)} tokens, not {size}")
    alphabet = byte_alphabet()
    tokens: dict[str, None] = dict.fromkeys(alphabet)
    merges: list[str] = []
    for left, right in _chains(alphabet):
        if len(merges) == room:
            break
        merges.append(f"{left} {right}")
        tokens[left + right] = None
    for filler in _fillers(alphabet):
        if len(tokens) == size - len(SPECIALS):
            break
        tokens[filler] = None
    listed = [*tokens, *SPECIALS]
    return Vocabulary(listed, merges, {name: listed.index(name) for name in SPECIALS})


def trained(texts: list[str], merges: int) -> Vocabulary:
    """A vocabulary trained on ``texts`` as a whole, so that its tokens reach across every border between words.

    Whether a text was split at the right places then shows in its tokens.
    """
    alphabet = byte_alphabet()
    pieces = [list(encode(text, alphabet)) for text in texts]
    tokens: dict[str, None] = dict.fromkeys(alphabet)
    made: list[str] = []
    while len(made) < merges:
        pairs = Counter(pair for piece in pieces for pair in pairwise(piece))
        pairs = Counter({pair: count for pair, count in pairs.items() if "".join(pair) not in tokens})
        if not pairs:
            break
        (left, right), _ = pairs.most_common(1)[0]
        made.append(f"{left} {right}")
        tokens[left + right] = None
        pieces = [_joined(piece, left, right) for piece in pieces]
    listed = [*tokens, *SPECIALS]
    return Vocabulary(listed, made, {name: listed.index(name) for name in SPECIALS})


def _joined(piece: list[str], left: str, right: str) -> list[str]:
    joined: list[str] = []
    for token in piece:
        if joined and joined[-1] == left and token == right:
            joined[-1] = left + right
        else:
            joined.append(token)
    return joined


def encode(text: str, alphabet: list[str]) -> str:
    """``text`` as byte-level BPE writes it."""
    return "".join(alphabet[byte] for byte in text.encode())


def _chains(alphabet: list[str]) -> Iterator[tuple[str, str]]:
    """Merges that build each common word letter by letter, without repeats."""
    done: set[str] = set()
    for word in _WORDS:
        spelled = encode(word, alphabet)
        for i in range(1, len(spelled)):
            if spelled[: i + 1] not in done:
                done.add(spelled[: i + 1])
                yield spelled[:i], spelled[i]


def _fillers(alphabet: list[str]) -> Iterator[str]:
    """Unique short texts: Chinese and spaced words in turn, one character before two, short words before long."""
    han = [chr(_CJK_FIRST + i) for i in range(_CJK_COUNT)]
    syllables = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiou")]
    chinese = chain(han, (a + b for a, b in product(han, han)))
    words = (" " + "".join(parts) for count in (2, 3) for parts in product(syllables, repeat=count))
    for text, word in zip(chinese, words, strict=False):
        yield encode(text, alphabet)
        yield encode(word, alphabet)
