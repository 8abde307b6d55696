"""What an Ollama server says of a model, as the rest of the program knows models."""

import difflib
import hashlib
import time

import msgspec

from llmtui.domain.defaults import ModelDefaults
from llmtui.domain.models import LoadedModel, MemoryParts
from llmtui.domain.text import visible_line
from llmtui.engines.ollama.connection import Connection, missing_model
from llmtui.engines.ollama.wire import Details, ListedModel, ModelList, Resident, ResidentList, Shown, Version
from llmtui.errors import EngineError, LlmtuiError, ModelError

NS = 1_000_000_000


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the server.

    Attributes:
        shown: what the server says of it.
        resident: its place in the server's memory; None when it has none, or the server does not tell.
        load_s: that loading took; None when it was in memory already, or was not loaded.
    """

    model: str
    version: str
    shown: Shown
    resident: Resident | None = None
    load_s: float | None = None


async def listed_models(connection: Connection) -> list[ListedModel]:
    """Every model the server has.

    Raises:
        EngineError: it cannot be asked.
    """
    return [model for model in (await connection.get("/api/tags", ModelList)).models or [] if model.id]


async def find_model(connection: Connection, wanted: str | None) -> tuple[str, Shown]:
    """The model of this name, or the only one, and what the server says of it.

    Raises:
        ModelError: it has none of that name, or several and none was named.
        EngineError: it cannot be asked.
    """
    if wanted is None:
        models = await listed_models(connection)
        if len(models) != 1:
            names = ", ".join(visible_line(model.id) for model in models[:8])
            raise ModelError(
                f"{connection.name} has {'several models' if models else 'no model'}",
                cause=names,
                remedy="Name one, e.g. SERVER/MODEL." if models else "Fetch one: ollama pull NAME",
            )
        wanted = models[0].id
    try:
        return wanted, await connection.post("/api/show", {"model": wanted}, Shown, model=wanted)
    except ModelError as error:
        raise await _with_near_names(connection, wanted, error) from error


async def open_model(connection: Connection, model: str, shown: Shown, body: dict[str, object]) -> Opened:
    """Have the server load a model, and see what it granted.

    Args:
        connection: to the server.
        model: its name there.
        shown: what `find_model` brought.
        body: of a request without a prompt, which loads the model.

    Raises:
        LlmtuiError: it cannot be loaded.
    """
    before = await look(connection, model, shown)
    started = time.perf_counter_ns()
    await connection.post("/api/generate", body, dict[str, object], model=model, patient=True)
    spent_s = (time.perf_counter_ns() - started) / NS
    was, now = before.resident, await _resident(connection, model)
    stayed = was is not None and now is not None and was.context_length == now.context_length
    return msgspec.structs.replace(before, resident=now, load_s=None if stayed else spent_s)


async def look(connection: Connection, model: str, shown: Shown) -> Opened:
    """The model as it is now, in memory or not.

    Raises:
        EngineError: the server does not answer as Ollama does.
    """
    version = visible_line((await connection.get("/api/version", Version)).version)
    return Opened(model=model, version=version, shown=shown, resident=await _resident(connection, model))


async def residents(connection: Connection) -> list[Resident] | None:
    """The models in the server's memory; None where it does not tell."""
    try:
        return (await connection.get("/api/ps", ResidentList)).models or []
    except LlmtuiError:
        return None


async def _resident(connection: Connection, model: str) -> Resident | None:
    names = {model, f"{model}:latest"}
    return next((each for each in await residents(connection) or [] if {each.model, each.name} & names), None)


def described(
    opened: Opened, connection: Connection, name: str, context: int | None, defaults: ModelDefaults | None
) -> LoadedModel:
    """The model as granted.

    Args:
        opened: what the server says.
        connection: to the server.
        name: what the user calls the model.
        context: tokens that were asked for, here or by the model's own parameters; taken as granted where the server
            does not tell, up to what the model was trained on.
        defaults: what the model's own parameters say; its system message the server puts in by itself.
    """
    shown, there = opened.shown, opened.resident
    info, details = shown.model_info or {}, shown.details or Details()
    architecture = _text(info, "general.architecture")
    trained = _number(info, f"{architecture}.context_length")
    granted = there.context_length if there and there.context_length else None
    if granted is None and context is not None:
        granted = min(context, trained) if trained else context
    template = shown.template
    sizes = (details.family or architecture, details.parameter_size, details.quantization_level)
    return LoadedModel(
        name=name,
        description=visible_line(" ".join(part for part in sizes if part)) or visible_line(opened.model),
        engine="ollama",
        engine_build=f"Ollama {opened.version}".strip(),
        context_size=granted,
        trained_context=trained,
        architecture=architecture,
        quantisation=visible_line(details.quantization_level or "") or None,
        load_s=opened.load_s,
        memory=MemoryParts(whole_bytes=there.size if there else None, gpu_bytes=there.size_vram if there else None),
        template_source="server" if template else None,
        template_sha256=hashlib.sha256(template.encode("utf-8", "replace")).hexdigest() if template else None,
        path=f"{connection.url}#{opened.model}",
        served_by="Ollama",
        defaults=defaults,
    )


async def _with_near_names(connection: Connection, wanted: str, error: ModelError) -> ModelError:
    try:
        known = [visible_line(model.id) for model in await listed_models(connection)]
    except EngineError:
        return error
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    has = ", ".join(known[:8]) + (" …" if len(known) > 8 else "")
    cause = f"near matches: {', '.join(near)}" if near else f"it has {has or 'none'}"
    return missing_model(connection.name, wanted, cause)


def _text(info: dict[str, object], key: str) -> str | None:
    value = info.get(key)
    return visible_line(value)[:200] if isinstance(value, str) and value else None


def _number(info: dict[str, object], key: str) -> int | None:
    value = info.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
