"""Ollama's own store, read from disk: no Ollama needs to run.

Layout: `manifests/<registry>/<namespace>/<model>/<tag>` is a JSON document that names layers by media type and digest;
`blobs/sha256-<digest>` holds each layer. The model layer is a GGUF file. Manifests are strangers' files: a digest is
checked before it becomes part of a path, and sizes are bounded.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from llmtui.domain.defaults import ModelDefaults, ollama_defaults
from llmtui.domain.models import OllamaExtras
from llmtui.domain.text import visible_line

REGISTRY, NAMESPACE = "registry.ollama.ai", "library"
"""What Ollama leaves out of a name."""
MAX_MANIFEST = 1 << 20
MAX_TEXT = 1 << 20
_LAYER = "application/vnd.ollama.image."
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


class _Layer(msgspec.Struct):
    mediaType: str = ""  # noqa: N815 - the format's name
    digest: str = ""


class _Manifest(msgspec.Struct):
    layers: list[_Layer] = []


class OllamaModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as its manifest describes it.

    Attributes:
        name: as Ollama says it, safe to show, e.g. `qwen2:7b` or `hf.co/org/repo:Q4_K_M`.
        manifest: the file that names the layers.
        digest: SHA-256 of the manifest, by which Ollama's servers know the model; None when it cannot be read.
        blob: the GGUF file; None when there is a `problem`.
        problem: why the model cannot be used.
    """

    name: str
    manifest: Path
    digest: str | None = None
    blob: Path | None = None
    problem: str | None = None


def read_store(root: Path) -> Iterator[OllamaModel]:
    """Every model of a store, by name. What cannot be read has a `problem`; a folder that is no store has none."""
    for manifest in _manifests(root / "manifests"):
        registry, namespace, model, tag = manifest.parts[-4:]
        name = f"{model}:{tag}"
        if registry != REGISTRY:
            name = f"{registry}/{namespace}/{name}"
        elif namespace != NAMESPACE:
            name = f"{namespace}/{name}"
        yield _model(root, visible_line(name), manifest)


def read_extras(manifest: Path) -> OllamaExtras:
    """Template, system message and parameters that a manifest of a store names."""
    root = manifest.parents[4]
    try:
        layers = _layers(_read(manifest))
    except (OSError, ValueError):
        return OllamaExtras()
    texts = {kind: _text(root, layers[kind][0]) for kind in ("template", "system", "params") if layers.get(kind)}
    return OllamaExtras(template=texts.get("template"), system=texts.get("system"), parameters=texts.get("params"))


def read_defaults(manifest: Path) -> ModelDefaults | None:
    """Parameters and system message that a manifest names, as settings; None where it has none of use here."""
    root = manifest.parents[4]
    try:
        layers = _layers(_read(manifest))
    except (OSError, ValueError):
        return None
    texts = {kind: _text(root, layers[kind][0]) for kind in ("system", "params") if layers.get(kind)}
    try:
        parameters = msgspec.json.decode(texts.get("params") or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        parameters = {}
    return ollama_defaults(parameters, texts.get("system"))


def _manifests(folder: Path, depth: int = 4) -> Iterator[Path]:
    """The files exactly four levels down; what is hidden or cannot be read is skipped."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            is_dir = entry.is_dir()
        except OSError:
            continue
        if is_dir and depth > 1:
            yield from _manifests(Path(entry.path), depth - 1)
        elif not is_dir and depth == 1:
            yield Path(entry.path)


def _model(root: Path, name: str, manifest: Path) -> OllamaModel:
    try:
        data = _read(manifest)
        layers = _layers(data)
    except OSError as error:
        return OllamaModel(name=name, manifest=manifest, problem=f"its manifest: {error.strerror or error}")
    except ValueError as error:
        return OllamaModel(name=name, manifest=manifest, problem=f"its manifest is damaged: {visible_line(str(error))}")
    weights = layers.get("model", [])
    problem = None
    if layers.get("adapter"):
        problem = "it is a LoRA adapter on another model, which only Ollama puts together"
    elif len(weights) != 1:
        problem = f"its weights are in {len(weights)} files" if weights else "its manifest names no GGUF file"
    blob = _blob(root, weights[0]) if problem is None else None
    if blob is not None:
        problem = _absence(blob)
    digest = hashlib.sha256(data).hexdigest()
    return OllamaModel(name=name, manifest=manifest, digest=digest, blob=None if problem else blob, problem=problem)


def _read(manifest: Path) -> bytes:
    """The whole of a manifest.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too long to be one.
    """
    with os.fdopen(os.open(manifest, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as handle:
        data = handle.read(MAX_MANIFEST + 1)
    if len(data) > MAX_MANIFEST:
        raise ValueError(f"it is longer than {MAX_MANIFEST:,} bytes")
    return data


def _layers(data: bytes) -> dict[str, list[str]]:
    """Digests by the last word of their media type, e.g. `model`.

    Raises:
        ValueError: it is no manifest.
    """
    try:
        layers = msgspec.json.decode(data, type=_Manifest).layers
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    found: dict[str, list[str]] = {}
    for layer in layers:
        if layer.mediaType.startswith(_LAYER):
            digest = _DIGEST.fullmatch(layer.digest)
            if digest is None:
                raise ValueError(f"the digest {layer.digest[:80]!r}")
            found.setdefault(layer.mediaType.removeprefix(_LAYER), []).append(digest[1])
    return found


def _blob(root: Path, digest: str) -> Path:
    """Ollama writes `sha256-…`; its first versions wrote `sha256:…`."""
    path, old = (root / "blobs" / f"sha256{mark}{digest}" for mark in "-:")
    return old if os.path.exists(old) and not os.path.exists(path) else path  # noqa: PTH110 - never raises


def _absence(blob: Path) -> str | None:
    """Why a blob is not to be had; None when it is."""
    try:
        blob.stat()
    except FileNotFoundError:
        return f"its weights are missing: {blob.name}"
    except OSError as error:
        return f"its weights cannot be read: {error.strerror or error}"
    return None


def _text(root: Path, digest: str) -> str | None:
    try:
        with _blob(root, digest).open("rb") as handle:
            return handle.read(MAX_TEXT).decode("utf-8", "replace")
    except OSError:
        return None
