"""Ollama's servers: the user's own, which nobody need configure, and what each offers."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec

from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.operations import Progress
from llmtui.domain.settings import Server
from llmtui.domain.text import visible_line
from llmtui.engines.ollama.address import host_url
from llmtui.errors import EngineError, UsageError

if TYPE_CHECKING:
    from llmtui.engines.ollama.wire import ListedModel, Shown

OLLAMA_SERVER = "ollama-server"
"""What the models of this machine's own Ollama are called by, before the `/`."""
ASK_S = 10.0
"""For a server's list where the user waits for it."""
_PARAMETERS = re.compile(r"(\d+(?:\.\d+)?)([KMBT])")
_THOUSANDS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class ImpliedServer(Server, frozen=True):
    """A server that nobody configured: when it does not run, nothing is said of it."""


def known_servers(configured: Mapping[str, Server], host: str | None, *, ollama: bool = True) -> dict[str, Server]:
    """The configured servers, and this machine's or user's own Ollama, unless it is among them.

    Args:
        configured: name to server.
        host: the value of `OLLAMA_HOST`; one that is no address leaves that server out.
        ollama: whether the user wants Ollama's models.
    """
    servers = dict(configured)
    if not ollama or OLLAMA_SERVER in servers:
        return servers
    try:
        url = host_url(host)
        own = {host_url(server.url) for server in servers.values() if server.kind == "ollama"}
    except ValueError:
        return servers
    return servers if url in own else servers | {OLLAMA_SERVER: ImpliedServer(url=url, kind="ollama")}


def unite(files: Sequence[ModelInfo], served: Sequence[ModelInfo]) -> tuple[list[ModelInfo], list[ModelInfo]]:
    """Rows of files, which say who serves them too, and those served models that are in no file found here.

    Ollama names a model by the digest of its manifest; a manifest of the same digest on disk is the same model.
    """
    here = {digest: index for index, info in enumerate(files) for digest in info.digests}
    rows, more = list(files), []
    for info in served:
        at = next((here[digest] for digest in info.digests if digest in here), None)
        if at is None:
            more.append(info)
        else:
            rows[at] = msgspec.structs.replace(rows[at], also_served=info.server)
    return rows, more


