"""A model's files described: its header as a `ModelInfo`, or in full as `ModelDetails`."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from llmtui.domain.fit import cache_cost
from llmtui.domain.models import ModelInfo, ModelSource, OllamaExtras
from llmtui.domain.text import visible_line
from llmtui.errors import ModelError
from llmtui.store.gguf import GgufArray, GgufHeader, read_header, read_strings
from llmtui.store.gguf_tables import FILE_TYPES
from llmtui.store.header_cache import HeaderCache, HeaderFacts, stamp_of

SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.gguf", re.IGNORECASE)
NOT_MODELS = {
    "mmproj": "a projector for images or sound",
    "projector": "a projector for images or sound",
    "adapter": "a LoRA adapter",
    "imatrix": "an importance matrix",
}
TEMPLATE = "tokenizer.chat_template"
_SPECIAL = re.compile(r"tokenizer\.ggml\.(\w+)_token_id")


class TensorShare(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a model is of one tensor type.

    Attributes:
        size_bytes: 0 for types this program does not know.
        share: of all known bytes, 0 to 1.
    """

    type: str
    tensors: int
    size_bytes: int
    share: float


class ModelDetails(msgspec.Struct, frozen=True, kw_only=True):
    """All that a model's header says, without its big arrays.

    Attributes:
        metadata: every key; long arrays as `[string × 151936]`, the chat template left out.
        special_tokens: role to token, e.g. `eos` to `<|im_end|>`.
        template: text of the chat template; None when the file has none.
        template_used: source of the one that a chat gets, see `LoadedModel.template_source`; empty where nobody asked.
        named_templates: further ones by their purpose, e.g. `tool_use`.
        alignment: of the tensor data, in bytes.
        ollama: what Ollama's manifest adds; None for models from elsewhere.
    """

    info: ModelInfo
    gguf_version: int
    alignment: int
    tensors: int
    tensor_types: tuple[TensorShare, ...]
    metadata: dict[str, str | int | float | bool]
    special_tokens: dict[str, str]
    template: str | None
    named_templates: dict[str, str]
    licence: str | None
    ollama: OllamaExtras | None = None
    template_used: str = ""


def model_name(path: Path) -> str:
    """What the user types: the file's stem, without the number of a part."""
    split = SPLIT.fullmatch(path.name)
    return visible_line(split["stem"] if split else path.name[: -len(path.suffix)] if path.suffix else path.name)


def sibling_parts(path: Path) -> tuple[Path, ...]:
    """All parts a model should have, whether or not they exist; the path alone when it is not split."""
    split = SPLIT.fullmatch(path.name)
    if not split or not 1 <= int(split["total"]) <= 1000:
        return (path,)
    stem, total, suffix = split["stem"], split["total"], path.suffix
    return tuple(path.with_name(f"{stem}-{number:05}-of-{total}{suffix}") for number in range(1, int(total) + 1))


def inspect(parts: Sequence[Path], *, name: str, source: ModelSource) -> ModelInfo:
    """Describe a model from the headers of all its parts.

    Raises:
        ModelError: a part is missing or damaged, or the file is no language model.
    """
    facts = survey(parts)
    if facts.kind != "model":
        raise NotAModelError(
            "This file is not a language model",
            cause=f"{parts[0]}: {NOT_MODELS[facts.kind]}",
            remedy="Name the model itself",
        )
    return _info(facts, parts, name=name, source=source)


def describe(parts: Sequence[Path], *, name: str, source: ModelSource, cache: HeaderCache) -> ModelInfo | None:
    """Like `inspect`, for a listing: headers known to `cache` are not read again.

    A LoRA adapter is of that kind, what cannot be used has a `problem`; None for projectors and the like.
    """
    try:
        facts = _known(parts, cache)
        return _info(facts, parts, name=name, source=source) if facts.kind in {"model", "adapter"} else None
    except (ModelError, OSError) as error:
        known = [part for part in parts if _exists(part)]
        return ModelInfo(
            name=name,
            path=str(known[0] if known else parts[0]),
            parts=tuple(str(part) for part in parts),
            source=source,
            size_bytes=sum(_size(part) for part in known),
            modified_ns=0,
            problem=_problem(error),
        )


def survey(parts: Sequence[Path]) -> HeaderFacts:
    """What the headers of all parts say, in short.

    Raises:
        ModelError: a part is missing or damaged, or holds no weights.
    """
    missing = [part.name for part in parts if not _exists(part)] if len(parts) > 1 else []
    if missing:
        raise ModelError(
            "A part of the split model is missing",
            cause=f"{len(missing)} of {len(parts)} parts: {', '.join(missing[:3])}{'…' if len(missing) > 3 else ''}",
            remedy=f"Put all parts into {parts[0].parent}",
        )
    headers = [read_header(part) for part in parts]
    head = headers[0]
    kind = _kind(head)
    if kind == "model":
        _check_is_whole(headers)
    architecture = head.text("general.architecture")
    return HeaderFacts(
        kind=kind,
        title=_clean(head.text("general.name")),
        architecture=_clean(architecture),
        parameters=sum(tensor.elements for header in headers for tensor in header.tensors),
        quantisation=_quantisation(headers),
        trained_context=head.number(f"{architecture}.context_length"),
        weights_bytes=_weights(headers),
        cache_cost=cache_cost(architecture, head.values),
    )


def _known(parts: Sequence[Path], cache: HeaderCache) -> HeaderFacts:
    """From the cache, or read and kept. The stamp is taken first: a file that grows meanwhile is read again."""
    try:
        stamp = stamp_of(parts)
    except OSError:
        return survey(parts)
    facts = cache.get(parts[0], stamp)
    if facts is None:
        facts = survey(parts)
        cache.put(parts[0], stamp, facts)
    return facts


