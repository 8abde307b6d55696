"""Opens a model file and its context, and turns what can go wrong into errors that say what to do."""

import contextlib
import ctypes
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from llmtui.domain.kv_types import FlashAttention, KvType, block_of, bytes_per_element
from llmtui.domain.settings import DEFAULT_CONTEXT, Runtime
from llmtui.domain.text import visible_line
from llmtui.engines.llama.worker import devices, machine
from llmtui.engines.llama.worker.bindings import AbortFlag, llama
from llmtui.engines.llama.worker.logs import LogCapture
from llmtui.errors import ModelError, OutOfMemoryError

LARGEST_CONTEXT = 2**31 - 1024
LONGEST_CAUSE = 200
"""Characters of a log line that are shown."""
_MAGIC = b"GGUF"
_NO_FLASH_ATTENTION = re.compile(r"V cache.*(flash_attn|Flash Attention)", re.IGNORECASE)
_NO_HEADER = "failed to load model from"
_DOWNLOAD_AGAIN = "Download the file again, or take another one."


class OpenModel(msgspec.Struct, kw_only=True, eq=False):
    """llama.cpp's pointers, and what was granted.

    Attributes:
        context_size: tokens a slot may hold; the cache has room for every slot's.
        abort: makes the decode that runs return 2.
        trimmable: part of a sequence can be cut off (not so for recurrent states).
        abortable: a decode can be broken off without loss: llama.cpp polls the flag on the CPU only, and a recurrent
            state would be left half updated.
        window: of sliding-window attention in tokens; 0 without.
        keep: objects that native code still points to.
    """

    model: Any
    context: Any
    memory: Any
    context_size: int
    trained_context: int | None
    threads: int
    batch: int
    slots: int
    abort: AbortFlag
    trimmable: bool
    abortable: bool
    recurrent: bool
    window: int
    keep: list[Any]


def check_file(path: str) -> None:
    """Look at the file before llama.cpp does: its words for these cases are hard to understand.

    Raises:
        ModelError: missing, a folder, unreadable, empty, or not a GGUF file.
    """
    file = Path(path)
    shown = visible_line(path)
    if not file.exists():
        raise ModelError("The model file does not exist", cause=shown, remedy="Check the path.")
    if file.is_dir():
        raise ModelError("The model is a folder, not a file", cause=shown, remedy="Name the .gguf file inside it.")
    try:
        with file.open("rb") as opened:
            head = opened.read(4)
    except OSError as error:
        raise ModelError(
            "The model file cannot be read",
            cause=f"{shown}: {error.strerror}",
            remedy="Check the file's permissions.",
        ) from error
    if not head:
        raise ModelError("The model file is empty", cause=shown, remedy=_DOWNLOAD_AGAIN)
    if head != _MAGIC:
        raise ModelError(
            "The file is not a GGUF model",
            cause=f"{shown} begins with {head!r}, not with {_MAGIC!r}",
            remedy="Choose a .gguf file; other formats have to be converted first.",
        )


def open_weights(path: str, runtime: Runtime, logs: LogCapture, progress: Callable[[float], None]) -> tuple[Any, Any]:
    """The model's pointer, and the callback to be kept alive.

    Raises:
        ModelError: llama.cpp refused the file.
    """

    def report(fraction: float, _user_data: object) -> bool:
        progress(fraction)
        return True

    callback = llama.llama_progress_callback(report)
    params = model_params(runtime)
    params.progress_callback = callback
    model = llama.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise load_error(logs)
    return model, callback


def uses_gpu(runtime: Runtime) -> bool:
    """Whether layers are offloaded, to a GPU or to other machines."""
    return runtime.gpu_layers != 0 and devices.has_gpu()


def granted_context(model: Any, runtime: Runtime) -> int:
    """Tokens a slot gets: the setting, else `DEFAULT_CONTEXT`; at most what the model was trained on.

    Beyond its trained length a model produces noise.
    """
    asked = runtime.context or DEFAULT_CONTEXT
    return min(asked, trained_context(model) or asked)


def trained_context(model: Any) -> int | None:
    """Tokens the model was trained on; None when its file does not say."""
    trained: int = llama.llama_model_n_ctx_train(model)
    return trained if trained > 0 else None


