"""The low-level llama.cpp bindings, and nothing else of their package.

The package's `__init__` imports its high-level classes with numpy, jinja2 and a disk cache, which takes six times as
long as the bindings themselves (0.38 s against 0.06 s here), so the package is entered without running it.
"""

import ctypes
import importlib
import importlib.util
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from llmtui.errors import EngineError

PACKAGE = "llama_cpp"


def _import_bindings() -> Any:
    if PACKAGE not in sys.modules:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None:
            raise EngineError("llama-cpp-python is not installed", remedy="Install it: `pip install llama-cpp-python`.")
        sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{PACKAGE}.llama_cpp")


llama: Any = _import_bindings()
"""Functions, structs and constants of `llama.h`."""


def ggml_base() -> ctypes.CDLL:
    """The library with the `gguf_*` functions; it is loaded already, as a dependency of llama.cpp."""
    folder = Path(llama.__file__).parent / "lib"
    names = [f"libggml-base.{ending}" for ending in ("so", "dylib")] + ["ggml-base.dll"]
    for name in names:
        if (folder / name).exists():
            return ctypes.CDLL(str(folder / name))
    raise EngineError(
        "This build of llama-cpp-python lacks its ggml library",
        cause=f"no ggml-base in {folder}",
        remedy="Reinstall llama-cpp-python.",
    )


class AbortFlag:
    """A flag that llama.cpp polls once per graph node without entering Python.

    The C library's `strlen` is the callback, over two bytes: it returns 0 while the first is 0, and 1 once it is
    set. A Python callback would take the interpreter lock some thousand times per token.
    """

    def __init__(self) -> None:
        self._bytes = (ctypes.c_char * 2)(b"\0", b"\0")
        libc = ctypes.CDLL(None)
        self.callback = ctypes.cast(libc.strlen, llama.ggml_abort_callback)
        self.data = ctypes.cast(self._bytes, ctypes.c_void_p)

    def set(self) -> None:
        """Make the decode that runs now return 2 within a graph node."""
        self._bytes[0] = b"\1"

    def clear(self) -> None:
        """Let the next decode run."""
        self._bytes[0] = b"\0"


def build() -> str:
    """Version of the bindings, and what their llama.cpp was built with."""
    try:
        release = metadata.version("llama-cpp-python")
    except metadata.PackageNotFoundError:
        release = "unknown"
    native = llama.llama_version().decode() if hasattr(llama, "llama_version") else ""
    return f"llama-cpp-python {release}" + (f" (llama.cpp {native})" if native else "")
