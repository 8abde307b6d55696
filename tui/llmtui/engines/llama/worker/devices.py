"""The devices that llama.cpp computes on, those of RPC workers on other machines included."""

import ctypes
import socket
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from llmtui.domain.text import visible_line
from llmtui.engines.llama.features import Device
from llmtui.engines.llama.worker.bindings import llama
from llmtui.errors import EngineError

CONNECT_S = 5.0
ANSWER_S = 10.0
LONGEST_HELLO = 1024
"""Bytes of the answer to a hello; those of other protocols, read as a length, are far more."""
_GPUS = (1, 2)
"""`GGML_BACKEND_DEVICE_TYPE_GPU` and `_IGPU`; RPC workers count as the former, whatever they compute on."""
_HELLO = bytes([14]) + (24).to_bytes(8, "little") + bytes(24)
"""The first request of the protocol: its number, the length, and no special transport."""
_NO_RPC = 'Build it with RPC: CMAKE_ARGS="-DGGML_RPC=on" scripts/llmtui'
_START = "Start one there, of the same llama.cpp version: rpc-server -H 0.0.0.0 -p 50052"


def listed() -> tuple[Device, ...]:
    """Every device that is known now."""
    ggml = _ggml()
    if ggml is None:
        return ()
    return tuple(_told(ggml.ggml_backend_dev_get(index)) for index in range(ggml.ggml_backend_dev_count()))


def has_gpu() -> bool:
    """Whether layers can be offloaded: to a GPU, or to an RPC worker that was added.

    llama.cpp's own answer is yes for each build with RPC, also when no worker was added.
    """
    ggml = _ggml()
    if ggml is None:
        return bool(llama.llama_supports_gpu_offload())
    return any(ggml.ggml_backend_dev_by_type(kind) for kind in _GPUS)


def add_workers(endpoints: Sequence[str]) -> None:
    """Make the devices of RPC workers known, before a model is loaded; llama.cpp then spreads its layers over them.

    Each is asked first, since llama.cpp ends the process over one that it cannot reach.

    Args:
        endpoints: `host:port`.

    Raises:
        EngineError: the build has no RPC, or a worker cannot be reached or does not answer.
    """
    if not endpoints:
        return
    ggml = _ggml()
    if ggml is None or not llama.llama_supports_rpc():
        raise EngineError(
            "This llama.cpp was built without RPC",
            cause=f"`rpc` names {visible_line(', '.join(endpoints))}",
            remedy=_NO_RPC,
        )
    for endpoint in endpoints:
        _greet(endpoint)
    add = _function(ggml, "ggml_backend_rpc_add_server")
    for endpoint in endpoints:
        registry = add(endpoint.encode())
        if not registry:
            raise EngineError(f"The RPC worker {visible_line(endpoint)} has no device", remedy=_START)
        ggml.ggml_backend_register(registry)


def _greet(endpoint: str) -> None:
    """Say hello as llama.cpp does, and hang up: a worker serves one client at a time."""
    host, _, port = endpoint.rpartition(":")
    shown = visible_line(endpoint)
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_S) as connection:
            connection.settimeout(ANSWER_S)
            try:
                connection.sendall(_HELLO)
                answered = connection.recv(8)
            except TimeoutError as error:
                raise EngineError(
                    f"The RPC worker {shown} does not answer",
                    cause=f"nothing came in {ANSWER_S:.0f} s; it holds one model at a time",
                    remedy="See whether another program has a model there; then load this one again.",
                ) from error
    except OSError as error:
        raise EngineError(
            f"The RPC worker {shown} cannot be reached", cause=error.strerror or str(error), remedy=_START
        ) from error
    if len(answered) < 8 or int.from_bytes(answered, "little") > LONGEST_HELLO:
        raise EngineError(f"{shown} is no RPC worker", cause="it answers another protocol, or none", remedy=_START)


def _told(device: int) -> Device:
    ggml = _ggml()
    return Device(
        name=ggml.ggml_backend_dev_name(device).decode(errors="replace"),
        description=ggml.ggml_backend_dev_description(device).decode(errors="replace"),
    )


def _function(ggml: Any, name: str) -> Any:
    """A function of the RPC back end, wherever the build has put it."""
    registry = ggml.ggml_backend_reg_by_name(b"RPC")
    address = ggml.ggml_backend_reg_get_proc_address(registry, name.encode()) if registry else None
    if not address:
        raise EngineError("This llama.cpp was built without RPC", cause=f"it has no {name}", remedy=_NO_RPC)
    return ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)(address)


@cache
def _ggml() -> Any:
    """The library that knows the back ends, and all it is linked with; None where it cannot be reached.

    It is reached through llama.cpp's own file: the package holds every library under several names, as copies, and a
    copy has devices of its own, which llama.cpp would never see.
    """
    folder = Path(llama.__file__).parent / "lib"
    own = next((folder / name for name in ("libllama.so", "libllama.dylib") if (folder / name).exists()), None)
    ggml: Any = ctypes.CDLL(str(own)) if own is not None else None
    if not hasattr(ggml, "ggml_backend_dev_count"):
        return None
    address, text = ctypes.c_void_p, ctypes.c_char_p
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    for name, takes, gives in (
        ("ggml_backend_dev_get", [ctypes.c_size_t], address),
        ("ggml_backend_dev_by_type", [ctypes.c_int], address),
        ("ggml_backend_dev_name", [address], text),
        ("ggml_backend_dev_description", [address], text),
        ("ggml_backend_reg_by_name", [text], address),
        ("ggml_backend_reg_get_proc_address", [address, text], address),
        ("ggml_backend_register", [address], None),
    ):
        function = getattr(ggml, name)
        function.argtypes, function.restype = takes, gives
    return ggml
