"""LoRA adapters: which there are, whether one fits a model, and attaching them to the model that answers."""

import asyncio
import contextlib
import math
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from llmtui.domain.events import LoadEvent
from llmtui.domain.limits import MAX_SCALE
from llmtui.domain.models import AttachedAdapter, ModelInfo
from llmtui.domain.settings import Adapter
from llmtui.domain.text import visible_line
from llmtui.engines.base import TakesAdapters
from llmtui.errors import EngineError, ModelError, UsageError
from llmtui.services.host import ModelHost
from llmtui.services.models import Catalogue
from llmtui.store.gguf import GgufHeader, TensorInfo, read_header

_A, _B = ".lora_a", ".lora_b"
_REMEDY = "Choose an adapter that was made from this model"


async def attach(host: ModelHost, adapters: Sequence[Adapter]) -> tuple[AttachedAdapter, ...]:
    """Attach exactly these to the model that answers; none detaches all.

    A running answer ends as it began; what is asked from now on is answered with the new ones. The model forgets
    what it has evaluated, so that the next turn evaluates its whole prompt.

    Raises:
        UsageError: one is named twice.
        ModelError: a file is damaged, or not made for this model.
        EngineError: no model is loaded, or its engine takes no adapters.
    """
    engine, info = host.engine, host.info
    if engine is None or info is None or not engine.alive:
        raise EngineError("No model is loaded", remedy="Load a model first")
    if not isinstance(engine, TakesAdapters):
        raise served(info)
    await asyncio.to_thread(check_adapters, info, adapters)
    return await engine.set_adapters(adapters)


async def reload(host: ModelHost) -> AsyncGenerator[LoadEvent]:
    """Open the present model anew, see `ModelHost.reload`, with the adapters that acted on it.

    Raises:
        LlmtuiError: as `ModelHost.reload` and `attach`.
    """
    attached = host.loaded.adapters if host.loaded else ()
    async with contextlib.aclosing(host.reload()) as events:
        async for event in events:
            yield event
    if attached:
        await attach(host, [Adapter(path=one.path, scale=one.scale) for one in attached])


def parse_adapter(catalogue: Catalogue, text: str) -> Adapter:
    """An adapter from what a user types: `FILE`, `NAME`, `FILE:SCALE` or `NAME:SCALE`. Reads from disk.

    Raises:
        UsageError: there is no such adapter, or the scale is no number within bounds.
    """
    name, scale = text, 1.0
    head, _, tail = text.rpartition(":")
    if head and not os.path.isfile(text):  # noqa: PTH113 - Path.is_file raises for names that are too long
        with contextlib.suppress(ValueError):
            name, scale = head, float(tail)
    if not abs(scale) <= MAX_SCALE:
        raise UsageError(
            "The scale of an adapter is out of bounds",
            cause=visible_line(text),
            remedy=f"Choose one from {-MAX_SCALE} to {MAX_SCALE}; 1 is as it was trained, 0 is off",
        )
    return Adapter(path=_path_of(catalogue, name), scale=scale)


def _path_of(catalogue: Catalogue, name: str) -> str:
    expanded = os.path.expanduser(name)  # noqa: PTH111 - an unknown ~user stays as it is
    if os.path.isfile(expanded):  # noqa: PTH113 - as above
        return str(Path(expanded).absolute())
    known = [info for info in catalogue.scan() if info.kind == "adapter" and info.problem is None]
    wanted = name.casefold()
    hits = [info for info in known if info.name.casefold() == wanted]
    hits = hits or [info for info in known if info.name.casefold().startswith(wanted)]
    if len(hits) != 1:
        names = ", ".join(info.name for info in hits or known) or "none"
        raise UsageError(
            f"No adapter is called {visible_line(name)!r}" if not hits else "More than one adapter is meant",
            cause=f"found are {names}",
            remedy="Give the path of a LoRA adapter (.gguf), or a name from `llmtui models`",
        )
    return str(Path(hits[0].path).absolute())