def open_context(model: Any, runtime: Runtime, logs: LogCapture) -> OpenModel:
    """A context with room for every slot, see `granted_context`.

    Raises:
        ModelError: llama.cpp could not make it.
    """
    check_kv_types(model, runtime)
    granted = granted_context(model, runtime)
    threads = runtime.threads or machine.usable_cores()
    context = llama.llama_init_from_model(model, context_params(granted, runtime, threads))
    if not context:
        line = _best_line(logs)
        if _NO_FLASH_ATTENTION.search(line):
            raise ModelError(
                f"The values of the cache cannot be kept in {runtime.kv_type_v}",
                cause=f"`kv_type_v` needs flash attention, which cannot be had here: {_shortened(line)}",
                remedy="Choose f16 for `kv_type_v`.",
            )
        raise (OutOfMemoryError if _tells_of_memory(line) else ModelError)(
            "The context could not be created",
            cause=_shortened(line) or f"{granted:,} tokens in {runtime.slots} slots",
            remedy="Ask for a smaller context, or close other programs.",
        )
    memory = llama.llama_get_memory(context)
    if not memory or llama.llama_model_has_encoder(model):
        raise ModelError(
            "This kind of model cannot chat",
            cause="it encodes whole texts, for embeddings or translation, and does not continue them",
            remedy="Choose a model that generates text.",
        )
    abort = AbortFlag()
    llama.llama_set_abort_callback(context, abort.callback, abort.data)
    fixed = bool(llama.llama_model_is_recurrent(model) or llama.llama_model_is_hybrid(model))
    return OpenModel(
        model=model,
        context=context,
        memory=memory,
        context_size=granted,
        trained_context=trained_context(model),
        threads=threads,
        batch=llama.llama_n_batch(context),
        slots=runtime.slots,
        abort=abort,
        trimmable=not fixed,
        abortable=not fixed and not uses_gpu(runtime),
        recurrent=bool(llama.llama_model_is_recurrent(model)),
        window=max(0, llama.llama_model_n_swa(model)),
        keep=[],
    )


def metadata(model: Any, key: str) -> str | None:
    """A scalar of the file's metadata as text; None when it has none of that name."""
    length = llama.llama_model_meta_val_str(model, key.encode(), None, 0)
    if length < 0:
        return None
    buffer = ctypes.create_string_buffer(length + 1)
    llama.llama_model_meta_val_str(model, key.encode(), buffer, length + 1)
    return buffer.value.decode("utf-8", "replace")


def metadata_int(model: Any, key: str) -> int | None:
    """Like `metadata`, as a whole number; None also when it is none."""
    with contextlib.suppress(TypeError, ValueError):
        return int(metadata(model, key) or "")
    return None


def kv_bytes_per_token(model: Any, runtime: Runtime) -> float:
    """Growth of a plain attention cache per token, in its types: an upper bound for windows and hybrids."""
    if llama.llama_model_is_recurrent(model):
        return 0
    key, value = (head_size(model, which) for which in ("key", "value"))
    # A hybrid's first layer may hold no cache at all; then the number of query heads bounds those of the others.
    kv_heads = llama.llama_model_n_head_kv(model) or llama.llama_model_n_head(model)
    head_bytes = key * bytes_per_element(runtime.kv_type_k) + value * bytes_per_element(runtime.kv_type_v)
    return float(llama.llama_model_n_layer(model) * kv_heads * head_bytes)


def head_size(model: Any, which: Literal["key", "value"]) -> int:
    """Numbers of one head's key or value; 0 where the file does not say."""
    heads = llama.llama_model_n_head(model)
    width = llama.llama_model_n_embd(model) // heads if heads > 0 else 0
    arch = metadata(model, "general.architecture") or ""
    return metadata_int(model, f"{arch}.attention.{which}_length") or width


