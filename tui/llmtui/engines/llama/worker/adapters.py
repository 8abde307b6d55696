"""LoRA adapters on a loaded model: low-rank matrices that llama.cpp adds to the weights while it computes."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmtui.domain.models import AttachedAdapter
from llmtui.domain.settings import Adapter
from llmtui.domain.text import visible_line
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.facts import fingerprint
from llmtui.engines.llama.worker.loading import check_file
from llmtui.engines.llama.worker.logs import LogCapture
from llmtui.errors import ModelError

_REMEDY = "Choose an adapter that was made from this model."


class Adapters:
    """What is attached to one model.

    What the KV cache holds was computed with the adapters of its time: whoever changes them empties it.

    Args:
        model: llama.cpp's pointer.
        context: the same.
        logs: tell why an adapter was refused.

    Attributes:
        attached: in the order in which they were asked for, those of scale 0 included.
    """

    def __init__(self, model: Any, context: Any, logs: LogCapture) -> None:
        self.attached: tuple[AttachedAdapter, ...] = ()
        self._model = model
        self._context = context
        self._logs = logs
        self._pointers: dict[str, Any] = {}

    def attach(self, wanted: Sequence[Adapter]) -> tuple[AttachedAdapter, ...]:
        """Attach exactly these; an empty sequence detaches all. After an error everything is as before.

        Raises:
            ModelError: a file cannot be read, or is no adapter for this model.
        """
        pointers: dict[str, Any] = {}
        attached = []
        if len({adapter.path for adapter in wanted}) < len(wanted):
            raise ModelError("An adapter is named twice", remedy="Name it once, with its whole scale.")
        try:
            for adapter in wanted:
                check_file(adapter.path)
                print_ = fingerprint(adapter.path)
                key = f"{adapter.path}\0{print_}"
                pointers[key] = self._pointers.get(key) or self._open(adapter.path)
                name = visible_line(Path(adapter.path).name.removesuffix(".gguf"))
                attached.append(AttachedAdapter(name=name, path=adapter.path, scale=adapter.scale, fingerprint=print_))
            self._set([(pointer, adapter.scale) for pointer, adapter in zip(pointers.values(), wanted, strict=True)])
        except ModelError:
            self._free(pointers, kept=self._pointers)
            raise
        old, self._pointers = self._pointers, pointers
        self._free(old, kept=pointers)
        self.attached = tuple(attached)
        return self.attached

    def _open(self, path: str) -> Any:
        self._logs.errors.clear()
        pointer = llama.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not pointer:
            lines = [visible_line(line).rpartition("failed to apply lora adapter: ")[2] for line in self._logs.errors]
            raise ModelError(
                "The adapter does not fit the model",
                cause=f"{visible_line(path)}: {lines[-1] if lines else 'llama.cpp gave no reason'}",
                remedy=_REMEDY,
            )
        if llama.llama_adapter_get_alora_n_invocation_tokens(pointer):
            llama.llama_adapter_lora_free(pointer)
            raise ModelError(
                "Activated adapters (aLoRA) are not supported",
                cause=f"{visible_line(path)}: it is meant to begin at certain words of a prompt",
                remedy="Choose a plain LoRA adapter.",
            )
        return pointer

    def _set(self, scaled: list[tuple[Any, float]]) -> None:
        active = [(pointer, scale) for pointer, scale in scaled if scale]
        pointers = (llama.llama_adapter_lora_p_ctypes * len(active))(*(pointer for pointer, _ in active))
        scales = (ctypes.c_float * len(active))(*(scale for _, scale in active))
        code = llama.llama_set_adapters_lora(self._context, pointers, len(active), scales)
        if code != 0:
            raise ModelError("The adapters cannot be set", cause=f"llama.cpp returned {code}", remedy=_REMEDY)

    @staticmethod
    def _free(pointers: dict[str, Any], *, kept: dict[str, Any]) -> None:
        for key, pointer in pointers.items():
            if key not in kept:
                llama.llama_adapter_lora_free(pointer)
