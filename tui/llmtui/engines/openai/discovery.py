"""What a server has, gathered from whichever of its routes tells it."""

import difflib
import hashlib
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from llmtui.domain.models import LoadedModel
from llmtui.domain.text import visible_line
from llmtui.engines.http.faults import NotFoundError, no_such_route
from llmtui.engines.openai.connection import Connection
from llmtui.engines.openai.facts import (
    LLAMA_SERVER,
    LM_STUDIO,
    OLLAMA,
    OWNERS,
    VLLM,
    ModelList,
    ModelMeta,
    OllamaProcesses,
    Props,
    ServedModel,
    StudioList,
    StudioModel,
    Version,
)
from llmtui.errors import EngineError, LlmtuiError, ModelError

AnswerT = TypeVar("AnswerT")
_VERSIONS = {VLLM: "/version", OLLAMA: "/api/version"}


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A model that a server offers, as far as its lists tell. Text is the server's, so not safe to show.

    Attributes:
        id: what the server calls it.
        kind: of server, as in `OWNERS`; None when it does not give itself away.
        loaded: in the server's memory; None where it does not say.
        context_size: tokens a conversation may hold; None also where that shows only once the model is loaded.
        trained_context: tokens the model could hold.
    """

    id: str
    aliases: tuple[str, ...] = ()
    kind: str | None = None
    loaded: bool | None = None
    architecture: str | None = None
    quantisation: str | None = None
    parameters: int | None = None
    size_bytes: int | None = None
    vocabulary_size: int | None = None
    context_size: int | None = None
    trained_context: int | None = None

    def is_called(self, name: str) -> bool:
        """Whether the server knows the model by this name."""
        return name == self.id or name in self.aliases


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """All that a server tells of one model.

    Attributes:
        served_by: kind of server, or its address.
        build: the server's version; empty where it does not say.
        template: text of the chat template.
        eos_text: the end token as it is written; empty where it does not say.
        slots: answers it writes at once.
    """

    offer: Offer
    served_by: str
    build: str = ""
    template: str | None = None
    eos_text: str = ""
    slots: int | None = None


async def offers(connection: Connection) -> list[Offer]:
    """Every language model the server names.

    Raises:
        EngineError: it cannot be asked.
    """
    rows = (await connection.get(f"{connection.api}/models", ModelList)).data or []
    found = [_offer(row) for row in rows]
    if any(offer.kind == LM_STUDIO for offer in found):
        known = await _perhaps(connection, f"{connection.root}/api/v0/models", StudioList)
        more = {row.id: row for row in known.data} if known else {}
        found = [_enriched(offer, more.get(offer.id)) for offer in found if not _embeds(more.get(offer.id))]
    return found


async def find_model(connection: Connection, wanted: str | None) -> Offer:
    """The model with this id, or the only one. A server that has no list of models is taken at the user's word.

    Raises:
        ModelError: it has none of that name, or several and none was named.
        EngineError: it cannot be asked.
    """
    try:
        found = await offers(connection)
    except EngineError as error:
        if wanted is not None and "HTTP 404" in error.cause:
            return Offer(id=wanted)
        raise
    if wanted is None and len(found) == 1:
        return found[0]
    chosen = next((offer for offer in found if wanted is not None and offer.is_called(wanted)), None)
    if chosen is None:
        raise _no_such_model(connection.name, wanted, [visible_line(offer.id) for offer in found])
    return chosen


async def describe(connection: Connection, offer: Offer, *, may_load: bool) -> Description:
    """Ask what this kind of server has to tell of a model.

    Args:
        connection: to the server.
        offer: the model.
        may_load: let a server that loads models when asked load this one, and wait for it; only then it tells all.
    """
    props = None
    if offer.kind in {LLAMA_SERVER, None}:
        query = f"model={quote(offer.id, safe='')}" + ("" if may_load else "&autoload=false")
        url = f"{connection.root}/props?{query}"
        props = await _perhaps(connection, url, Props, patient=may_load and offer.loaded is False)
    kind = offer.kind or (LLAMA_SERVER if props is not None and props.build_info else None)
    build = props.build_info if props else None
    if kind in _VERSIONS:
        version = await _perhaps(connection, connection.root + _VERSIONS[kind], Version)
        build = version.version if version else None
    if kind == OLLAMA:
        offer = await _loaded_by_ollama(connection, offer)
    if props is not None:
        offer = msgspec.structs.replace(
            offer,
            loaded=True if may_load else offer.loaded,
            quantisation=props.model_ftype or offer.quantisation,
            context_size=_positive(props.default_generation_settings.n_ctx) or offer.context_size,
        )
    return Description(
        offer=offer,
        served_by=kind or urlsplit(connection.api).netloc,
        build=build or "",
        template=(props.chat_template or None) if props else None,
        eos_text=(props.eos_token or "") if props else "",
        slots=_positive(props.total_slots) if props else None,
    )


def full_name(name: str, model: str) -> str:
    """What the user could have typed for a model, where `name` was the server only; safe to show."""
    return visible_line(f"{name.rstrip('/')}{'#' if '://' in name else '/'}{model}")


def loaded_model(connection: Connection, found: Description, name: str) -> LoadedModel:
    """The model as the rest of the program knows models."""
    offer, template = found.offer, found.template
    return LoadedModel(
        name=name,
        description=f"{visible_line(offer.id)} at {connection.name}",
        engine="openai",
        engine_build=visible_line(" ".join(part for part in (found.served_by, found.build) if part)),
        context_size=offer.context_size,
        trained_context=offer.trained_context,
        architecture=visible_line(offer.architecture or "") or None,
        quantisation=visible_line(offer.quantisation or "") or None,
        template_source="server" if template else None,
        template_sha256=hashlib.sha256(template.encode("utf-8", "replace")).hexdigest() if template else None,
        vocabulary_size=offer.vocabulary_size,
        path=f"{connection.api}#{offer.id}",
        slots=found.slots,
        served_by=found.served_by,
    )


async def explain_missing(
    connection: Connection, model: str, error: NotFoundError, route: str, *, raw: bool
) -> LlmtuiError:
    """What a 404 for a turn means, by whether the server still lists the model; `error` itself when it does not say.

    Args:
        connection: to the server.
        model: that was asked for.
        error: the 404.
        route: that was asked.
        raw: a text was to be continued.
    """
    try:
        found = await offers(connection)
    except LlmtuiError:
        return error
    if any(offer.is_called(model) for offer in found):
        return no_such_route(error, connection.name, route, raw=raw)
    return _no_such_model(connection.name, model, [visible_line(offer.id) for offer in found])


def _offer(row: ServedModel) -> Offer:
    meta, status = row.meta or ModelMeta(), row.status.value if row.status else None
    return Offer(
        id=row.id,
        aliases=tuple(row.aliases or ()),
        kind=OWNERS.get(row.owned_by or ""),
        loaded=status == "loaded" if status else None,
        quantisation=meta.ftype,
        parameters=_positive(meta.n_params),
        size_bytes=_positive(meta.size),
        vocabulary_size=_positive(meta.n_vocab),
        context_size=_positive(meta.n_ctx) or _positive(row.max_model_len),
        trained_context=_positive(meta.n_ctx_train),
    )


def _embeds(row: StudioModel | None) -> bool:
    return row is not None and row.type == "embeddings"


def _enriched(offer: Offer, row: StudioModel | None) -> Offer:
    if row is None:
        return offer
    return msgspec.structs.replace(
        offer,
        loaded=row.state == "loaded" if row.state else None,
        architecture=row.arch,
        quantisation=row.quantization,
        context_size=_positive(row.loaded_context_length),
        trained_context=_positive(row.max_context_length),
    )


async def _loaded_by_ollama(connection: Connection, offer: Offer) -> Offer:
    """With the context size that Ollama gave the model, which it tells while the model is loaded."""
    running = await _perhaps(connection, f"{connection.root}/api/ps", OllamaProcesses)
    if running is None:
        return offer
    mine = next((row for row in running.models if row.model in {offer.id, f"{offer.id}:latest"}), None)
    size = _positive(mine.context_length) if mine else None
    return msgspec.structs.replace(offer, loaded=mine is not None, context_size=size)


async def _perhaps(connection: Connection, url: str, answer: type[AnswerT], *, patient: bool = False) -> AnswerT | None:
    """The answer to what not every server of a kind can be asked; None where it cannot."""
    try:
        return await connection.get(url, answer, patient=patient)
    except LlmtuiError:
        return None


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _no_such_model(where: str, wanted: str | None, known: list[str]) -> ModelError:
    listed = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
    if wanted is None:
        return ModelError(
            f"{where} serves {'several models' if known else 'no model'}",
            cause=listed,
            remedy="Name one: SERVER/MODEL, or a URL with #MODEL." if known else "Load a model there.",
        )
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    return ModelError(
        f"{where} has no model {visible_line(wanted)!r}",
        cause=f"near matches: {', '.join(near)}" if near else f"it has {listed or 'none'}",
        remedy="Choose one from `llmtui models`.",
    )