def listens(url: str) -> bool:
    """Whether anything is there, asked without loading what speaks HTTP; call it from a thread."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=0.5).close()
    except OSError:
        return False
    return True


async def ollama_models(name: str, server: Server, wait_s: float) -> list[ModelInfo]:
    """Every model of a server, as rows; whether each is in its memory, where the server tells.

    Args:
        name: of the server.
        server: where it is.
        wait_s: for its answers; what must be loaded first to ask at all does not count.

    Raises:
        EngineError: it cannot be asked.
        TimeoutError: it takes too long.
    """
    from llmtui.engines.ollama.connection import Connection  # noqa: PLC0415 - only where such a server is
    from llmtui.engines.ollama.describe import listed_models, residents  # noqa: PLC0415

    connection = await asyncio.to_thread(Connection, server, name)
    try:
        async with asyncio.timeout(wait_s):
            models, there = await asyncio.gather(listed_models(connection), residents(connection))
    finally:
        await connection.close()
    loaded = None if there is None else {each.model or each.name for each in there}
    return [_row(name, server, model, loaded) for model in models]


async def ollama_details(info: ModelInfo, server: Server, name: str) -> tuple[ModelInfo, LoadedModel, "Shown"]:
    """What a server says of one of its models, without loading it: its row, what it would grant, and its own words.

    Raises:
        ModelError: it has no such model.
        EngineError: it cannot be asked.
    """
    from llmtui.engines.ollama.connection import Connection  # noqa: PLC0415 - only for a model of Ollama's
    from llmtui.engines.ollama.describe import described, find_model, listed_models, look  # noqa: PLC0415

    connection = await asyncio.to_thread(Connection, server, name)
    try:
        model, shown = await find_model(connection, info.served_id)
        opened = await look(connection, model, shown)
        rows = [each for each in await listed_models(connection) if each.id in {model, f"{model}:latest"}]
    finally:
        await connection.close()
    loaded: set[str | None] = {rows[0].id} if rows and opened.resident is not None else set()
    row = _row(info.server or name, server, rows[0], loaded) if rows else info
    granted = described(opened, connection, info.name, None, None)
    return msgspec.structs.replace(row, name=info.name, trained_context=granted.trained_context), granted, shown


def _row(name: str, server: Server, model: "ListedModel", loaded: set[str | None] | None) -> ModelInfo:
    details = model.details
    return ModelInfo(
        name=visible_line(f"{name}/{model.id}"),
        path=f"{host_url(server.url)}#{model.id}",
        parts=(),
        source="server",
        size_bytes=model.size,
        modified_ns=0,
        architecture=visible_line(details.family) if details and details.family else None,
        quantisation=visible_line(details.quantization_level) if details and details.quantization_level else None,
        parameters=parameters_in(details.parameter_size if details else None),
        server=name,
        served_id=model.id,
        loaded=None if loaded is None else model.id in loaded,
        digests=(model.digest,) if model.digest else (),
    )


def parameters_in(text: str | None) -> int | None:
    """The number that Ollama writes as `8.0B` or `494.03M`; None when it is none."""
    found = _PARAMETERS.fullmatch(text or "")
    return round(float(found[1]) * _THOUSANDS[found[2]]) if found else None


class Target(NamedTuple):
    """A model on one of Ollama's servers.

    Attributes:
        name: of the server.
        model: what the server calls it.
    """

    name: str
    server: Server
    model: str


def ollama_target(spec: str, servers: Mapping[str, Server]) -> Target | None:
    """The server and the model that `ollama/NAME`, `ollama-server/NAME` or `SERVER/NAME` names; None for all else.

    Raises:
        UsageError: it names Ollama, which the configuration leaves out, or no model.
    """
    first, mark, model = spec.partition("/")
    name = OLLAMA_SERVER if first == "ollama" and mark and first not in servers else first
    server = servers.get(name)
    if name == OLLAMA_SERVER and mark and server is None:
        raise UsageError(
            "Ollama is left out",
            cause="`discover` in config.toml does not name it, or OLLAMA_HOST is no address",
            remedy='Add `ollama` to `discover`, or configure a server with kind = "ollama".',
        )
    if server is None or server.kind != "ollama":
        return None
    if not model:
        raise UsageError("No model is named", remedy=f"Write it as {name}/NAME:TAG")
    return Target(name, server, model)


def pull_through(target: Target) -> AsyncGenerator[Progress]:
    """Have the server fetch the model; closing it stops the download, which goes on from there the next time.

    Raises:
        LlmtuiError: the server cannot be reached, knows no such model, or failed.
    """
    from llmtui.engines.ollama.pulling import pull  # noqa: PLC0415 - only for a pull

    return pull(target.server, target.name, target.model)


async def delete_through(target: Target) -> None:
    """Have the server remove the model; layers that other models share stay.

    Raises:
        LlmtuiError: the server cannot be reached, or has no such model.
    """
    from llmtui.engines.ollama.pulling import delete  # noqa: PLC0415 - only for a removal

    await delete(target.server, target.name, target.model)


async def on_server(target: Target) -> ModelInfo | None:
    """The model as the server lists it; None when it has none of that name.

    Raises:
        EngineError: the server cannot be asked.
    """
    wanted = {target.model, f"{target.model}:latest"}
    try:
        rows = await ollama_models(target.name, target.server, ASK_S)
    except TimeoutError as error:
        raise EngineError(
            f"{visible_line(target.name)} has fallen silent",
            cause=f"it did not answer within {ASK_S:.0f} s",
            remedy="See what the server is doing, then try again.",
        ) from error
    return next((row for row in rows if row.served_id in wanted), None)


async def kept_by(spec: str, servers: Mapping[str, Server]) -> tuple[Target, ModelInfo] | None:
    """The running Ollama server that keeps a model, and the model as it lists it; None when none does.

    Raises:
        UsageError: as `ollama_target`.
        EngineError: the server cannot be asked.
    """
    target = ollama_target(spec, servers)
    if target is None or not await asyncio.to_thread(listens, target.server.url):
        return None
    info = await on_server(target)
    return None if info is None else (target._replace(model=info.served_id or target.model), info)
