"""What differs between two answers, word by word; Chinese by character. Pure; run it in a thread for long texts."""

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

MOST_PAIRS: Final = 200_000_000
"""Of words compared with one another: a second's work and 25 MB. Larger differences are shown as one."""
_WORDS: Final = re.compile(
    r"[A-Za-z0-9\u00c0-\u024f\u0370-\u03ff\u0400-\u052f_]+(?:['’][A-Za-z]+)?|[^\S\n]+|\n|.", re.DOTALL
)


class Stretch(msgspec.Struct, frozen=True):
    """A piece of text.

    Attributes:
        kind: `same` stands in both answers, `gone` in the first only, `new` in the second only.
    """

    kind: Literal["same", "gone", "new"]
    text: str


def words(text: str) -> list[str]:
    """A text as the pieces that are compared: words and numbers, runs of spaces, and every other character by itself.

    Joined they are the text. Chinese, which has no spaces, is compared character by character.
    """
    return _WORDS.findall(text)


def word_diff(first: str, second: str) -> tuple[Stretch, ...]:
    """The way from one answer to another; what is gone stands before what is new in its place.

    The `same` and `gone` stretches joined are `first`, the `same` and `new` ones `second`. Between two changes a single
    character that both happen to have is taken as changed, too: such islands make a difference hard to read.
    """
    left, right = words(first), words(second)
    found: list[Stretch] = []
    for kind, from_, to, start, end in _opcodes(left, right):
        if kind == "same":
            found.append(Stretch("same", "".join(left[from_:to])))
        else:
            found.append(Stretch("gone", "".join(left[from_:to])))
            found.append(Stretch("new", "".join(right[start:end])))
    return tuple(stretch for stretch in found if stretch.text)


def _opcodes(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Alternating `same` and `changed` blocks: bounds in both."""
    from rapidfuzz.distance import Indel  # noqa: PLC0415 - only when a difference is asked for

    if len(left) * len(right) > MOST_PAIRS:
        return _whole(left, right)
    blocks: list[tuple[str, int, int, int, int]] = []
    for code in Indel.opcodes(left, right):
        kind = "same" if code.tag == "equal" else "changed"
        bounds = (code.src_start, code.src_end, code.dest_start, code.dest_end)
        _add(blocks, kind, bounds)
    return _without_islands(blocks, left)


def _whole(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    head = next((at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), None)
    if head is None:
        head = min(len(left), len(right))
    return [("same", 0, head, 0, head), ("changed", head, len(left), head, len(right))]


def _add(blocks: list[tuple[str, int, int, int, int]], kind: str, bounds: tuple[int, int, int, int]) -> None:
    """Append a block, or lengthen the last one of the same kind."""
    if blocks and blocks[-1][0] == kind:
        _, from_, _, start, _ = blocks[-1]
        blocks[-1] = (kind, from_, bounds[1], start, bounds[3])
    else:
        blocks.append((kind, *bounds))


def _without_islands(
    blocks: Sequence[tuple[str, int, int, int, int]], left: Sequence[str]
) -> list[tuple[str, int, int, int, int]]:
    kept: list[tuple[str, int, int, int, int]] = []
    for at, (kind, *bounds) in enumerate(blocks):
        inside = 0 < at < len(blocks) - 1
        text = "".join(left[bounds[0] : bounds[1]])
        island = inside and kind == "same" and "\n" not in text and len(text.strip()) <= 1
        spacious = inside and min(_size(blocks[at - 1]), _size(blocks[at + 1])) > 1
        first, second, third, fourth = bounds
        _add(kept, "changed" if island and spacious else kind, (first, second, third, fourth))
    return kept


def _size(block: tuple[str, int, int, int, int]) -> int:
    return max(block[2] - block[1], block[4] - block[3])
