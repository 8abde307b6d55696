"""The models of the configured servers: named without asking, listed by asking all at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Server, check_url
from llmtui.domain.text import visible_line
from llmtui.errors import LlmtuiError, UsageError

if TYPE_CHECKING:
    from llmtui.engines.openai.wire import ServedModel

LIST_S = 2.0
"""A server that has not answered in this time is listed as one that cannot be reached."""


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
    return _info(name, servers[name].url, model or None, spec)


def server_of(info: ModelInfo, servers: Mapping[str, Server]) -> Server:
    """Where a served model is found, with key and headers when the server is a configured one."""
    name = info.server or ""
    return servers.get(name) or Server(url=name)


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
    from llmtui.engines.openai.connection import Connection  # noqa: PLC0415 - only where servers are configured
    from llmtui.engines.openai.discovery import served_models  # noqa: PLC0415

    try:
        connection = await asyncio.to_thread(Connection, server, name)
        try:
            async with asyncio.timeout(LIST_S):
                models = await served_models(connection)
        finally:
            await connection.close()
    except TimeoutError:
        return [_problem(name, server, f"it did not answer within {LIST_S:.0f} s")]
    except LlmtuiError as error:
        return [_problem(name, server, ": ".join(part for part in (error.title, error.cause) if part))]
    wanted = [model for model in models if not server.models or _matches(model.id, server.models)]
    return [_listed(name, server, model) for model in wanted] or [_problem(name, server, "it offers no model")]


def _matches(model: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in patterns)


def _listed(name: str, server: Server, model: "ServedModel") -> ModelInfo:
    meta = model.meta
    return ModelInfo(
        name=visible_line(f"{name}/{model.id}"),
        path=f"{server.url}#{model.id}",
        parts=(),
        source="server",
        size_bytes=meta.size if meta else None,
        modified_ns=0,
        parameters=meta.n_params if meta else None,
        quantisation=visible_line(meta.ftype) if meta and meta.ftype else None,
        trained_context=(meta.n_ctx_train if meta else None) or model.max_model_len,
        server=name,
        served_id=model.id,
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
    row = _info(name, server.url, None, f"{name}/")
    return ModelInfo(
        name=row.name,
        path=row.path,
        parts=(),
        source="server",
        size_bytes=None,
        modified_ns=0,
        problem=visible_line(problem),
        server=name,
    )