def served(info: ModelInfo) -> EngineError:
    """A server's model cannot be changed from here."""
    return EngineError(
        "This model takes no adapters",
        cause=f"{info.name} runs on a server, which loads its adapters itself",
        remedy="Load the model's file here, or start the server with the adapter",
    )


def check_adapters(info: ModelInfo, adapters: Sequence[Adapter]) -> None:
    """Whether each was made for the model, from the headers; llama.cpp must never meet a file that is not sound.

    Raises:
        UsageError: one is named twice.
        ModelError: a file is damaged, no LoRA adapter, or for another model.
        EngineError: the model is a server's.
    """
    if not adapters:
        return
    if info.server is not None:
        raise served(info)
    paths = [Path(adapter.path).resolve() for adapter in adapters]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError("An adapter is named twice", cause=str(path), remedy="Name it once, with its whole scale")
    headers = [read_header(part) for part in info.parts]
    tensors = {tensor.name: tensor for header in headers for tensor in header.tensors}
    for adapter in adapters:
        _check(adapter.path, read_header(adapter.path), headers[0].text("general.architecture"), tensors)


def _check(path: str, header: GgufHeader, architecture: str | None, base: dict[str, TensorInfo]) -> None:
    if header.text("general.type") != "adapter":
        raise _refused(path, "it is no adapter, but a model of its own", remedy="Name a LoRA adapter (.gguf)")
    kind = header.text("adapter.type")
    if kind != "lora":
        raise _refused(path, f"it is an adapter of the kind {kind!r}; only LoRA is supported")
    if "adapter.alora.invocation_tokens" in header.values:
        raise _refused(
            path, "it is an activated adapter (aLoRA), which begins at certain words; only LoRA is supported"
        )
    made_for = header.text("general.architecture")
    if made_for != architecture:
        raise _refused(path, f"it is for the architecture {made_for!r}, the model is {architecture!r}")
    alpha = header.values.get("adapter.lora.alpha")
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise _refused(path, "its strength (adapter.lora.alpha) is missing")
    tensors = {tensor.name: tensor for tensor in header.tensors}
    if not tensors:
        raise _refused(path, "it holds no weights")
    for name, tensor in tensors.items():
        if name.endswith(_A):
            _check_pair(path, name.removesuffix(_A), tensor, tensors.get(name.removesuffix(_A) + _B), base)
        elif not name.endswith(_B) or name.removesuffix(_B) + _A not in tensors:
            raise _refused(path, f"its tensor {name!r} is not one of a pair")


def _check_pair(path: str, name: str, a: TensorInfo, b: TensorInfo | None, base: dict[str, TensorInfo]) -> None:
    """A is rank × inputs, B outputs × rank; of the token embedding the other way round. Shapes here: fastest first."""
    weight = base.get(name)
    if weight is None:
        raise _refused(path, f"the model has no tensor {name!r}")
    if b is None or len(a.shape) < 2 or len(b.shape) < 2 or len(weight.shape) < 2:
        raise _refused(path, f"the matrices for {name!r} are not a pair")
    inputs, outputs = weight.shape[:2]
    flipped = name == "token_embd.weight"
    fits = (b.shape[1], a.shape[1]) if flipped else (a.shape[0], b.shape[1])
    ranks = (a.shape[0], b.shape[0]) if flipped else (a.shape[1], b.shape[0])
    if fits != (inputs, outputs) or ranks[0] != ranks[1]:
        raise _refused(
            path, f"for {name!r} it has {a.shape[:2]} and {b.shape[:2]}, which do not make {(inputs, outputs)}"
        )


def _refused(path: str, reason: str, *, remedy: str = _REMEDY) -> ModelError:
    return ModelError("The adapter does not fit the model", cause=visible_line(f"{path}: {reason}"), remedy=remedy)
