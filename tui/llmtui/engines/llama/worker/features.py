"""`python -m llmtui.engines.llama.worker.features`: what this build of llama.cpp can do, as one line of JSON."""

import os
import sys
from importlib.metadata import version

import msgspec

from llmtui.engines.llama.features import Features
from llmtui.engines.llama.worker import devices
from llmtui.engines.llama.worker.bindings import llama


def query() -> Features:
    """Ask the library; it loads its back ends for that."""
    llama.llama_backend_init()
    return Features(
        version=version("llama-cpp-python"),
        system_info=llama.llama_print_system_info().decode(errors="replace"),
        gpu_offload=devices.has_gpu(),
        mmap=bool(llama.llama_supports_mmap()),
        mlock=bool(llama.llama_supports_mlock()),
        rpc=bool(llama.llama_supports_rpc()),
        max_slots=int(llama.llama_max_parallel_sequences()),
        devices=devices.listed(),
    )


def main() -> None:
    """Write the answer to the real standard output; what native code prints goes to standard error."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.write(answer, msgspec.json.encode(query()))


if __name__ == "__main__":
    main()
