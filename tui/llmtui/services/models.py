"""The models this machine has: found, listed and resolved from what a user types."""

import difflib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import msgspec

import llmtui
from llmtui.domain.models import ModelInfo, OllamaExtras
from llmtui.domain.text import visible_line
from llmtui.errors import ModelError, UsageError
from llmtui.services.discovery import OLLAMA, Candidate, candidates
from llmtui.services.model_files import ModelDetails, describe, details, inspect, model_name, sibling_parts
from llmtui.services.ollama_servers import OLLAMA_SERVER, known_servers, listens
from llmtui.services.servers import served_model
from llmtui.store.config import Config
from llmtui.store.gguf import folder_error
from llmtui.store.header_cache import HeaderCache
from llmtui.store.ollama import read_defaults, read_extras, read_store
from llmtui.store.paths import Folders
from llmtui.store.places import Place, places

DEMO = "demo"
DEMO_FILE = Path(llmtui.__file__).parent / "data" / "demo.gguf"


class Catalogue:
    """Finds models. It reads headers from disk: call it from a thread, not from an event loop.

    Args:
        folders: of the user; its `models` folder is searched, its cache keeps what headers say.
        config: names further folders, other programs whose models are found, and the default model.
        demo_file: the model that comes with the program.
        environ: where other programs are told to keep their files; `os.environ` when none is given.

    Attributes:
        servers: whose models can be named: the configured ones, and the user's own Ollama.
    """

    def __init__(
        self,
        folders: Folders,
        config: Config,
        *,
        demo_file: Path = DEMO_FILE,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._folders = folders
        self._config = config
        self._demo_file = demo_file
        self._environ = os.environ if environ is None else environ
        self.servers = known_servers(
            config.servers, self._environ.get("OLLAMA_HOST"), ollama="ollama" in config.discover
        )
        self._cache = HeaderCache(folders.cache_dir / "headers.msgpack")

    @property
    def places(self) -> tuple[Place, ...]:
        """Where models are looked for, whether or not the folders exist."""
        return places(self._folders, self._config, self._environ)

    def searches(self, path: Path) -> bool:
        """Whether a model file that lies there is found by its name."""
        folder = path.parent.resolve()
        return any(folder.is_relative_to(place.path.resolve()) for place in self.places if place.source != "ollama")

    @property
    def default(self) -> str:
        """What is opened when nothing is named: the configured model, else `demo`."""
        return self._config.default_model or DEMO

    def scan(self) -> Iterator[ModelInfo]:
        """Every model and LoRA adapter, each as soon as its header is read: `demo` first, then by name.

        Those that cannot be used carry a `problem`.
        """
        try:
            for found in (self._demo, *candidates(self.places, taken=DEMO)):
                info = self._described(found)
                if info is not None:
                    yield info
        finally:
            self._cache.save()

    def list(self) -> "list[ModelInfo]":
        """Every model found, without adapters, in the order of `scan`."""
        return [info for info in self.scan() if info.kind == "model"]

    def resolve(self, spec: str | None = None) -> ModelInfo:
        """The model meant by `demo`, a path, a name or the beginning of one, `ollama/NAME:TAG`, `SERVER/ID`, or a URL.

        Args:
            spec: None takes the configured default, or `demo`.

        Raises:
            UsageError: nothing, or more than one model, has that name; the near matches are listed.
            ModelError: the file is missing, damaged, or no model.

        A server's model is taken at its word: whether the server is there shows when it is loaded.
        """
        spec = self.default if spec is None else spec
        if not spec.strip():
            raise UsageError("No model is named", cause="its name is empty", remedy="Choose one from `llmtui models`")
        if spec == DEMO:
            return self._resolve_demo()
        path = _expanded(spec)
        of_ollama = spec.startswith(OLLAMA)
        looks_like_path = not of_ollama and (os.sep in spec or spec.lower().endswith(".gguf"))
        if _is_file(path) or (looks_like_path and _is_dir(path)):
            return _resolve_path(path)
        served = served_model(spec, self.servers)
        if served is not None:
            return served
        found = candidates(self.places, taken=DEMO)
        chosen = _named(spec, found, self._is_model)
        if of_ollama and (chosen is None or chosen.problem is not None) and (own := self._of_server(spec)):
            return own
        if chosen is not None:
            return _resolve_candidate(chosen, spec)
        if _is_dir(path) or (looks_like_path and not _may_name_server(spec, path, self.servers)):
            return _resolve_path(path)
        names = [DEMO, *(name for candidate in found for name in candidate.names), *self.servers]
        names += _on_servers(spec, self.servers)
        raise _unknown(spec, names, [place for place in self.places if (place.source == "ollama") == of_ollama])

    def details(self, info: ModelInfo) -> ModelDetails:
        """Everything the model's headers say, and what Ollama's manifest adds.

        Raises:
            ModelError: the files cannot be read.
        """
        from llmtui.services.template_views import template_of  # noqa: PLC0415 - not for a listing

        found = details(info, self._extras(info))
        return msgspec.structs.replace(found, template_used=template_of(found).source)

    def ollama_template(self, info: ModelInfo) -> str | None:
        """Ollama's own template for one of its files, in Go's template language; None where it has none."""
        extras = self._extras(info)
        return extras.template if extras else None

    def _extras(self, info: ModelInfo) -> OllamaExtras | None:
        stores = [place.path for place in self.places if place.source == "ollama" and info.source == "ollama"]
        known = (model for store in stores for model in read_store(store))
        named = next((model for model in known if OLLAMA + model.name == info.name), None)
        return read_extras(named.manifest) if named else None

    def _of_server(self, spec: str) -> ModelInfo | None:
        """What is not on disk is left to the user's own Ollama, when there is one that runs."""
        server = self.servers.get(OLLAMA_SERVER)
        if server is None or not listens(server.url):
            return None
        name = spec.removeprefix(OLLAMA)
        found = served_model(f"{OLLAMA_SERVER}/{name}", self.servers) if name else None
        return None if found is None else msgspec.structs.replace(found, name=visible_line(spec))

    @property
    def _demo(self) -> Candidate:
        return Candidate(DEMO, (self._demo_file,), "demo")

    def _resolve_demo(self) -> ModelInfo:
        if not _is_file(self._demo_file):
            raise ModelError(
                "The demo model is missing from this installation",
                cause=str(self._demo_file),
                remedy="Install llmtui again, make the model with scripts/train_demo.py, or name another model",
            )
        return inspect((self._demo_file,), name=DEMO, source="demo")

    def _described(self, found: Candidate) -> ModelInfo | None:
        if found.problem is not None:
            return ModelInfo(
                name=found.name,
                path=str(found.path),
                parts=(),
                source=found.source,
                size_bytes=0,
                modified_ns=0,
                problem=found.problem,
                digests=found.digests,
            )
        info = describe(found.parts, name=found.name, source=found.source, cache=self._cache)
        return None if info is None else _with_ollamas(info, found)

    def _is_model(self, found: Candidate) -> bool:
        info = self._described(found)
        return info is not None and info.kind == "model"


def _folded(candidate: Candidate) -> set[str]:
    return {name.casefold() for name in candidate.names}


def _named(spec: str, known: list[Candidate], is_model: Callable[[Candidate], bool]) -> Candidate | None:
    """By exact name, by the same name in other case, by the beginning of one name; None when there is none.

    Of Ollama's models the tag `latest` need not be said.

    Raises:
        UsageError: several models' names begin so.
    """
    wanted = spec.casefold()
    latest = f"{wanted}:latest" if spec.startswith(OLLAMA) else wanted
    hits_by_rank = (
        [candidate for candidate in known if spec in candidate.names],
        [candidate for candidate in known if _folded(candidate) & {wanted, latest}],
        [candidate for candidate in known if any(name.startswith(wanted) for name in _folded(candidate))],
    )
    hits = next((hits for hits in hits_by_rank if hits), [])
    if len(hits) > 1:
        hits = [candidate for candidate in hits if is_model(candidate)] or hits
    if len(hits) > 1:
        raise UsageError(
            f"More than one model's name begins with {visible_line(spec)!r}",
            cause=", ".join(candidate.name for candidate in hits[:8]),
            remedy="Type more of the name",
        )
    return hits[0] if hits else None


def _resolve_candidate(found: Candidate, spec: str) -> ModelInfo:
    """The model under the name that was meant, which may be one of several for the same file."""
    if found.problem is not None:
        raise ModelError(
            f"The model {found.name} of Ollama cannot be used",
            cause=f"{found.path}: {found.problem}",
            remedy=f"Choose another, or fetch it again: ollama pull {found.name.removeprefix(OLLAMA)}",
        )
    wanted = spec.casefold()
    near = [name for name in found.names if name.casefold().startswith(wanted)]
    name = min(near, key=lambda name: (name != spec, name.casefold() not in {wanted, f"{wanted}:latest"}))
    info = inspect(found.parts, name=name, source="ollama" if name.startswith(OLLAMA) else found.source)
    return _with_ollamas(info, found)


def _with_ollamas(info: ModelInfo, found: Candidate) -> ModelInfo:
    """With what Ollama adds to the model of that name."""
    if not found.manifests:
        return info
    manifest = dict(found.manifests).get(info.name)
    defaults = read_defaults(manifest) if manifest else None
    return msgspec.structs.replace(info, digests=found.digests, defaults=defaults)


def _resolve_path(path: Path) -> ModelInfo:
    if _is_dir(path):
        raise folder_error(path)
    return inspect(sibling_parts(_absolute(path) or path), name=model_name(path), source="file")


def _may_name_server(spec: str, path: Path, servers: Collection[str]) -> bool:
    """Whether `boks/qwen` is rather a configured server's name mistyped than a file in a folder that is not there."""
    plain = not spec.startswith((".", "~", os.sep)) and not spec.lower().endswith(".gguf")
    return bool(servers) and plain and not _is_dir(Path(path.parts[0]))


def _on_servers(spec: str, servers: Collection[str]) -> "list[str]":
    """The names that `boks/qwen` may be meant for: the same model on a server whose name is near."""
    server, _, model = spec.partition("/")
    near = difflib.get_close_matches(server, servers, n=3, cutoff=0.5) if model else []
    return [f"{name}/{model}" for name in near]


def _expanded(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - an unknown ~user stays as it is


def _absolute(path: Path) -> Path | None:
    """None for a relative path when the current folder is gone."""
    try:
        return path if path.is_absolute() else Path.cwd() / path
    except OSError:
        return None


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for names that are too long or out of bounds


def _is_dir(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - as in `_is_file`


def _unknown(spec: str, known: list[str], searched: list[Place]) -> UsageError:
    names = {name.casefold(): name for name in known}
    near = [name for key, name in names.items() if spec.casefold() in key]
    near += [names[key] for key in difflib.get_close_matches(spec.casefold(), names, n=5, cutoff=0.5)]
    near = list(dict.fromkeys(near))[:8]
    if spec.startswith(OLLAMA):
        stores = " or ".join(str(place.path) for place in searched) or "no place: the configuration leaves Ollama out"
        remedy = (
            f"Choose one from `llmtui models`, or start Ollama: no server of it answers; "
            f"its store was looked for in {stores}"
        )
    else:
        own = " or ".join(str(place.path) for place in searched if place.source == "folder")
        remedy = f"Choose one from `llmtui models`, give a path, or put a .gguf file into {own}"
    return UsageError(
        f"No model is called {visible_line(spec)!r}",
        cause=f"near matches: {', '.join(near)}" if near else f"known are {', '.join(known[:8])}",
        remedy=remedy,
    )
