"""How fast this machine reads memory: the ceiling of decode speed, since every token reads all the weights."""

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1 << 20
_BLOCK = 128 * MIB
"""Bytes a thread reads over and over: well above the last-level cache that its core can fill."""


def measure_read_bandwidth(threads: int, *, available_bytes: int, seconds: float = 0.3) -> float | None:
    """Bytes a second that `threads` threads read together, or None when there is too little memory to tell.

    Each thread sums its own block of 64-bit integers in numpy, which leaves the interpreter's lock, so the sum waits
    for memory only. The best of three rounds counts, since other programs can only slow it down.

    Args:
        threads: as many as decode would use.
        available_bytes: free memory; at most a quarter of it is taken.
        seconds: to measure, filling the blocks not counted.
    """
    import numpy as np  # noqa: PLC0415 - 100 ms that only this measurement pays

    block = min(_BLOCK, available_bytes // 4 // threads)
    if block < 16 * MIB:
        return None
    blocks = [np.ones(block // 8, dtype=np.int64) for _ in range(threads)]
    return max(_round(blocks, seconds / 3) for _ in range(3))


def _round(blocks: "Sequence[Any]", seconds: float) -> float:
    begin = threading.Barrier(len(blocks) + 1)
    read = [0] * len(blocks)
    ended = [0.0] * len(blocks)

    def work(index: int) -> None:
        block = blocks[index]
        begin.wait()
        until = time.perf_counter() + seconds
        while ended[index] < until:
            block.sum()
            read[index] += block.nbytes
            ended[index] = time.perf_counter()

    workers = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(len(blocks))]
    for worker in workers:
        worker.start()
    begun = time.perf_counter()
    begin.wait()
    for worker in workers:
        worker.join()
    return sum(read) / (max(ended) - begun)
