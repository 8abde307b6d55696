"""`python -m llmtui.engines.llama.worker.features`: what this build of llama.cpp can do, as one line of JSON."""

import ctypes
import os
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec

from llmtui.engines.llama.features import Device, Features
from llmtui.engines.llama.worker.bindings import ggml_base, llama


def query() -> Features:
    """Ask the library; it loads its back ends for that."""
    llama.llama_backend_init()
    return Features(
        version=version("llama-cpp-python"),
        system_info=llama.llama_print_system_info().decode(errors="replace"),
        gpu_offload=bool(llama.llama_supports_gpu_offload()),
        mmap=bool(llama.llama_supports_mmap()),
        mlock=bool(llama.llama_supports_mlock()),
        rpc=bool(llama.llama_supports_rpc()),
        max_slots=int(llama.llama_max_parallel_sequences()),
        devices=_devices(),
    )


def _devices() -> tuple[Device, ...]:
    folder = Path(llama.__file__).parent / "lib"
    names = [f"libggml.{ending}" for ending in ("so", "dylib")] + ["ggml.dll"]
    library = next((folder / name for name in names if (folder / name).exists()), None)
    if library is None:
        return ()
    ggml, base = ctypes.CDLL(str(library)), ggml_base()
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    for name in ("ggml_backend_dev_name", "ggml_backend_dev_description"):
        function = getattr(base, name)
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_char_p
    found = (ggml.ggml_backend_dev_get(index) for index in range(ggml.ggml_backend_dev_count()))
    return tuple(
        Device(
            name=base.ggml_backend_dev_name(device).decode(errors="replace"),
            description=base.ggml_backend_dev_description(device).decode(errors="replace"),
        )
        for device in found
    )


def main() -> None:
    """Write the answer to the real standard output; what native code prints goes to standard error."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.write(answer, msgspec.json.encode(query()))


if __name__ == "__main__":
    main()
