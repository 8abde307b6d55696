"""The shelf: states of sequences that a slot had to give up, for when their conversation goes on.

llama.cpp saves a sequence in the time that copying its cache takes, 2 ms for 2,000 tokens of a small model; evaluating
them again takes seconds. Logits are not saved, so the last token of a prompt is always evaluated.
"""

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.loading import OpenModel
from llmtui.engines.llama.worker.sequences import common_prefix, keepable

if TYPE_CHECKING:
    from array import array

LARGEST_BYTES = 1 << 30
SMALLEST_BYTES = 64 << 20
WORTH_TOKENS = 16
"""Fewer are evaluated again about as fast as a state is fetched."""
SPARE_FACTOR = 4
"""So many times what a state takes must be available for it to be kept."""


def shelf_bytes(cache_bytes: int | None) -> int:
    """Memory for states: as much again as the cache takes, within bounds."""
    return min(LARGEST_BYTES, max(SMALLEST_BYTES, cache_bytes or 0))


class Saved:
    """A sequence as it was.

    Attributes:
        oldest: position of the first token that a sliding-window cache still held.
    """

    __slots__ = ("oldest", "size", "state", "tokens")

    def __init__(self, tokens: "array[int]", state: Any, size: int, oldest: int) -> None:
        self.tokens = tokens
        self.state = state
        self.size = size
        self.oldest = oldest


class Shelf:
    """Saved sequences, the one used last first, within a budget.

    Args:
        model: whose sequences they are.
        budget_bytes: for all of them.
        available: bytes of memory that can be had; None where unknown.
    """

    def __init__(self, model: OpenModel, budget_bytes: int, available: Callable[[], int | None]) -> None:
        self._model = model
        self._budget_bytes = budget_bytes
        self._available = available
        self._saved: list[Saved] = []

    @property
    def held_bytes(self) -> int:
        """Of all states."""
        return sum(saved.size for saved in self._saved)

    def put(self, sequence: int, tokens: "array[int]") -> None:
        """Save a sequence; nothing when it is too large, memory is short, or it is there already."""
        if len(tokens) < WORTH_TOKENS or any(saved.tokens == tokens for saved in self._saved):
            return
        size = llama.llama_state_seq_get_size(self._model.context, sequence)
        if not 0 < size <= self._budget_bytes or self._is_short_of_memory(size):
            return
        oldest = llama.llama_memory_seq_pos_min(self._model.memory, sequence)
        try:
            state = (ctypes.c_uint8 * size)()
        except MemoryError:
            return
        if llama.llama_state_seq_get_data(self._model.context, state, size, sequence) != size:
            return
        if self._model.trimmable and not self._model.window:
            self._saved = [known for known in self._saved if tokens[: len(known.tokens)] != known.tokens]
        self._saved.insert(0, Saved(tokens[:], state, size, oldest))
        while self.held_bytes > self._budget_bytes:
            self._saved.pop()

    def find(self, prompt: "array[int]", *, more_than: int) -> tuple[Saved, int] | None:
        """The saved sequence of which the most can be kept for a prompt, and how many tokens that is.

        Args:
            prompt: at least one of its tokens is left to evaluate.
            more_than: tokens that can be had without it.
        """
        best: tuple[Saved, int] | None = None
        most = more_than + WORTH_TOKENS - 1
        for saved in self._saved:
            shared, held = common_prefix(saved.tokens, prompt), len(saved.tokens)
            keep = keepable(self._model, shared=shared, held=held, prompt=len(prompt), oldest=saved.oldest)
            if keep > most:
                best, most = (saved, keep), keep
        return best

    def fetch(self, saved: Saved, sequence: int, *, keep: int) -> bool:
        """Put a saved sequence into the cache; False when the cache has no room, and the sequence is empty then.

        Args:
            saved: stays on the shelf unless all that it holds is going to be kept.
            sequence: what it held is dropped.
            keep: tokens of it that will be kept.
        """
        model = self._model
        self._saved = [known for known in self._saved if known is not saved]
        if llama.llama_state_seq_set_data(model.context, saved.state, saved.size, sequence) == 0:
            llama.llama_memory_seq_rm(model.memory, sequence, -1, -1)
            return False
        if not model.trimmable or model.window or len(saved.tokens) - keep >= WORTH_TOKENS:
            self._saved.insert(0, saved)
        return True

    def clear(self) -> None:
        """Forget all: the model computes differently from now on."""
        self._saved.clear()

    def _is_short_of_memory(self, size: int) -> bool:
        available = self._available()
        return available is not None and available < SPARE_FACTOR * size
