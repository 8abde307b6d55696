"""What the user changes in a text, as one cut and what takes its place: small enough to be kept as one types."""

from typing import NamedTuple


class Splice(NamedTuple):
    """One change.

    Attributes:
        at: characters of the text before it.
        removed: characters that go there.
        text: what takes their place.
    """

    at: int
    removed: int
    text: str

    def applied(self, before: str) -> str:
        """The text after the change; one that reaches beyond the text's end ends there."""
        return before[: self.at] + self.text + before[self.at + self.removed :]


def splice_between(before: str, after: str) -> Splice | None:
    """The change that makes one text the other; None when they are the same."""
    if before == after:
        return None
    at = _shared_start(before, after)
    end = _shared_end(before[at:], after[at:])
    return Splice(at, len(before) - at - end, after[at : len(after) - end])


def _shared_start(left: str, right: str) -> int:
    """Characters at the start that are the same, found by halves: comparing slices is far quicker than characters."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _shared_end(left: str, right: str) -> int:
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[len(left) - middle : len(left) - low] == right[len(right) - middle : len(right) - low]:
            low = middle
        else:
            high = middle - 1
    return low
