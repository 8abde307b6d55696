"""What differs between two prompts, token by token."""

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from typing import Literal

import msgspec

MOST_PAIRS = 4_000_000
"""Of parts compared with one another: a second's work at the worst. Larger differences are shown as one."""


class Difference(msgspec.Struct, frozen=True):
    """A stretch of parts.

    Attributes:
        kind: `same` and `new` stretches are of the second prompt, `gone` ones of the first.
        start, end: its parts; `end` is exclusive.
    """

    kind: Literal["same", "gone", "new"]
    start: int
    end: int


def differences(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[Difference]:
    """The way from the first prompt to the second, in order; what is gone stands before what is new in its place."""
    head = _common(first, second)
    tail = _common(first[head:][::-1], second[head:][::-1])
    ends = len(first) - tail, len(second) - tail
    found = [Difference("same", 0, head)]
    if (ends[0] - head) * (ends[1] - head) > MOST_PAIRS:
        found += [Difference("gone", head, ends[0]), Difference("new", head, ends[1])]
    else:
        matcher = SequenceMatcher(None, first[head : ends[0]], second[head : ends[1]], autojunk=False)
        for tag, from_, to, start, end in matcher.get_opcodes():
            if tag == "equal":
                found.append(Difference("same", head + start, head + end))
            else:
                found += [Difference("gone", head + from_, head + to), Difference("new", head + start, head + end)]
    found.append(Difference("same", ends[1], len(second)))
    return [difference for difference in found if difference.end > difference.start]


def _common(left: Sequence[Hashable], right: Sequence[Hashable]) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(left), len(right)))
