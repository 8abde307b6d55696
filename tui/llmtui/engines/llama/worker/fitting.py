"""Refuses what does not fit into memory, before llama.cpp writes to all of it and is killed."""

import os
from typing import TYPE_CHECKING, Any

from llmtui.domain.quantities import size
from llmtui.domain.settings import Runtime
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.facts import TensorFacts, model_files
from llmtui.engines.llama.worker.loading import (
    context_params,
    granted_context,
    kv_bytes_per_token,
    model_params,
    uses_gpu,
)
from llmtui.engines.llama.worker.logs import LogCapture
from llmtui.errors import OutOfMemoryError

if TYPE_CHECKING:
    from concurrent.futures import Future

DRY_RUN_CELLS = 1 << 22
"""A dry run allocates no cache but keeps the books of one: some tens of bytes a cell."""


def check_weights(
    path: str, facts: "Future[TensorFacts | None]", runtime: Runtime, available_bytes: int | None
) -> None:
    """Refuse weights that do not fit before gigabytes of them are read.

    The file's size rules most models out, so the load seldom waits for its header.

    Raises:
        OutOfMemoryError: they do not fit; the cause has both numbers.
    """
    if available_bytes is None or uses_gpu(runtime):
        return
    if sum(part.stat().st_size for part in model_files(path)) <= available_bytes:
        return
    known = facts.result()
    if known is not None and known.total_bytes > available_bytes:
        raise OutOfMemoryError(
            "The model does not fit into memory",
            cause=f"{size(known.total_bytes)} of weights; {size(available_bytes)} are available",
            remedy="Choose a smaller quantisation, or close other programs.",
        )


def check_memory(
    path: str, model: Any, runtime: Runtime, *, weights_bytes: int, available_bytes: int | None, logs: LogCapture
) -> None:
    """Compare weights and cache with the memory that was available before the weights were read.

    The quick formula is an upper bound; where it does not fit, a load that allocates nothing gives the exact figure
    (less for sliding windows and compressed caches).

    Raises:
        OutOfMemoryError: it does not fit; the cause has both numbers.
    """
    if available_bytes is None or uses_gpu(runtime):
        return
    context = granted_context(model, runtime)
    cells = context * runtime.slots
    cache = int(kv_bytes_per_token(model, runtime) * cells)
    if cache + weights_bytes <= available_bytes:
        return
    if cells <= DRY_RUN_CELLS:
        cache = _dry_run(path, context, runtime, logs) or cache
    if cache + weights_bytes > available_bytes:
        raise OutOfMemoryError(
            "The model with this context does not fit into memory",
            cause=f"a context of {context:,} tokens takes {size(cache)} beside {size(weights_bytes)} of weights; "
            f"{size(available_bytes)} are available",
            remedy="Ask for a smaller context, choose a smaller quantisation, or close other programs.",
        )


def _dry_run(path: str, tokens: int, runtime: Runtime, logs: LogCapture) -> int | None:
    """Exact bytes of cache and buffers; None when the dry run fails."""
    params = model_params(runtime)
    params.no_alloc = True
    with logs.aside():
        model = llama.llama_model_load_from_file(os.fsencode(path), params)
        if not model:
            return None
        with logs.aside():
            context = llama.llama_init_from_model(model, context_params(tokens, runtime, 1))
            parts = logs.memory() if context else None
        if context:
            llama.llama_free(context)
        llama.llama_model_free(model)
    return parts.total_bytes if parts else None
