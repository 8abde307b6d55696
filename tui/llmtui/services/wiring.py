"""The one place where the parts are put together."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.domain.profile import Profile
from llmtui.domain.quantities import count
from llmtui.domain.settings import Runtime, Server
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import Engine
from llmtui.services.host import ModelHost
from llmtui.services.models import Catalogue
from llmtui.services.profiles import runtime_layers, runtime_of, template_of
from llmtui.services.servers import replica_name, server_name, server_of
from llmtui.store.config import Config
from llmtui.store.paths import Folders


@dataclasses.dataclass(frozen=True, slots=True)
class Services:
    """What the front ends work with.

    Attributes:
        host: the model that answers; closing it is the front end's last act.
        own: names of the sampling settings that the configuration sets, and `system` when it does.
        profile: in use when the program starts.
        template: that it names.
        runtime_flags: fields of `Runtime` from the command line.
    """

    config: Config
    folders: Folders
    catalogue: Catalogue
    host: ModelHost
    own: frozenset[str] = frozenset()
    profile: Profile = dataclasses.field(default_factory=Profile)
    template: NamedTemplate | None = None
    runtime_flags: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def build(
    config: Config,
    folders: Folders,
    own: frozenset[str] = frozenset(),
    *,
    profile: Profile | None = None,
    runtime_flags: Mapping[str, Any] | None = None,
) -> Services:
    """The parts for a configuration; nothing is created on disk and no model is loaded."""
    catalogue = Catalogue(folders, config)
    profile = profile or Profile()
    runtime = runtime_of(runtime_layers(config, profile, runtime_flags or {}))
    open_ = partial(open_engine, catalogue.servers, ollama_template=catalogue.ollama_template)
    return Services(
        config=config,
        folders=folders,
        catalogue=catalogue,
        host=ModelHost(open_, runtime, limits=config.pool),
        own=own,
        profile=profile,
        template=template_of(folders, profile),
        runtime_flags=runtime_flags or {},
    )


def open_engine(
    servers: Mapping[str, Server],
    info: ModelInfo,
    runtime: Runtime,
    *,
    ollama_template: Callable[[ModelInfo], str | None] | None = None,
) -> Engine:
    """The engine that fits a model; not loaded yet.

    Args:
        servers: by name.
        info: the model.
        runtime: how to load it.
        ollama_template: looks up Ollama's template for one of its files.
    """
    if info.server is None:
        if runtime.context is None and info.defaults is not None:
            runtime = msgspec.structs.replace(runtime, context=info.defaults.context)
        ollamas = partial(ollama_template, info) if ollama_template and info.source == "ollama" else None
        return open_llama(info, runtime, ollamas)
    if runtime.adapters:
        from llmtui.services.adapters import served  # noqa: PLC0415 - the error only

        raise served(info)
    server, named = server_of(info, servers), server_name(info, servers)
    if server.kind == "ollama":
        from llmtui.engines.ollama.client import OllamaEngine  # noqa: PLC0415 - only for a model of Ollama's

        return OllamaEngine(info.name, server, named, info.served_id, context=runtime.context)
    from llmtui.engines.openai.client import OpenAIEngine  # noqa: PLC0415 - only for a server's model

    if server.urls:
        return open_replicas(info, server, named)
    return OpenAIEngine(info.name, server, named, info.served_id)


def open_replicas(info: ModelInfo, server: Server, named: str) -> Engine:
    """One engine for a model of several servers that share the work; not loaded yet."""
    from llmtui.engines.openai.client import OpenAIEngine  # noqa: PLC0415 - only for a server's model
    from llmtui.engines.openai.discovery import full_name  # noqa: PLC0415 - as above
    from llmtui.engines.replicas.choice import Replica  # noqa: PLC0415 - only for several servers
    from llmtui.engines.replicas.engine import ReplicatedEngine  # noqa: PLC0415 - as above

    def open_(one: Server, called: str, model: str | None) -> Engine:
        name = info.name if info.served_id or model is None else full_name(info.name, model)
        return OpenAIEngine(name, one, called, model)

    replicas = [
        Replica(host, partial(open_, one, replica_name(named, host)))
        for host, one in zip(server.hosts, server.replicas, strict=True)
    ]
    return ReplicatedEngine(named, replicas, info.served_id)


def open_llama(info: ModelInfo, runtime: Runtime, foreign_template: Callable[[], str | None] | None = None) -> Engine:
    """An engine for a file, in a process of its own; not loaded yet."""
    from llmtui.engines.llama.client import LlamaEngine  # noqa: PLC0415 - only when a model is loaded
    from llmtui.services.adapters import check_adapters  # noqa: PLC0415 - as above

    parameters = None if info.parameters is None else count(info.parameters)
    known = (info.architecture, parameters, info.quantisation)
    description = " ".join(part for part in known if part)
    return LlamaEngine(
        info.name,
        info.path,
        runtime,
        description=description,
        foreign_template=foreign_template,
        check=partial(check_adapters, info, runtime.adapters) if runtime.adapters else None,
    )
