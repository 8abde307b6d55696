"""Models and engines for the contract suite."""

import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from servers.llama_server import llama_server
from servers.ollama_server import ollama_server

from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Runtime, Server
from llmtui.engines.base import Engine
from llmtui.engines.llama.client import LlamaEngine
from llmtui.engines.ollama.client import OllamaEngine
from llmtui.engines.openai.client import OpenAIEngine
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "tui" / "llmtui" / "data" / "demo.gguf"
CONTEXT = 512

OpenEngine = Callable[..., contextlib.AbstractAsyncContextManager[LlamaEngine]]


def _factory() -> ModuleType:
    path = REPOSITORY / "scripts" / "make_gguf.py"
    spec = importlib.util.spec_from_file_location("make_gguf", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_gguf"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def make_gguf() -> Callable[..., Path]:
    """The factory of random models: `make(shape, kind, path, **options)`."""
    make: Callable[..., Path] = _factory().make
    return make


@pytest.fixture(scope="session")
def tiny_gguf(make_gguf: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama with random weights and a ChatML template: it never ends an answer by itself, or seldom."""
    return make_gguf("llama-tiny", "f16", tmp_path_factory.mktemp("models") / "tiny.gguf")


@contextlib.asynccontextmanager
async def loaded(engine: Engine) -> AsyncIterator[Engine]:
    """The engine with its model, closed in the end."""
    try:
        async for _ in engine.load():
            pass
        yield engine
    finally:
        await engine.close()


@pytest.fixture
def open_worker() -> OpenEngine:
    """Opens a GGUF file in a worker: `async with open_worker(path, slots=2) as engine`."""

    @contextlib.asynccontextmanager
    async def open_(path: Path, **runtime: object) -> AsyncIterator[LlamaEngine]:
        engine = LlamaEngine("test", str(path), Runtime(**{"context": CONTEXT, "threads": 1, **runtime}))  # type: ignore[arg-type]
        async with loaded(engine):
            yield engine

    return open_


def scripted_engine(**turn: object) -> ScriptedEngine:
    """An engine that answers with numbered words, slowly enough to be stopped."""
    model = LoadedModel(name="s", description="s", engine="scripted", engine_build="1", context_size=CONTEXT)
    words = tuple(f" word{number}" for number in range(40))
    settings = {"tokens": words, "delay_s": 0.002, "prefill_s": 0.02, **turn}
    return ScriptedEngine([ScriptedTurn(**settings)], model=model)  # type: ignore[arg-type]


@pytest.fixture
def served_demo() -> Iterator[str]:
    """The address of a real llama.cpp server with the demo model and an empty cache."""
    with llama_server(DEMO, context=CONTEXT) as address:
        yield address


@pytest.fixture(params=["scripted", "worker", "llama-server", "ollama"])
async def unloaded(request: pytest.FixtureRequest) -> AsyncIterator[Engine]:
    """Every engine in turn, not loaded yet."""
    if request.param == "ollama":
        endless = request.node.get_closest_marker("endless") is not None
        async with ollama_server(backend=request.getfixturevalue("served_demo"), endless=endless) as server:
            server.add("demo:latest", context=4096)
            where = Server(url=server.url, kind="ollama")
            ollama = OllamaEngine("demo", where, "box", "demo", context=CONTEXT)
            yield ollama
            await ollama.close()
        return
    engine: Engine
    if request.param == "scripted":
        engine = scripted_engine()
    elif request.param == "llama-server":
        engine = OpenAIEngine("demo", Server(url=request.getfixturevalue("served_demo")), "box", "demo")
    else:
        engine = LlamaEngine("demo", str(DEMO), Runtime(context=CONTEXT, threads=1))
    yield engine
    await engine.close()


@pytest.fixture
async def engine(unloaded: Engine) -> Engine:
    """Every engine in turn, with its model."""
    async for _ in unloaded.load():
        pass
    return unloaded


@pytest.fixture
def demo() -> Path:
    """The model that the package carries."""
    return DEMO


@pytest.fixture(scope="session")
def slow_gguf(make_gguf: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deep enough that a long prompt takes several decodes."""
    return make_gguf("llama-tiny", "f16", tmp_path_factory.mktemp("models") / "slow.gguf", layers=24)