def _info(facts: HeaderFacts, parts: Sequence[Path], *, name: str, source: ModelSource) -> ModelInfo:
    stamp = stamp_of(parts)
    return ModelInfo(
        name=name,
        path=str(parts[0]),
        parts=tuple(str(part) for part in parts),
        source=source,
        kind="adapter" if facts.kind == "adapter" else "model",
        size_bytes=sum(size for size, _ in stamp),
        modified_ns=max(modified_ns for _, modified_ns in stamp),
        title=facts.title,
        architecture=facts.architecture,
        parameters=facts.parameters,
        quantisation=facts.quantisation,
        trained_context=facts.trained_context,
        weights_bytes=facts.weights_bytes,
        cache_cost=facts.cache_cost,
    )


class NotAModelError(ModelError):
    """A sound GGUF file that is something else: a projector, an adapter."""


def details(info: ModelInfo, ollama: OllamaExtras | None = None) -> ModelDetails:
    """Everything the headers of a model say, with what its manifest says.

    Raises:
        ModelError: the files cannot be read (any more), or are a server's.
    """
    if info.server is not None:
        raise ModelError(
            "A server does not show its model's file",
            cause=visible_line(info.path),
            remedy="`llmtui models` lists what the server tells; the file is shown where it lies",
        )
    headers = [read_header(part) for part in info.parts]
    head = headers[0]
    metadata: dict[str, str | int | float | bool] = {}
    for key, value in head.values.items():
        if key != TEMPLATE and not key.startswith(f"{TEMPLATE}."):
            shown = str(value) if isinstance(value, GgufArray) else _short(value) if isinstance(value, tuple) else value
            metadata[visible_line(key)] = shown
    return ModelDetails(
        info=info,
        gguf_version=head.version,
        alignment=head.alignment,
        tensors=sum(len(header.tensors) for header in headers),
        tensor_types=_shares(headers),
        metadata=metadata,
        special_tokens=_special_tokens(head),
        template=head.text(TEMPLATE),
        named_templates={
            visible_line(key.removeprefix(f"{TEMPLATE}.")): value
            for key, value in head.values.items()
            if key.startswith(f"{TEMPLATE}.") and isinstance(value, str)
        },
        licence=head.text("general.license"),
        ollama=ollama,
    )


def _kind(head: GgufHeader) -> str:
    kind = "mmproj" if head.text("general.architecture") == "clip" else head.text("general.type")
    return kind if kind in NOT_MODELS else "model"


def _check_is_whole(headers: Sequence[GgufHeader]) -> None:
    head = headers[0]
    if not any(header.tensors for header in headers):
        raise ModelError(
            "The model file holds no weights",
            cause=f"{head.path}: {'a vocabulary only' if 'tokenizer.ggml.model' in head.values else 'no tensors'}",
            remedy="Get the whole model",
        )
    if head.text("general.architecture") is None:
        raise ModelError(
            "The model file does not name its architecture",
            cause=f"{head.path}: general.architecture is missing",
            remedy="Get a file converted by a current llama.cpp",
        )


def _quantisation(headers: Sequence[GgufHeader]) -> str | None:
    """As the file says; when it does not, the tensor type that takes most bytes."""
    named = FILE_TYPES.get(headers[0].number("general.file_type") or 0)
    if named and "general.file_type" in headers[0].values:
        return named
    shares = _shares(headers)
    return shares[0].type if shares else None


def _weights(headers: Sequence[GgufHeader]) -> int | None:
    sizes = [tensor.size_bytes for header in headers for tensor in header.tensors]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _shares(headers: Sequence[GgufHeader]) -> tuple[TensorShare, ...]:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for header in headers:
        for tensor in header.tensors:
            counts[tensor.type_name] += 1
            sizes[tensor.type_name] += tensor.size_bytes or 0
    total = sum(sizes.values())
    return tuple(
        TensorShare(type=name, tensors=counts[name], size_bytes=size, share=size / total if total else 0.0)
        for name, size in sizes.most_common()
    )


def _special_tokens(head: GgufHeader) -> dict[str, str]:
    tokens = head.values.get("tokenizer.ggml.tokens")
    ids = {match[1]: head.number(key) for key in head.values if (match := _SPECIAL.fullmatch(key))}
    known = {role: index for role, index in ids.items() if index is not None}
    if isinstance(tokens, tuple):
        return {role: str(tokens[index]) for role, index in known.items() if 0 <= index < len(tokens)}
    if not isinstance(tokens, GgufArray) or tokens.item != "string":
        return {}
    texts = read_strings(head.path, tokens, list(known.values()))
    return {role: texts[index] for role, index in known.items() if index in texts}


def _short(items: tuple[object, ...]) -> str:
    """A short array; all the same, as per-layer values often are, is said once."""
    if len(items) > 8 and len(set(items)) == 1:
        return f"[{items[0]} × {len(items)}]"
    shown = ", ".join(str(item) for item in items[:32])
    return f"[{shown}, … {len(items)} in all]" if len(items) > 32 else f"[{shown}]"


def _problem(error: ModelError | OSError) -> str:
    if isinstance(error, OSError):
        return visible_line(error.strerror or str(error))
    path, colon, detail = error.cause.partition(": ")
    return visible_line(f"{error.title}: {detail if colon and '/' in path else error.cause}")


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises where a folder above is closed


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _clean(text: str | None) -> str | None:
    return visible_line(text)[:200] if text else None
