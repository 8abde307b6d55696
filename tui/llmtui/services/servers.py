"""The models of the configured servers: named without asking, listed by asking all at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Server, check_url
from llmtui.domain.text import visible_line
from llmtui.engines.ollama.address import host_url, tagged
from llmtui.errors import LlmtuiError, UsageError
from llmtui.services.ollama_servers import ImpliedServer, listens, ollama_details, ollama_models

if TYPE_CHECKING:
    from llmtui.engines.openai.discovery import Offer

LIST_S = 2.0
"""A server that has not answered in this time is listed as one that cannot be reached."""


class ServedDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What a server tells of a model; None where it does not.

    Attributes:
        url: of the API.
        served_by: kind of server, e.g. `vLLM`, or its address.
        build: the server's version.
        context_size: tokens a conversation may hold; some servers know it once the model is loaded.
        slots: answers the server writes at once.
        template: text of the chat template, not safe to show.
        replicas: where several servers share the work, a line on each, safe to show.
    """

    info: ModelInfo
    url: str
    served_by: str
    build: str | None = None
    context_size: int | None = None
    vocabulary_size: int | None = None
    slots: int | None = None
    template: str | None = None
    replicas: tuple[str, ...] = ()


def served_model(spec: str, servers: Mapping[str, Server]) -> ModelInfo | None:
    """The model that `SERVER/ID`, `SERVER`, or `http://host:port/v1#ID` names; None when it names no server.

    Raises:
        UsageError: it is a URL that cannot be one of a server.
    """
    if spec.startswith(("http://", "https://")):
        url, _, model = spec.partition("#")
        try:
            check_url(url)
        except ValueError as error:
            raise UsageError(
                "This URL is not that of a server", cause=str(error), remedy="Write it as http://host:port/v1#MODEL"
            ) from error
        return _info(url, url, model or None, spec)
    name, _, model = spec.partition("/")
    if name not in servers:
        return None
    if servers[name].kind == "ollama":
        return _info(name, host_url(servers[name].url), tagged(model) or None, spec)
    return _info(name, servers[name].addresses[0], model or None, spec)


def server_of(info: ModelInfo, servers: Mapping[str, Server]) -> Server:
    """Where a served model is found, with key and headers when the server is a configured one."""
    name = info.server or ""
    return servers.get(name) or Server(url=name)


def server_name(info: ModelInfo, servers: Mapping[str, Server]) -> str:
    """What the user knows a served model's server by: its name in the configuration, else host and port."""
    name = info.server or ""
    return name if name in servers else urlsplit(name).netloc


def replica_name(name: str, host: str) -> str:
    """What one of several servers of that name is called in messages."""
    return f"{name} ({host})"


async def list_served(servers: Mapping[str, Server]) -> AsyncIterator[list[ModelInfo]]:
    """The models of every server, one list a server, in the order in which they answer.

    A server that does not answer is one row that carries its `problem`. All are asked at once; nothing takes longer
    than `LIST_S` for all of them together.
    """
    asking = [asyncio.create_task(_list_one(name, server)) for name, server in servers.items()]
    try:
        for answer in asyncio.as_completed(asking):
            yield await answer
    finally:
        for task in asking:
            task.cancel()


async def list_all_served(servers: Mapping[str, Server]) -> list[ModelInfo]:
    """Like `list_served`, all at once, in the order of the configuration."""
    found = {infos[0].server: infos async for infos in list_served(servers) if infos}
    return [info for name in servers for info in found.get(name, [])]


async def _list_one(name: str, server: Server) -> list[ModelInfo]:
    if server.urls:
        return await _list_replicas(name, server)
    implied = isinstance(server, ImpliedServer)
    if implied and not await asyncio.to_thread(listens, server.url):
        return []
    try:
        rows = await (ollama_models(name, server, LIST_S) if server.kind == "ollama" else _openai_models(name, server))
    except TimeoutError:
        return [] if implied else [_problem(name, server, f"it did not answer within {LIST_S:.0f} s")]
    except LlmtuiError as error:
        why = ": ".join(part for part in (error.title, error.cause) if part)
        return [] if implied else [_problem(name, server, why)]
    wanted = _wanted(rows, server)
    return wanted or ([] if implied else [_problem(name, server, "it offers no model")])


async def _list_replicas(name: str, server: Server) -> list[ModelInfo]:
    """What several servers have, each model once, and a row for those that do not answer."""
    hosts = server.hosts
    pairs = zip(hosts, server.replicas, strict=True)
    asking = (_openai_models(name, one, replica_name(name, host)) for host, one in pairs)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    found: dict[str, ModelInfo] = {}
    problems: list[str] = []
    for host, answer in zip(hosts, answers, strict=True):
        if isinstance(answer, TimeoutError):
            problems.append(f"{host} did not answer within {LIST_S:.0f} s")
        elif isinstance(answer, LlmtuiError):
            problems.append(": ".join(part for part in (answer.title, answer.cause) if part))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            for row in answer:
                found.setdefault(row.served_id or "", row)
    wanted = _wanted(list(found.values()), server)
    if not wanted and not problems:
        problems.append("it offers no model")
    return [*wanted, *([_problem(name, server, "; ".join(problems))] if problems else [])]


