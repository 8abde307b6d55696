"""A real RPC worker of llama.cpp on the processor, in a process of its own, where the build has RPC.

Run as a script it serves `host:port` until it is killed.
"""

import contextlib
import ctypes
import socket
import subprocess
import sys
from collections.abc import Iterator

_STARTED = 0.05


@contextlib.contextmanager
def rpc_worker() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The endpoint of a worker that listens, and its process, which a test may kill."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen([sys.executable, __file__, endpoint], stdout=subprocess.DEVNULL)
    try:
        while not _listens(endpoint):
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"the worker ended with {process.wait(_STARTED)}")
        yield endpoint, process
    finally:
        process.kill()
        process.wait()


def _listens(endpoint: str) -> bool:
    host, _, port = endpoint.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def serve(endpoint: str) -> None:
    from llmtui.engines.llama.worker import devices
    from llmtui.engines.llama.worker.bindings import llama

    llama.llama_backend_init()
    ggml = devices._ggml()
    address = ggml.ggml_backend_reg_get_proc_address(
        ggml.ggml_backend_reg_by_name(b"RPC"), b"ggml_backend_rpc_start_server"
    )
    text, number = ctypes.c_char_p, ctypes.c_size_t
    start = ctypes.CFUNCTYPE(None, text, text, number, number, ctypes.c_void_p)(address)
    processor = (ctypes.c_void_p * 1)(ggml.ggml_backend_dev_by_type(0))
    start(endpoint.encode(), None, 1, 1, ctypes.cast(processor, ctypes.c_void_p))


if __name__ == "__main__":
    serve(*sys.argv[1:])