def check_kv_types(model: Any, runtime: Runtime) -> None:
    """Refuse types whose blocks do not divide a head: llama.cpp checks them with flash attention only, else it aborts.

    Raises:
        ModelError: the cause has the numbers.
    """
    if llama.llama_model_is_recurrent(model):
        return
    arch = metadata(model, "general.architecture") or ""
    checked: tuple[tuple[Literal["key", "value"], str, KvType], ...] = (
        ("key", "kv_type_k", runtime.kv_type_k),
        ("value", "kv_type_v", runtime.kv_type_v),
    )
    for which, field, kind in checked:
        windowed = metadata_int(model, f"{arch}.attention.{which}_length_swa")
        block = block_of(kind).elements
        for size in (head_size(model, which), windowed or 0):
            if size % block:
                raise ModelError(
                    f"This model's cache cannot be kept in {kind}",
                    cause=f"`{field}`: {kind} keeps {block} numbers together; "
                    f"a {which} of this model has {size}, which {block} does not divide",
                    remedy=f"Choose f16 or bf16 for `{field}`.",
                )


def load_error(logs: LogCapture) -> ModelError:
    """llama.cpp's last words about a file it did not open, with what to do about them."""
    line = _best_line(logs)
    cause = _shortened(line)
    if match := re.search(r"unknown model architecture: '(.*?)('|$)", line):
        return ModelError(
            f"This llama.cpp does not know the architecture {_shortened(match[1])!r}",
            cause=cause,
            remedy="Update llama-cpp-python, or choose a model of another family.",
        )
    no_header = any(_NO_HEADER in line for line in logs.errors)
    if no_header or any(
        words in line.lower() for words in ("file bounds", "corrupted or incomplete", "unexpectedly reached")
    ):
        return ModelError("The model file is damaged or cut off", cause=cause, remedy=_DOWNLOAD_AGAIN)
    if _tells_of_memory(line):
        return OutOfMemoryError(
            "The model does not fit into memory",
            cause=cause,
            remedy="Choose a smaller quantisation, or close other programs.",
        )
    return ModelError(
        "llama.cpp cannot open the model file", cause=cause or "it gave no reason", remedy=_DOWNLOAD_AGAIN
    )


def _tells_of_memory(line: str) -> bool:
    return any(words in line.lower() for words in ("allocate", "bad_alloc", "out of memory"))


def _best_line(logs: LogCapture) -> str:
    """The line at error level that says most: the exception's own words, unless they only name the file."""
    lines = [visible_line(line) for line in logs.errors]
    for line in lines:
        said = line.partition("error loading model")[2].partition(":")[2].strip()
        if said and _NO_HEADER not in said:
            return said
    return lines[0] if lines else ""


def _shortened(line: str) -> str:
    """Names in a model's file can be of any length."""
    return line if len(line) <= LONGEST_CAUSE else line[: LONGEST_CAUSE - 1] + "…"


_FLASH_ATTENTION: dict[FlashAttention, int] = {
    "auto": llama.LLAMA_FLASH_ATTN_TYPE_AUTO,
    "on": llama.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": llama.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


_GGML_TYPE_BF16 = 30
"""Of `enum ggml_type`; the bindings leave it out."""


def _ggml_type(kind: KvType) -> int:
    return int(getattr(llama, f"GGML_TYPE_{kind.upper()}", _GGML_TYPE_BF16))


def model_params(runtime: Runtime) -> Any:
    """How to open the file."""
    params = llama.llama_model_default_params()
    params.n_gpu_layers = -1 if runtime.gpu_layers is None else runtime.gpu_layers
    params.load_mode = llama.LLAMA_LOAD_MODE_MMAP if runtime.mmap else llama.LLAMA_LOAD_MODE_NONE
    return params


def context_params(context: int, runtime: Runtime, threads: int) -> Any:
    """How to make a context of `context` tokens per slot."""
    params = llama.llama_context_default_params()
    params.n_ctx = min(context * runtime.slots, LARGEST_CONTEXT)
    params.n_batch = max(runtime.batch, runtime.slots)
    params.n_ubatch = min(params.n_batch, runtime.micro_batch or params.n_batch)
    params.n_seq_max = runtime.slots
    params.n_outputs_max = runtime.slots
    params.n_threads = params.n_threads_batch = threads
    params.flash_attn_type = _FLASH_ATTENTION[runtime.flash_attention]
    params.type_k, params.type_v = _ggml_type(runtime.kv_type_k), _ggml_type(runtime.kv_type_v)
    params.offload_kqv = True
    params.op_offload = True
    params.swa_full = False
    params.kv_unified = True
    params.no_perf = True
    return params
