"""Loading, switching and reloading: whatever fails, what worked before still does."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llmtui.domain.events import Loaded, LoadEvent, LoadProgress
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.settings import Runtime
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.errors import EngineError, ModelError, UsageError
from llmtui.services.host import ModelHost

GIB = 1 << 30
BAD = ModelError("The model is damaged", cause="x", remedy="Fetch it again")


def info(name: str, size: int = GIB) -> ModelInfo:
    return ModelInfo(
        name=name, path=f"/{name}.gguf", parts=(f"/{name}.gguf",), source="file", size_bytes=size, modified_ns=0
    )


class Shop:
    """Makes engines, remembers them, and lets a model be bad."""

    def __init__(self, free: int | None = 100 * GIB) -> None:
        self.bad: set[str] = set()
        self.made: list[ScriptedEngine] = []
        self.alive_at_open: list[int] = []
        self.runtimes: list[Runtime] = []
        self.host = ModelHost(self.open, Runtime(), free_memory=lambda: free)

    def open(self, model: ModelInfo, runtime: Runtime) -> ScriptedEngine:
        self.alive_at_open.append(sum(engine.alive for engine in self.made))
        self.runtimes.append(runtime)
        granted = LoadedModel(name=model.name, description="", engine="scripted", engine_build="1", context_size=64)
        failure = BAD if model.name in self.bad else None
        engine = ScriptedEngine([ScriptedTurn(tokens=("x",))], model=granted, load_failure=failure, load_s=0.003)
        self.made.append(engine)
        return engine

    async def load(self, name: str, size: int = GIB) -> list[LoadEvent]:
        return [event async for event in self.host.load(info(name, size))]


async def test_a_load_reports_progress_and_then_the_model() -> None:
    shop = Shop()
    assert shop.host.engine is shop.host.info is shop.host.loaded is None

    events = await shop.load("a")

    assert isinstance(events[0], LoadProgress)
    assert isinstance(events[-1], Loaded)
    assert shop.host.info == info("a")
    assert shop.host.loaded == events[-1].model
    assert not shop.host.loading
    assert shop.host.claim_load_s() == 0.003
    assert shop.host.claim_load_s() is None


async def test_without_a_known_amount_of_memory_the_old_model_is_closed_once_the_new_one_is_ready() -> None:
    shop = Shop(free=None)
    await shop.load("a")

    async for event in shop.host.load(info("b")):
        if isinstance(event, LoadProgress):
            assert shop.made[0].alive
            assert shop.host.info == info("a")

    assert [engine.alive for engine in shop.made] == [False, True]
    assert shop.host.engine is shop.made[1]


async def test_a_failed_switch_leaves_the_old_model() -> None:
    shop = Shop()
    await shop.load("a")
    shop.bad.add("b")

    with pytest.raises(ModelError, match="damaged"):
        await shop.load("b")

    assert shop.host.info == info("a")
    assert shop.host.engine is shop.made[0]
    assert shop.made[0].alive
    assert not shop.host.loading


async def test_models_that_do_not_fit_together_are_never_held_together() -> None:
    shop = Shop(free=2 * GIB)
    await shop.load("a")
    await shop.load("b", 2 * GIB)
    assert shop.alive_at_open == [0, 0]
    assert shop.host.info == info("b", 2 * GIB)

    shop.bad.add("c")
    with pytest.raises(ModelError):
        await shop.load("c", 2 * GIB)
    assert shop.host.engine is None
    assert shop.host.info == info("b", 2 * GIB)

    assert isinstance([event async for event in shop.host.reload()][-1], Loaded)
    assert shop.host.loaded is not None
    assert shop.host.loaded.name == "b"


async def test_unknown_memory_counts_as_enough() -> None:
    shop = Shop(free=None)
    await shop.load("a")
    await shop.load("b", 1 << 50)

    assert shop.alive_at_open == [0, 1]


async def test_a_reload_after_a_crash_brings_the_same_model() -> None:
    shop = Shop()
    await shop.load("a")
    shop.made[0].die()

    events = [event async for event in shop.host.reload()]

    assert isinstance(events[-1], Loaded)
    assert shop.host.info == info("a")
    assert shop.host.engine is shop.made[1]
    assert shop.made[1].alive


async def test_a_reload_without_a_model_is_refused() -> None:
    with pytest.raises(UsageError, match="no model to load again"):
        await anext(Shop().host.reload())


async def test_a_second_load_at_once_is_refused() -> None:
    shop = Shop()
    first = shop.host.load(info("a"))
    await anext(first)

    with pytest.raises(UsageError, match="being loaded"):
        await shop.load("b")
    await first.aclose()


async def test_an_abandoned_load_closes_its_engine_and_leaves_the_old() -> None:
    shop = Shop()
    await shop.load("a")
    events = shop.host.load(info("b"))
    await anext(events)
    await events.aclose()

    assert shop.host.engine is shop.made[0]
    assert not shop.host.loading
    with pytest.raises(EngineError):
        await shop.made[1].tokenise("closed")
    await shop.load("c")
    assert shop.host.info == info("c")


async def test_a_changed_runtime_counts_from_the_next_load() -> None:
    shop = Shop()
    await shop.load("a")
    shop.host.runtime = Runtime(context=512)
    await shop.load("b")

    assert [runtime.context for runtime in shop.runtimes] == [None, 512]


async def test_closing_twice_is_safe() -> None:
    shop = Shop()
    await shop.load("a")
    await shop.host.close()
    await shop.host.close()

    assert shop.host.engine is None
    assert not shop.made[0].alive


def test_putting_the_parts_together_loads_nothing_heavy_and_creates_nothing(tmp_path: Path) -> None:
    program = """
import sys
from llmtui.services.wiring import build
from llmtui.store.config import Config
from llmtui.store.paths import Folders
services = build(Config(), Folders.resolve())
assert services.host.engine is None
heavy = {"textual", "rich", "numpy", "jinja2", "psutil", "pynvml", "llama_cpp", "llmtui.engines.llama.client"}
print(sorted(heavy & set(sys.modules)))
"""
    env = {**os.environ, "LLMTUI_CONFIG_DIR": str(tmp_path / "c"), "LLMTUI_DATA_DIR": str(tmp_path / "d")}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


async def test_a_model_in_the_middle_of_an_answer_is_closed_after_it_only() -> None:
    shop = Shop(free=2 * GIB)
    await shop.load("a", GIB)
    events = shop.host.load(info("b", 2 * GIB))
    async with shop.host.answering():
        first = await anext(events)
        assert isinstance(first, LoadProgress)
        assert "the answer" in first.stage
        assert len(shop.made) == 1
        assert shop.host.alive
    assert isinstance([event async for event in events][-1], Loaded)
    assert not shop.made[0].alive
    assert shop.host.info is not None
    assert shop.host.info.name == "b"


async def test_a_load_that_waits_for_an_answer_can_be_given_up() -> None:
    shop = Shop(free=2 * GIB)
    await shop.load("a", GIB)
    async with shop.host.answering():
        async with contextlib.aclosing(shop.host.load(info("b", 2 * GIB))) as events:
            assert isinstance(await anext(events), LoadProgress)
        assert shop.host.alive
        assert not shop.host.loading
    assert shop.made[0].alive


async def test_what_answers_is_given_up_even_when_another_model_is_the_present_one() -> None:
    shop = Shop()
    await shop.load("a")
    async with shop.host.answering():
        await shop.load("b")
        await shop.host.give_up()
        assert not shop.made[0].alive
        assert shop.host.alive