def _wanted(rows: list[ModelInfo], server: Server) -> list[ModelInfo]:
    return [row for row in rows if not server.models or _matches(row.served_id or "", server.models)]


async def _openai_models(name: str, server: Server, called: str | None = None) -> list[ModelInfo]:
    from llmtui.engines.openai.connection import Connection  # noqa: PLC0415 - only where servers are configured
    from llmtui.engines.openai.discovery import offers  # noqa: PLC0415

    connection = await asyncio.to_thread(Connection, server, called or name)
    try:
        async with asyncio.timeout(LIST_S):
            models = await offers(connection)
    finally:
        await connection.close()
    return [_listed(name, server, model) for model in models]


async def served_details(info: ModelInfo, servers: Mapping[str, Server]) -> ServedDetails:
    """What a model's server tells of it; a server that would have to load it for that tells less.

    Raises:
        ModelError: it has no such model.
        EngineError: it cannot be asked.
    """
    server = server_of(info, servers)
    if server.kind == "ollama":
        row, granted, shown = await ollama_details(info, server, server_name(info, servers))
        return ServedDetails(
            info=row,
            url=(granted.path or "").partition("#")[0],
            served_by="Ollama",
            build=granted.engine_build.removeprefix("Ollama").strip() or None,
            context_size=granted.context_size,
            template=shown.template,
        )
    called = server_name(info, servers)
    if not server.urls:
        return await _openai_details(info, server, called)
    asking = (
        _openai_details(info, one, replica_name(called, host))
        for host, one in zip(server.hosts, server.replicas, strict=True)
    )
    answers = await asyncio.gather(*asking, return_exceptions=True)
    return _joined(server.hosts, answers)


def _joined(hosts: Sequence[str], answers: "Sequence[ServedDetails | BaseException]") -> ServedDetails:
    """What the first of several servers tells, and in a line each what all do.

    Raises:
        ModelError, EngineError: none can be asked, or none has the model.
    """
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, LlmtuiError):
            raise answer
    known = [answer for answer in answers if isinstance(answer, ServedDetails)]
    if not known:
        raise next(answer for answer in answers if isinstance(answer, LlmtuiError))
    lines = tuple(_in_a_line(host, answer) for host, answer in zip(hosts, answers, strict=True))
    sizes = [one.context_size for one in known if one.context_size]
    slots = [one.slots for one in known if one.slots]
    return msgspec.structs.replace(
        known[0],
        context_size=min(sizes, default=None),
        slots=sum(slots) if len(slots) == len(known) else None,
        replicas=lines,
    )


def _in_a_line(host: str, answer: ServedDetails | BaseException) -> str:
    if isinstance(answer, LlmtuiError):
        return visible_line(": ".join(part for part in (answer.title, answer.cause) if part))
    if not isinstance(answer, ServedDetails):
        return ""
    parts = (
        " ".join(part for part in (answer.served_by, answer.build) if part),
        answer.info.quantisation,
        f"context {answer.context_size:,}" if answer.context_size else None,
        f"{answer.slots} at once" if answer.slots else None,
    )
    return f"{host}: {', '.join(part for part in parts if part)}"


async def _openai_details(info: ModelInfo, server: Server, called: str) -> ServedDetails:
    from llmtui.engines.openai.connection import Connection  # noqa: PLC0415 - only for a server's model
    from llmtui.engines.openai.discovery import describe, find_model, full_name  # noqa: PLC0415

    connection = await asyncio.to_thread(Connection, server, called)
    try:
        found = await describe(connection, await find_model(connection, info.served_id), may_load=False)
    finally:
        await connection.close()
    name = info.name if info.served_id else full_name(info.name, found.offer.id)
    known = _known(_info(info.server or "", server.url, found.offer.id, name), found.offer)
    return ServedDetails(
        info=msgspec.structs.replace(known, trained_context=found.offer.trained_context),
        url=connection.api,
        served_by=visible_line(found.served_by),
        build=visible_line(found.build) or None,
        context_size=found.offer.context_size,
        vocabulary_size=found.offer.vocabulary_size,
        slots=found.slots,
        template=found.template,
    )


def _matches(model: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in patterns)


def _listed(name: str, server: Server, offer: "Offer") -> ModelInfo:
    return _known(_info(name, server.url, offer.id, f"{name}/{offer.id}"), offer)


def _known(info: ModelInfo, offer: "Offer") -> ModelInfo:
    """With what the server says of the model."""
    return msgspec.structs.replace(
        info,
        size_bytes=offer.size_bytes,
        architecture=visible_line(offer.architecture) if offer.architecture else None,
        parameters=offer.parameters,
        quantisation=visible_line(offer.quantisation) if offer.quantisation else None,
        trained_context=offer.trained_context or offer.context_size,
        loaded=offer.loaded,
        served_id=offer.id,
    )


def _info(server: str, url: str, model: str | None, name: str) -> ModelInfo:
    return ModelInfo(
        name=visible_line(name),
        path=f"{url}#{model}" if model else url,
        parts=(),
        source="server",
        size_bytes=None,
        modified_ns=0,
        server=server,
        served_id=model,
    )


def _problem(name: str, server: Server, problem: str) -> ModelInfo:
    return msgspec.structs.replace(_info(name, server.addresses[0], None, f"{name}/"), problem=visible_line(problem))
