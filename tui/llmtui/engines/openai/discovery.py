"""What a server says of itself and of its models."""

import difflib
import hashlib
from urllib.parse import quote, urlsplit

from llmtui.domain.models import LoadedModel, MemoryParts
from llmtui.domain.text import visible_line
from llmtui.engines.http.faults import NotFoundError, no_such_route
from llmtui.engines.openai.connection import Connection
from llmtui.engines.openai.wire import LLAMA_SERVER, OWNERS, ModelList, ModelMeta, Props, ServedModel
from llmtui.errors import EngineError, LlmtuiError, ModelError


async def served_models(connection: Connection) -> list[ServedModel]:
    """Every model the server names.

    Raises:
        EngineError: it cannot be asked.
    """
    return (await connection.get(f"{connection.api}/models", ModelList)).data


async def find_model(connection: Connection, wanted: str | None) -> ServedModel:
    """The model with this id, or the only one. A server that has no list of models is taken at the user's word.

    Raises:
        ModelError: it has none of that name, or several and none was named.
        EngineError: it cannot be asked.
    """
    try:
        models = await served_models(connection)
    except EngineError as error:
        if wanted is not None and "HTTP 404" in error.cause:
            return ServedModel(id=wanted)
        raise
    if wanted is None and len(models) == 1:
        return models[0]
    found = next(
        (model for model in models if wanted is not None and wanted in {model.id, *(model.aliases or ())}), None
    )
    if found is None:
        raise _no_such_model(connection.name, wanted, [visible_line(model.id) for model in models])
    return found


async def describe(connection: Connection, model: ServedModel, name: str) -> LoadedModel:
    """The model as the rest of the program knows models.

    Raises:
        EngineError: the server is gone.
    """
    kind = OWNERS.get(model.owned_by or "")
    props = await _props(connection, model) if kind in {LLAMA_SERVER, None} else None
    if kind is None and props is not None and props.build_info:
        kind = LLAMA_SERVER
    props, meta = props or Props(), model.meta or ModelMeta()
    template = props.chat_template
    served_by = kind or urlsplit(connection.api).netloc
    return LoadedModel(
        name=name,
        description=f"{visible_line(model.id)} at {connection.name}",
        engine="openai",
        engine_build=visible_line(" ".join(part for part in (served_by, props.build_info) if part)),
        context_size=props.default_generation_settings.n_ctx or meta.n_ctx or model.max_model_len or None,
        trained_context=meta.n_ctx_train,
        quantisation=visible_line(props.model_ftype or meta.ftype or "") or None,
        memory=MemoryParts(),
        template_source="server" if template else None,
        template_sha256=hashlib.sha256(template.encode("utf-8", "replace")).hexdigest() if template else None,
        vocabulary_size=meta.n_vocab,
        path=f"{connection.api}#{model.id}",
        served_by=served_by,
    )


async def _props(connection: Connection, model: ServedModel) -> Props | None:
    """llama-server's properties; None from a server that has none."""
    try:
        return await connection.get(f"{connection.root}/props?model={quote(model.id, safe='')}", Props)
    except LlmtuiError:
        return None


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
        models = await served_models(connection)
    except LlmtuiError:
        return error
    if any(model in {known.id, *(known.aliases or ())} for known in models):
        return no_such_route(error, connection.name, route, raw=raw)
    return _no_such_model(connection.name, model, [visible_line(known.id) for known in models])


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
