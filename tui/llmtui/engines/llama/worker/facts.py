"""What llama.cpp's interface does not tell of a model file: its tensors' sizes, and a fingerprint of its bytes."""

import ctypes
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from llmtui.engines.llama.worker.bindings import ggml_base

SAMPLES = 64
SAMPLE_BYTES = 64 * 1024
_SPLIT = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


class TensorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes summed over a model's files.

    Attributes:
        tensors: how many there are; a vocabulary-only file has none.
        total_bytes: of all tensors.
        embedding_bytes: of the input embedding, of which a token reads one row.
        expert_bytes: of the expert matrices of a mixture, of which a token reads a share.
        tied: the output layer reads the input embedding.
    """

    tensors: int
    total_bytes: int
    embedding_bytes: int
    expert_bytes: int
    tied: bool

    def read_per_token(self, experts_used: int | None, experts: int | None) -> int | None:
        """Bytes of weights one decode step reads; None for a mixture that does not say how many experts work."""
        dense = self.total_bytes - self.expert_bytes - (0 if self.tied else self.embedding_bytes)
        if not self.expert_bytes:
            return dense
        if not experts_used or not experts:
            return None
        return dense + self.expert_bytes * experts_used // experts


class _InitParams(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


def model_files(path: str) -> list[Path]:
    """All files of a model, in order; a model that is not split is its own only part."""
    match = _SPLIT.search(path)
    if match is None:
        return [Path(path)]
    stem, count = path[: match.start()], int(match[2])
    parts = [Path(f"{stem}-{index:05d}-of-{count:05d}.gguf") for index in range(1, count + 1)]
    return [part for part in parts if part.exists()]


def tensor_facts(path: str) -> TensorFacts | None:
    """Read the headers with ggml's own parser; None when a file is not a GGUF it accepts."""
    gguf = _gguf()
    sizes: dict[str, int] = {}
    for part in model_files(path):
        context = gguf.gguf_init_from_file(os.fsencode(part), _InitParams(no_alloc=True, ctx=None))
        if not context:
            return None
        try:
            for index in range(gguf.gguf_get_n_tensors(context)):
                name = gguf.gguf_get_tensor_name(context, index).decode("utf-8", "replace")
                sizes[name] = gguf.gguf_get_tensor_size(context, index)
        finally:
            gguf.gguf_free(context)
    return TensorFacts(
        tensors=len(sizes),
        total_bytes=sum(sizes.values()),
        embedding_bytes=sizes.get("token_embd.weight", 0),
        expert_bytes=sum(size for name, size in sizes.items() if "_exps." in name),
        tied="output.weight" not in sizes,
    )


def fingerprint(path: str) -> str:
    """Sha256 over size and evenly spaced samples of a model's files: 4 MiB are read however large it is."""
    digest = hashlib.sha256()
    for part in model_files(path):
        size = part.stat().st_size
        digest.update(size.to_bytes(8, "big"))
        with part.open("rb") as file:
            for index in range(SAMPLES):
                file.seek(max(0, size - SAMPLE_BYTES) * index // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
                if size <= SAMPLE_BYTES:
                    break
    return digest.hexdigest()


def _gguf() -> Any:
    gguf: Any = ggml_base()
    gguf.gguf_init_from_file.argtypes = [ctypes.c_char_p, _InitParams]
    gguf.gguf_init_from_file.restype = ctypes.c_void_p
    gguf.gguf_get_n_tensors.argtypes = [ctypes.c_void_p]
    gguf.gguf_get_n_tensors.restype = ctypes.c_int64
    gguf.gguf_get_tensor_name.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    gguf.gguf_get_tensor_name.restype = ctypes.c_char_p
    gguf.gguf_get_tensor_size.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    gguf.gguf_get_tensor_size.restype = ctypes.c_size_t
    gguf.gguf_free.argtypes = [ctypes.c_void_p]
    gguf.gguf_free.restype = None
    return gguf
