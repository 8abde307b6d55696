"""What servers say of themselves and of their models, as they write it. Everything may be left out."""

import msgspec

LLAMA_SERVER, VLLM, SGLANG = "llama-server", "vLLM", "SGLang"
LM_STUDIO, OLLAMA, FASTCHAT, WEBUI = "LM Studio", "Ollama", "FastChat", "text-generation-webui"
OWNERS = {
    "llamacpp": LLAMA_SERVER,
    "vllm": VLLM,
    "sglang": SGLANG,
    "organization_owner": LM_STUDIO,
    "library": OLLAMA,
    "fastchat": FASTCHAT,
    "user": WEBUI,
}
"""Who serves, by the `owned_by` of its list of models."""


class ModelMeta(msgspec.Struct):
    """What llama-server adds to a model."""

    n_ctx: int | None = None
    n_ctx_train: int | None = None
    n_params: int | None = None
    n_vocab: int | None = None
    size: int | None = None
    ftype: str | None = None


class ModelStatus(msgspec.Struct):
    """Whether a llama-server that has several models holds this one: `loaded`, `sleeping`, `unloaded` and others."""

    value: str | None = None


class ServedModel(msgspec.Struct):
    """A row of `/v1/models`."""

    id: str
    owned_by: str | None = None
    aliases: list[str] | None = None
    meta: ModelMeta | None = None
    status: ModelStatus | None = None
    max_model_len: int | None = None


class ModelList(msgspec.Struct):
    """The answer of `/v1/models`. Older versions of Ollama say null where there is no model."""

    data: list[ServedModel] | None


class StudioModel(msgspec.Struct):
    """A row of LM Studio's `/api/v0/models`; `type` is `llm`, `vlm` or `embeddings`."""

    id: str
    type: str | None = None
    arch: str | None = None
    quantization: str | None = None
    state: str | None = None
    max_context_length: int | None = None
    loaded_context_length: int | None = None


class StudioList(msgspec.Struct):
    """The answer of LM Studio's `/api/v0/models`."""

    data: list[StudioModel]


class PropsSettings(msgspec.Struct):
    """Of a slot."""

    n_ctx: int | None = None


class Props(msgspec.Struct):
    """The answer of llama-server's `/props`."""

    default_generation_settings: PropsSettings = msgspec.field(default_factory=PropsSettings)
    chat_template: str | None = None
    eos_token: str | None = None
    build_info: str | None = None
    model_ftype: str | None = None
    total_slots: int | None = None


class OllamaLoaded(msgspec.Struct):
    """A row of Ollama's `/api/ps`."""

    model: str | None = None
    context_length: int | None = None


class OllamaProcesses(msgspec.Struct):
    """The answer of Ollama's `/api/ps`."""

    models: list[OllamaLoaded]


class Version(msgspec.Struct):
    """The answer of vLLM's `/version` and of Ollama's `/api/version`."""

    version: str


class Rendered(msgspec.Struct):
    """The answer of llama-server's `/apply-template`."""

    prompt: str


class Tokenised(msgspec.Struct):
    """The answer of `/tokenize`."""

    tokens: list[int]
