"""A real llama.cpp server, in a process of its own, from the `xllamacpp` wheel.

Run as a script it serves a model on a free port, prints the address, and ends when its standard input closes.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def llama_server(model: Path, *, context: int = 512, slots: int = 1) -> Iterator[str]:
    """Serve a model; gives the address, e.g. `http://127.0.0.1:40123`. Each slot holds `context` tokens."""
    with llama_process(model, context=context, slots=slots) as (address, _):
        yield address


@contextlib.contextmanager
def llama_process(model: Path, *, context: int = 512, slots: int = 1) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Like `llama_server`, with the process, which a test may kill."""
    command = [sys.executable, __file__, str(model), str(context), str(slots)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), f"the server did not come up: {address!r}"
            yield address, process
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def serve(model: str, context: str, slots: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {Path(model).stem}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = int(context) * int(slots)
    params.n_parallel = int(slots)
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.fit_params = False
    params.use_jinja = True
    params.endpoint_props = True
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(*sys.argv[1:])
