"""From a list of merges to the ranks that tiktoken merges by, and the proof that both give the same tokens.

A merge list says which *pairs* are joined, and in which order. tiktoken knows ranks of *tokens*: it joins the two
neighbours whose joint bytes have the lowest rank, whichever pair they are.

Both agree if a token has a rank exactly when its bytes, merged by themselves, end as this one token, and if that rank
is the rank of the last merge. For as long as nothing is joined across the ends of a stretch of text, what happens
inside is what happens to these bytes by themselves. So two neighbours stand side by side only if their joint bytes,
merged by themselves, come to these two; then they are a pair of the list if and only if these bytes have a rank.
Tokens that no merge can reach get no rank, and a merge that can never apply has no effect.
"""

from array import array
from typing import NamedTuple

from llmtui.domain.vocabulary import BpeVocabulary

NO_TOKEN = -1
_BYTE = -1
"""When a single byte was made: before every merge."""
_MOST_STEPS = 4_000_000
"""Bound on the work of trying out merges, some seconds; vocabularies in use need a hundredth of it."""


class InexpressibleError(Exception):
    """A vocabulary whose merges no ranks can stand for; the text says why."""


class Ranks(NamedTuple):
    """`ranks` for tiktoken: the 256 bytes first, then tokens by the merge that makes them.

    `ids` holds the model's token for each rank, `NO_TOKEN` for a byte the vocabulary lacks. `words` are tokens of the
    vocabulary that no merge can make.
    """

    ranks: dict[bytes, int]
    ids: "array[int]"
    words: dict[bytes, int]


def byte_table() -> dict[int, str]:
    """For `str.translate`: GPT-2's alphabet for bytes to latin-1; what is not in it becomes U+FFFF."""
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    table = {code: "\uffff" for code in range(0x100) if code not in plain}
    table |= {0x100 + index: chr(byte) for index, byte in enumerate(sorted(set(range(0x100)) - plain))}
    return table


_TABLE = byte_table()


def token_bytes(text: str) -> bytes | None:
    """The bytes a token stands for; None when its text is not in GPT-2's alphabet, as special tokens' may be."""
    try:
        return text.translate(_TABLE).encode("latin-1")
    except UnicodeEncodeError:
        return None


def ranks_of(vocabulary: BpeVocabulary) -> Ranks:
    """Ranks with which tiktoken gives the tokens that the merges give.

    Raises:
        InexpressibleError: there are none.
    """
    ids = {data: id_ for id_, text in enumerate(vocabulary.tokens) if text and (data := token_bytes(text))}
    made = _Merges(vocabulary.merges).made
    if not made.keys() <= ids.keys():
        raise InexpressibleError("a merge makes a token that the vocabulary lacks")
    ranks = {bytes((byte,)): byte for byte in range(256)}
    ranks |= {data: rank for rank, data in enumerate(sorted(made, key=made.__getitem__), start=256)}
    words = {data: id_ for data, id_ in ids.items() if data not in ranks}
    return Ranks(ranks, array("i", (ids.get(data, NO_TOKEN) for data in ranks)), words)


class _Merges:
    """`made`: each token that its bytes by themselves end in, with the place in the list of the last merge.

    Most merges come after those that make their parts; for them it is enough to look at the boundary of the two. The
    others, a few hundred in lists that name every way to cut a token in two, are tried out.
    """

    def __init__(self, merges: tuple[str, ...]) -> None:
        self.made: dict[bytes, int] = {}
        self._pairs: dict[tuple[bytes, bytes], int] = {}
        self._parts: dict[bytes, tuple[bytes, bytes]] = {}
        for rank, merge in enumerate(merges):
            cut = merge.find(" ", 1)
            left, right = token_bytes(merge[: max(cut, 0)]), token_bytes(merge[cut + 1 :])
            if left and right:
                self._pairs.setdefault((left, right), rank)
        unsettled: list[tuple[bytes, bytes]] = []
        for pair, rank in self._pairs.items():
            left, right = pair
            whole = left + right
            if whole in self.made:
                continue
            if not self._is_made(left) or not self._is_made(right):
                unsettled.append(pair)
            elif not self._is_crossed(left, right):
                self.made[whole] = rank
                self._parts[whole] = pair
        products = {left + right for left, right in self._pairs} if unsettled else set()
        left_over = {
            left + right: None
            for left, right in unsettled
            if left + right not in self.made
            and (len(left) == 1 or left in products)
            and (len(right) == 1 or right in products)
        }
        if sum(len(whole) ** 2 for whole in left_over) > _MOST_STEPS:
            raise InexpressibleError("too many merges come before those that make their parts")
        for whole in left_over:
            last = self._last_merge(whole)
            if last is not None:
                self.made[whole] = last

    def _is_made(self, data: bytes) -> bool:
        return len(data) == 1 or data in self.made

    def _is_crossed(self, left: bytes, right: bytes) -> bool:
        """Whether pieces at the boundary are joined before `left` and `right` are whole.

        Goes back in time: takes apart whichever of the two neighbours was made last. Of equal merges the left one
        comes first.
        """
        made, pairs, parts = self.made, self._pairs, self._parts
        left_made, right_made = made.get(left, _BYTE), made.get(right, _BYTE)
        while left_made != _BYTE or right_made != _BYTE:
            if right_made >= left_made:
                until, right = right_made, parts[right][0]
                right_made = made.get(right, _BYTE)
                joined = pairs.get((left, right))
                if joined is not None and joined <= until:
                    return True
            else:
                until, left = left_made, parts[left][1]
                left_made = made.get(left, _BYTE)
                joined = pairs.get((left, right))
                if joined is not None and joined < until:
                    return True
        return False

    def _last_merge(self, whole: bytes) -> int | None:
        """The rank of the merge that ends in `whole` when its bytes are merged by themselves; None when none does."""
        pieces = [whole[index : index + 1] for index in range(len(whole))]
        last = None
        while len(pieces) > 1:
            found = [
                (rank, index)
                for index in range(len(pieces) - 1)
                if (rank := self._pairs.get((pieces[index], pieces[index + 1]))) is not None
            ]
            if not found:
                return None
            last, index = min(found)
            pieces[index : index + 2] = [pieces[index] + pieces[index + 1]]
        return last
