"""llama.cpp's own test vocabularies, with the strings and tokens it tests itself with.

They come in the source of llama-cpp-python that uv.lock names, which is on the package index anyway; they are kept in
the user's cache folder beside the compiled wheels.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FETCH_S = 120
_SEPARATOR = "\n__ggml_vocab_test__\n"


def folder() -> Path:
    """Where the vocabularies of the locked version are kept."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "llmtui" / "vocabularies" / _locked()["version"]


def fetch() -> Path:
    """The folder with the vocabularies, fetched with the source distribution unless they are there.

    Raises:
        OSError, subprocess.SubprocessError: they cannot be had; without a network they cannot.
    """
    kept = folder()
    if kept.is_dir():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        _download(Path(name))
        [archive] = Path(name).glob("*.tar.gz")
        found = Path(name) / "found"
        found.mkdir()
        with tarfile.open(archive) as source:
            for member in source:
                file = Path(member.name)
                if member.isfile() and file.name.startswith("ggml-vocab-") and file.parent.name == "models":
                    with source.extractfile(member) or contextlib.nullcontext() as data:
                        (found / file.name).write_bytes(data.read() if data else b"")
        with contextlib.suppress(OSError):  # another run may have been faster
            found.rename(kept)
    return kept


def cases(vocabulary: Path) -> list[tuple[str, list[int]]]:
    """The strings beside a vocabulary, each with its tokens; none where llama.cpp has none."""
    texts, tokens = (vocabulary.with_name(vocabulary.name + ending) for ending in (".inp", ".out"))
    if not texts.exists() or not tokens.exists():
        return []
    strings = texts.read_bytes().decode().split(_SEPARATOR)
    lines = tokens.read_text(encoding="utf-8").splitlines()
    return [(text, [int(word) for word in line.split()]) for text, line in zip(strings, lines, strict=False)]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Vocabulary]:
    """The worker's own tokeniser for a model file, of which only the vocabulary is loaded.

    Raises:
        ValueError: llama.cpp does not load it.
    """
    llama.llama_log_set(_SILENT, None)
    parameters = llama.llama_model_default_params()
    parameters.vocab_only = True
    model = llama.llama_model_load_from_file(str(path).encode(), parameters)
    if not model:
        raise ValueError(f"llama.cpp does not load {path}")
    try:
        yield Vocabulary(model)
    finally:
        llama.llama_model_free(model)


_SILENT = llama.llama_log_callback(lambda *_: None)
"""Kept for ever: llama.cpp may log at any time."""


def _locked() -> dict[str, Any]:
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    [found] = [package for package in packages if package["name"] == "llama-cpp-python"]
    return dict(found)


def _download(target: Path) -> None:
    """Fetch the source with pip, which checks its hash; nothing is compiled."""
    locked = _locked()
    requirement = target / "requirement.txt"
    requirement.write_text(f"llama-cpp-python=={locked['version']} --hash={locked['sdist']['hash']}\n")
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    pip = [uv, "run", "--quiet", "--no-project", "--python", sys.executable, "--with", "pip", "--with"]
    pip += [
        "scikit-build-core[pyproject]",
        "python",
        "-m",
        "pip",
        "download",
        "--quiet",
        "--retries",
        "1",
        "--no-deps",
        "--no-binary",
    ]
    pip += [":all:", "--no-build-isolation", "--require-hashes", "--dest", str(target), "-r", str(requirement)]
    subprocess.run(pip, check=True, timeout=FETCH_S, stdin=subprocess.DEVNULL)
