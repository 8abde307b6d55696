"""What is known of a model: from its file's header before loading, and from the engine after."""

from typing import Literal

import msgspec

from llmtui.domain.defaults import ModelDefaults

ModelSource = Literal["demo", "file", "folder", "lmstudio", "huggingface", "llama.cpp", "webui", "ollama", "server"]
"""Where a model was found: it comes along, a typed path, a model folder, another program's files, or a server."""
ModelKind = Literal["model", "adapter"]


class CacheCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation costs a model beside its weights, by its header.

    Attributes:
        full_elements: numbers a token leaves in the layers that see the whole context.
        windowed_elements: numbers a token leaves in the layers that see a window only.
        key_share: share of those numbers that are keys; the others are values.
        window: of those, in tokens.
        state_bytes: of a sequence's recurrent states, however long it is.
    """

    full_elements: int = 0
    windowed_elements: int = 0
    key_share: float = 0.5
    window: int = 0
    state_bytes: int = 0


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A model as listed: read from its file's header only, or named by a server.

    Attributes:
        name: what the user types; unique in a listing.
        path: the file, or the first part of a split model; of a server's model its URL, `#` and the id.
        parts: all files of the model, `path` first; empty when none is there, and for a server's.
        kind: `adapter` is a LoRA adapter, which changes a model and cannot answer by itself.
        size_bytes: of all parts on disk; None where a server does not say.
        parameters: sum of the elements of all tensors.
        quantisation: as the file type says, e.g. `Q4_K_M`.
        trained_context: tokens the model was trained on.
        weights_bytes: sum of the sizes of all tensors; None where one is of an unknown type, and for a server's.
        cache_cost: None where the header does not say enough, and for a server's.
        problem: why it cannot be loaded, when the header already says so, or the server that was asked.
        server: where it is served: a configured server's name, else a URL; None for files.
        served_id: what the server calls it; None takes the only one it has.
        loaded: whether its server holds it in memory; None for files, and where the server does not say.
        digests: SHA-256 of each of Ollama's manifests for it, by which its servers know it.
        also_served: a server that offers this same file's model.
        defaults: what its publisher set, where the place it was found in tells.
    """

    name: str
    path: str
    parts: tuple[str, ...]
    source: ModelSource
    kind: ModelKind = "model"
    size_bytes: int | None
    modified_ns: int
    title: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    quantisation: str | None = None
    trained_context: int | None = None
    weights_bytes: int | None = None
    cache_cost: CacheCost | None = None
    problem: str | None = None
    server: str | None = None
    served_id: str | None = None
    loaded: bool | None = None
    digests: tuple[str, ...] = ()
    also_served: str | None = None
    defaults: ModelDefaults | None = None


class OllamaExtras(msgspec.Struct, frozen=True, kw_only=True):
    """What Ollama adds to a model; None where the manifest has no such layer, or it cannot be read.

    Attributes:
        template: in Ollama's own (Go) template language.
        parameters: a JSON object, e.g. `{"stop": ["<|im_end|>"]}`.
    """

    template: str | None = None
    system: str | None = None
    parameters: str | None = None


class MemoryParts(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes per component as llama.cpp's own log reports them; None where the log did not say.

    Attributes:
        whole_bytes: all together, from a server that tells no parts.
        gpu_bytes: the part of `whole_bytes` in GPU memory.
    """

    weights_bytes: int | None = None
    kv_bytes: int | None = None
    recurrent_bytes: int | None = None
    compute_bytes: int | None = None
    output_bytes: int | None = None
    whole_bytes: int | None = None
    gpu_bytes: int | None = None

    @property
    def total_bytes(self) -> int | None:
        """All together as told, else the sum of the known parts; None when nothing is known."""
        parts = (self.weights_bytes, self.kv_bytes, self.recurrent_bytes, self.compute_bytes, self.output_bytes)
        known = [part for part in parts if part is not None]
        return self.whole_bytes if self.whole_bytes is not None else sum(known) if known else None


class AttachedAdapter(msgspec.Struct, frozen=True, kw_only=True):
    """A LoRA adapter that acts on a loaded model.

    Attributes:
        name: of its file, without the ending.
        scale: how strongly it acts; 0 is off.
        fingerprint: as `LoadedModel.fingerprint`, of the adapter's file.
    """

    name: str
    path: str
    scale: float
    fingerprint: str

    @property
    def label(self) -> str:
        """`+poet ×0.8`."""
        return f"+{self.name} ×{self.scale:g}"


class LoadedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine granted, which may be less than was asked.

    Attributes:
        name: as the user chose it.
        description: the engine's one line, e.g. `qwen2 0.5B Q4_0`.
        engine: `llama.cpp`, `scripted`, `openai`, `ollama`.
        engine_build: version of the engine, for the manifest.
        context_size: tokens one slot may hold; None where a server does not say.
        trained_context: tokens the model was trained on.
        load_s: model load and context creation, without any prefill.
        weights_read_per_token_bytes: bytes of weights a decode step reads; for `bandwidth_fraction`.
        kv_bytes_per_token: growth of the KV cache a token; 0 for recurrent models.
        template_source: `model`, `server`, or with the reason in words `shipped: …` or, for a guess, `fallback: …`.
        template_sha256: of the template's text.
        vocabulary_size: number of tokens.
        pid: of the process that holds the model; None for servers.
        threads: that decode uses; None where unknown.
        gpu_layers: layers offloaded to a GPU, 0 when the model runs on the processor; None where unknown.
        fingerprint: sha256 over the file's size and evenly spaced samples of its bytes; tells quantisations and
            fine-tunes apart without reading gigabytes.
        served_by: the kind of server, e.g. `llama-server`, or its address; None in a process of our own.
        defaults: what its publisher set, where the engine tells.
        recurrent: the state has a fixed size, so no prefix of it can be cut.
        adapters: attached now.
        slots: answers that a server writes at once; None where it does not say, and in a process of our own.
        devices: of other machines, with what each holds of the weights, e.g. `RPC0[10.0.0.2:50052] 4.1 GiB`.
        replicas: URLs of the servers that share the work; empty for one.
        infill: texts of the tokens that stand before, between and behind the parts around a gap; None where the
            vocabulary has none, and for servers, which know their own.
    """

    name: str
    description: str
    engine: str
    engine_build: str
    context_size: int | None
    trained_context: int | None = None
    architecture: str | None = None
    quantisation: str | None = None
    load_s: float | None = None
    memory: MemoryParts = MemoryParts()
    weights_read_per_token_bytes: int | None = None
    kv_bytes_per_token: float | None = None
    template_source: str | None = None
    template_sha256: str | None = None
    vocabulary_size: int | None = None
    pid: int | None = None
    threads: int | None = None
    gpu_layers: int | None = None
    path: str | None = None
    fingerprint: str | None = None
    served_by: str | None = None
    recurrent: bool = False
    adapters: tuple[AttachedAdapter, ...] = ()
    defaults: ModelDefaults | None = None
    slots: int | None = None
    devices: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()
    infill: tuple[str, str, str] | None = None
