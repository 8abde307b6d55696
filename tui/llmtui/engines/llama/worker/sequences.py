"""How much of a sequence a prompt can keep."""

from typing import TYPE_CHECKING, TypeVar

from llmtui.engines.llama.worker.loading import OpenModel

if TYPE_CHECKING:
    from array import array

SequenceT = TypeVar("SequenceT", "array[int]", str)


def common_prefix(left: SequenceT, right: SequenceT) -> int:
    """Number of leading tokens, or characters, two sequences of the same kind share.

    Halving with comparisons of whole slices: each is one `memcmp`, so 100,000 tokens take microseconds and no
    numerical library has to be loaded for it.
    """
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low


def keepable(model: OpenModel, *, shared: int, held: int, prompt: int, oldest: int) -> int:
    """Tokens of a sequence that need not be evaluated again for a prompt; at least one is left, for its logits.

    Args:
        model: of both.
        shared: leading tokens that they have in common.
        held: tokens of the sequence.
        prompt: tokens of the prompt.
        oldest: position of the first token that the cache still holds; -1 when it holds none.
    """
    count = min(shared, prompt - 1)
    if count < held and not model.trimmable:
        return 0
    if model.window and not 0 <= oldest <= max(0, count - model.window):
        # A sliding-window cache forgets old tokens: those the next token looks at must all be there.
        return 0
    return count
