"""One `llama_batch`, allocated once and filled anew for every decode."""

import ctypes
from collections.abc import Sequence
from typing import Any

from llmtui.engines.llama.worker.bindings import llama


class Batch:
    """Tokens of several sequences for one decode.

    Args:
        capacity: tokens at most.
        slots: number of sequences.
    """

    def __init__(self, capacity: int, slots: int) -> None:
        self.capacity = capacity
        self._tokens = (ctypes.c_int32 * capacity)()
        self._positions = (ctypes.c_int32 * capacity)()
        self._counts = (ctypes.c_int32 * capacity)(*[1] * capacity)
        self._sequences = (ctypes.c_void_p * capacity)()
        self._outputs = (ctypes.c_int8 * capacity)()
        self._slot_ids = (ctypes.c_int32 * slots)(*range(slots))
        start = ctypes.addressof(self._slot_ids)
        self._slot_addresses = [start + 4 * slot for slot in range(slots)]
        self._struct = llama.llama_batch()
        fields: dict[str, Any] = {
            "token": self._tokens,
            "pos": self._positions,
            "n_seq_id": self._counts,
            "seq_id": self._sequences,
            "logits": self._outputs,
        }
        types = dict(self._struct._fields_)
        for name, values in fields.items():
            setattr(self._struct, name, ctypes.cast(values, types[name]))
        self.size = 0

    @property
    def room(self) -> int:
        """Tokens that still go in."""
        return self.capacity - self.size

    def clear(self) -> None:
        """Start a new batch."""
        self.size = 0

    def add_token(self, token: int, position: int, slot: int) -> int:
        """Add one token whose logits are wanted; return its index."""
        index = self.size
        self._tokens[index] = token
        self._positions[index] = position
        self._sequences[index] = self._slot_addresses[slot]
        self._outputs[index] = 1
        self.size = index + 1
        return index

    def add_prompt(self, tokens: Sequence[int], position: int, slot: int, *, output: bool) -> int:
        """Add part of a prompt, the first token at `position`; logits of the last one if `output`; return its index."""
        start, count = self.size, len(tokens)
        end = start + count
        self._tokens[start:end] = list(tokens)
        self._positions[start:end] = list(range(position, position + count))
        self._sequences[start:end] = [self._slot_addresses[slot]] * count
        self._outputs[start:end] = [0] * count
        self._outputs[end - 1] = int(output)
        self.size = end
        return end - 1

    def decode(self, context: Any) -> int:
        """Evaluate the batch; llama.cpp's return code: 0 done, 1 no room in the cache, 2 aborted, negative failed."""
        self._struct.n_tokens = self.size
        code: int = llama.llama_decode(context, self._struct)
        return code
