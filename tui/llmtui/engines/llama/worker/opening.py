"""From a `Load` command to a model that can answer, and to what is told about it."""

import ctypes
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec

from llmtui.domain.events import LoadProgress
from llmtui.domain.models import LoadedModel
from llmtui.domain.quantities import size
from llmtui.domain.settings import Runtime
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import visible_line
from llmtui.engines.llama.wire import Load, LoadReply
from llmtui.engines.llama.worker import devices, loading, machine
from llmtui.engines.llama.worker import facts as file_facts
from llmtui.engines.llama.worker.adapters import Adapters
from llmtui.engines.llama.worker.bindings import build, llama
from llmtui.engines.llama.worker.facts import TensorFacts
from llmtui.engines.llama.worker.fitting import check_memory, check_weights
from llmtui.engines.llama.worker.loading import OpenModel
from llmtui.engines.llama.worker.logs import LogCapture
from llmtui.engines.llama.worker.outbox import Outbox
from llmtui.engines.llama.worker.vocabulary import Vocabulary
from llmtui.engines.rendering.choice import choose_template
from llmtui.errors import ModelError

PROGRESS_SECONDS = 0.05
GUESSED_FILE_TYPE = 1024


class Opened(msgspec.Struct, kw_only=True, eq=False):
    """A model ready to answer."""

    model: OpenModel
    vocabulary: Vocabulary
    template: NamedTemplate
    adapters: Adapters


def open_model(load: Load, outbox: Outbox) -> tuple[Opened, LoadedModel]:
    """Open the file and make the context, reporting progress; what is opened, and what to tell of it.

    Raises:
        ModelError: see `loading`.
        EngineError: see `devices`.
    """
    started = time.perf_counter()
    loading.check_file(load.path)
    available = machine.available_memory()
    logs = LogCapture()
    llama.llama_backend_init()
    devices.add_workers(load.runtime.rpc)
    outbox.send(LoadReply(LoadProgress("reading weights", 0.0)))
    with ThreadPoolExecutor(2) as pool:
        facts = pool.submit(file_facts.tensor_facts, load.path)
        print_ = pool.submit(file_facts.fingerprint, load.path)
        check_weights(load.path, facts, load.runtime, available)
        pointer, callback = _open_weights(load, logs, outbox, facts)
        outbox.send(LoadReply(LoadProgress("creating the context")))
        known = facts.result()
        weights = known.total_bytes if known else 0
        check_memory(load.path, pointer, load.runtime, weights_bytes=weights, available_bytes=available, logs=logs)
        model = loading.open_context(pointer, load.runtime, logs)
        model.keep.append((callback, logs))
        adapters = Adapters(pointer, model.context, logs)
        adapters.attach(load.runtime.adapters)
        vocabulary = Vocabulary(pointer)
        own = llama.llama_model_chat_template(pointer, None)
        template = choose_template(
            own.decode("utf-8", "replace") if own else None,
            lambda text: vocabulary.special(text) is not None,
            names=(load.name, loading.metadata(pointer, "general.name") or ""),
            architecture=loading.metadata(pointer, "general.architecture"),
            foreign=load.foreign_template,
        )
        load_s = time.perf_counter() - started
        opened = Opened(model=model, vocabulary=vocabulary, template=template, adapters=adapters)
        described = _describe(load, opened, known, logs)
        loaded = msgspec.structs.replace(described, load_s=load_s, fingerprint=print_.result())
    return opened, loaded


def _open_weights(load: Load, logs: LogCapture, outbox: Outbox, facts: "Future[TensorFacts | None]") -> tuple[Any, Any]:
    reported = 0.0

    def report(fraction: float) -> None:
        nonlocal reported
        now = time.monotonic()
        if now - reported >= PROGRESS_SECONDS:
            reported = now
            outbox.send(LoadReply(LoadProgress("reading weights", fraction)))

    try:
        return loading.open_weights(load.path, load.runtime, logs, report)
    except ModelError as error:
        known = facts.result()
        if known is not None and known.tensors == 0:
            raise ModelError(
                "The file holds a vocabulary but no weights",
                cause=f"{visible_line(load.path)} has no tensors",
                remedy="Choose the model's main .gguf file.",
            ) from error
        raise


def _describe(load: Load, opened: Opened, facts: TensorFacts | None, logs: LogCapture) -> LoadedModel:
    model, template = opened.model, opened.template
    pointer = model.model
    architecture = loading.metadata(pointer, "general.architecture")
    memory = logs.memory()
    used = loading.metadata_int(pointer, f"{architecture}.expert_used_count")
    experts = loading.metadata_int(pointer, f"{architecture}.expert_count")
    return LoadedModel(
        name=load.name,
        description=load.description or visible_line(_description(pointer)),
        engine="llama.cpp",
        engine_build=build(),
        context_size=model.context_size,
        trained_context=model.trained_context,
        architecture=visible_line(architecture) if architecture else None,
        quantisation=_quantisation(pointer),
        memory=memory,
        weights_read_per_token_bytes=facts.read_per_token(used, experts) if facts else None,
        kv_bytes_per_token=_kv_growth(model, load.runtime, memory.kv_bytes),
        template_source=template.source,
        template_sha256=template.sha256,
        vocabulary_size=opened.vocabulary.size,
        pid=os.getpid(),
        threads=model.threads,
        gpu_layers=logs.gpu_layers if loading.uses_gpu(load.runtime) else 0,
        path=load.path,
        recurrent=model.recurrent,
        infill=opened.vocabulary.infill(),
        adapters=opened.adapters.attached,
        devices=tuple(f"{visible_line(name)} {size(held)}" for name, held in logs.remote()),
    )


def _kv_growth(model: OpenModel, runtime: Runtime, logged_bytes: int | None) -> float | None:
    """The formula where llama.cpp's own figure confirms it, else that figure; unknown with sliding windows."""
    formula = loading.kv_bytes_per_token(model.model, runtime)
    if model.recurrent or logged_bytes is None:
        return formula
    if model.window:
        return None
    logged = logged_bytes / llama.llama_n_ctx(model.context)
    return formula if abs(logged - formula) <= 0.02 * formula else logged


def _description(model: Any) -> str:
    buffer = ctypes.create_string_buffer(256)
    llama.llama_model_desc(model, buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace")


def _quantisation(model: Any) -> str | None:
    """Name of the file type, e.g. `Q4_K_M`."""
    number = llama.llama_model_ftype(model) & ~GUESSED_FILE_TYPE
    names: dict[str, object] = vars(llama)
    for name, value in names.items():
        if name.startswith("LLAMA_FTYPE_") and value == number:
            return name.removeprefix("LLAMA_FTYPE_").removeprefix("MOSTLY_").removeprefix("ALL_")
    return None
