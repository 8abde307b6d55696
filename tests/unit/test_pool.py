"""Models that stay loaded: which come back at once, which are closed, and when."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from llmtui.domain.events import Loaded, LoadEvent
from llmtui.domain.metrics import ProcessMemory
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.quantities import parse_size
from llmtui.domain.settings import Pool, Runtime
from llmtui.engines.base import error_of, failure_of
from llmtui.engines.scripted import ScriptedEngine, ScriptedTurn
from llmtui.errors import LlmtuiError, ModelError, OutOfMemoryError
from llmtui.services.host import ModelHost

GIB = 1 << 30


def model(name: str, size: int = GIB, *, path: str | None = None, server: str | None = None) -> ModelInfo:
    path = path or f"/{name}.gguf"
    return ModelInfo(
        name=name,
        path=path,
        parts=() if server else (path,),
        source="server" if server else "file",
        size_bytes=size,
        modified_ns=0,
        server=server,
    )


class Machine:
    """A machine with so much memory, where each engine holds half a GiB of its own beside its mapped weights.

    Attributes:
        free: what could be had if no engine were loaded and no other program grew.
        greedy: names of models that find no memory while another one is loaded.
    """

    def __init__(self, free: int | None = 100 * GIB, limits: Pool | None = None) -> None:
        self.free = free
        self.greedy: set[str] = set()
        self.gpu_layers = 0
        self.engines: list[ScriptedEngine] = []
        self.opened: list[str] = []
        self.host = ModelHost(
            self.open, Runtime(), limits=limits, free_memory=self.free_now, process_memory=self.memory_of
        )

    def alive(self) -> list[ScriptedEngine]:
        return [engine for engine in self.engines if engine.alive]

    def free_now(self) -> int | None:
        return None if self.free is None else self.free - len(self.alive()) * GIB // 2

    def memory_of(self, pid: int) -> ProcessMemory:
        loaded = self.engines[pid].loaded
        assert loaded is not None
        return ProcessMemory(rss_anon_bytes=GIB // 2, rss_file_bytes=loaded.memory.weights_bytes)

    def open(self, info: ModelInfo, _: Runtime) -> ScriptedEngine:
        granted = LoadedModel(
            name=info.name,
            description="",
            engine="scripted",
            engine_build="1",
            context_size=64,
            pid=None if info.server else len(self.engines),
            gpu_layers=self.gpu_layers,
        )
        granted = msgspec.structs.replace(
            granted, memory=msgspec.structs.replace(granted.memory, weights_bytes=info.size_bytes)
        )
        short = info.name in self.greedy and self.alive()
        failure = OutOfMemoryError("It does not fit", remedy="Close others") if short else None
        engine = ScriptedEngine([ScriptedTurn(tokens=("x",))], model=granted, load_failure=failure, load_s=0.001)
        self.engines.append(engine)
        self.opened.append(info.name)
        return engine

    async def load(self, info: ModelInfo | str) -> list[LoadEvent]:
        info = model(info) if isinstance(info, str) else info
        return [event async for event in self.host.load(info)]

    @property
    def warm(self) -> str:
        return "".join(info.name for info in self.host.warm)


async def test_a_warm_model_comes_back_at_once_and_without_load_seconds() -> None:
    machine = Machine()
    first = await machine.load("a")
    await machine.load("b")
    assert machine.warm == "ba"
    assert machine.host.previous == model("a")

    events = await machine.load("a")

    assert events == [first[-1]]
    assert machine.opened == ["a", "b"]
    assert machine.host.engine is machine.engines[0]
    assert machine.host.claim_load_s() is None
    assert machine.warm == "ab"
    assert machine.host.info == model("a")
    assert machine.host.previous == model("b")


async def test_the_least_recently_used_goes_when_the_budget_is_full() -> None:
    machine = Machine(limits=Pool(memory="4GiB"))  # each holds 1.5 GiB
    for name in "abac":
        await machine.load(name)

    assert machine.warm == "ca"
    assert machine.host.held_bytes == 3 * GIB
    assert machine.host.budget_bytes == 4 * GIB


@pytest.mark.parametrize(("most", "left"), [(1, "c"), (2, "cb"), (3, "cba"), (None, "cba")])
async def test_no_more_models_than_configured_stay(most: int | None, left: str) -> None:
    machine = Machine(limits=Pool(models=most))
    for name in "abc":
        await machine.load(name)

    assert machine.warm == left
    assert len(machine.alive()) == len(left)


async def test_nothing_stays_with_a_budget_of_nothing_but_the_model_that_answers() -> None:
    machine = Machine(limits=Pool(memory=0))
    await machine.load("a")
    await machine.load("b")

    assert machine.warm == "b"


async def test_workers_on_other_machines_hold_one_model() -> None:
    machine = Machine()
    for name, workers in (("a", ()), ("b", ("far:1", "far:2")), ("c", ("far:3",)), ("d", ("far:2",))):
        machine.host.runtime = Runtime(rpc=workers)
        await machine.load(name)

    assert machine.warm == "dca"


async def test_models_on_servers_cost_nothing() -> None:
    machine = Machine(limits=Pool(models=1))
    await machine.load(model("s", 500 * GIB, server="box"))
    await machine.load("a")
    await machine.load(model("t", 500 * GIB, server="box"))

    assert machine.warm == "tas"
    assert machine.host.held_bytes == 3 * GIB // 2


async def test_memory_that_another_program_took_is_made_up_for_at_the_next_load() -> None:
    machine = Machine(free=20 * GIB)
    for name in "abc":
        await machine.load(name)
    assert machine.warm == "cba"

    machine.free = 6 * GIB
    await machine.load("d")

    assert machine.warm == "dcb"
    assert machine.host.engine is machine.engines[-1]


async def test_weights_that_two_workers_map_count_once() -> None:
    machine = Machine()
    await machine.load("a")
    machine.host.runtime = Runtime(context=512)
    await machine.load(model("b", path="/a.gguf", server=None))

    assert len(machine.alive()) == 1  # the same file with other settings: the first one is out of date
    other = msgspec.structs.replace(model("o", path="/a.gguf"), source="ollama")
    await machine.load(other)
    assert len(machine.alive()) == 2
    assert machine.host.held_bytes == 2 * GIB // 2 + GIB


async def test_a_file_under_two_names_has_one_worker() -> None:
    machine = Machine()
    await machine.load("a")
    await machine.load(model("other", path="/a.gguf"))

    assert machine.opened == ["a"]
    assert machine.host.info is not None
    assert machine.host.info.name == "other"
    assert machine.host.loaded is not None
    assert machine.host.loaded.name == "other"
    assert machine.warm == "other"
    assert machine.host.previous is None


async def test_a_changed_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"one")
    machine = Machine()
    changing = model("a", path=str(path))
    await machine.load(changing)
    await machine.load("b")
    path.write_bytes(b"another")
    await machine.load(changing)

    assert machine.opened == ["a", "b", "a"]
    assert [engine.alive for engine in machine.engines] == [False, True, True]


async def test_changed_settings_open_it_anew() -> None:
    machine = Machine()
    await machine.load("a")
    await machine.load("b")
    machine.host.runtime = Runtime(context=512)
    await machine.load("a")

    assert machine.opened == ["a", "b", "a"]
    assert [engine.alive for engine in machine.engines] == [False, True, True]


async def test_a_warm_model_that_died_is_dropped_and_loaded_when_chosen() -> None:
    machine = Machine()
    await machine.load("a")
    await machine.load("b")
    machine.engines[0].die()

    assert machine.warm == "b"
    assert machine.host.alive

    events = await machine.load("a")
    assert isinstance(events[-1], Loaded)
    assert machine.opened == ["a", "b", "a"]
    assert machine.warm == "ab"


async def test_an_abandoned_load_leaves_the_present_model_and_the_warm_ones() -> None:
    machine = Machine()
    await machine.load("a")
    await machine.load("b")
    events = machine.host.load(model("c"))
    await anext(events)
    assert machine.host.info == model("b")
    assert machine.host.alive
    await events.aclose()

    assert machine.warm == "ba"
    assert len(machine.alive()) == 2


async def test_a_load_given_up_while_it_makes_room_still_ends_what_it_began_to_close() -> None:
    machine = Machine(free=3 * GIB)
    await machine.load("a")
    closed, go_on = machine.engines[0].close, asyncio.Event()
    asked = asyncio.Event()

    async def close_slowly() -> None:
        asked.set()
        await go_on.wait()
        await closed()

    machine.engines[0].close = close_slowly  # type: ignore[method-assign]
    loading = asyncio.create_task(machine.load("b"))
    await asked.wait()
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert machine.engines[0].alive

    leaving = asyncio.create_task(machine.host.close())
    go_on.set()
    await leaving
    assert machine.alive() == []


async def test_a_load_that_runs_out_of_memory_is_tried_again_without_the_warm_ones() -> None:
    machine = Machine()
    for name in "ab":
        await machine.load(name)
    machine.greedy.add("c")
    events = await machine.load("c")

    assert isinstance(events[-1], Loaded)
    assert machine.opened == ["a", "b", "c", "c", "c"]  # without the warm one, then without the present one
    assert machine.warm == "c"


async def test_a_model_larger_than_all_memory_costs_none_that_is_loaded() -> None:
    machine = Machine(free=8 * GIB)
    await machine.load("a")
    machine.greedy.add("huge")
    with pytest.raises(OutOfMemoryError):
        await machine.load(model("huge", 40 * GIB))

    assert machine.opened == ["a", "huge"]
    assert machine.host.alive
    assert machine.host.info == model("a")


async def test_on_a_gpu_the_host_s_memory_does_not_say_that_a_model_is_too_large() -> None:
    machine = Machine(free=8 * GIB)
    machine.gpu_layers = 32
    await machine.load("a")
    machine.greedy.add("huge")

    assert isinstance((await machine.load(model("huge", 40 * GIB)))[-1], Loaded)


@pytest.mark.parametrize("kind", [OutOfMemoryError, ModelError])
def test_an_error_keeps_its_kind_on_its_way_from_a_worker(kind: type[LlmtuiError]) -> None:
    assert type(error_of(failure_of(kind("It does not fit", remedy="Close others")))) is kind


async def test_other_failures_are_not_tried_again() -> None:
    machine = Machine()
    await machine.load("a")
    engine = ScriptedEngine([], load_failure=ModelError("It is damaged", remedy="Fetch it again"))
    host = ModelHost(lambda _info, _runtime: engine, Runtime(), free_memory=lambda: 100 * GIB)
    with pytest.raises(ModelError, match="damaged"):
        [event async for event in host.load(model("b"))]


async def test_unloading_by_choice() -> None:
    machine = Machine()
    for name in "abc":
        await machine.load(name)
    await machine.host.unload(model("b"))
    await machine.host.unload(model("unknown"))
    assert machine.warm == "ca"
    assert machine.host.alive

    await machine.host.unload(model("c"))
    assert machine.warm == "a"
    assert not machine.host.alive
    assert machine.host.engine is None
    assert machine.host.info == model("c")
    assert isinstance([event async for event in machine.host.reload()][-1], Loaded)


async def test_a_reload_opens_the_present_model_anew_and_keeps_the_others() -> None:
    machine = Machine()
    await machine.load("a")
    await machine.load("b")
    [event async for event in machine.host.reload()]

    assert machine.opened == ["a", "b", "b"]
    assert machine.warm == "ba"


async def test_closing_ends_all() -> None:
    machine = Machine()
    for name in "abc":
        await machine.load(name)
    await machine.host.close()
    await machine.host.close()

    assert machine.alive() == []
    assert machine.host.warm == ()
    assert machine.host.engine is None


@pytest.mark.parametrize(
    ("memory", "obtainable", "budget"),
    [
        (0.9, 10 * GIB, 9 * GIB),
        (0.5, 10 * GIB, 5 * GIB),
        (1, 10 * GIB, 9 * GIB),
        ("4GiB", 10 * GIB, 4 * GIB),
        (float(4 * GIB), 10 * GIB, 4 * GIB),
        ("64GiB", 10 * GIB, 9 * GIB),
        ("64GiB", None, 64 * GIB),
        (0.5, None, None),
    ],
)
def test_the_budget(memory: float | str, obtainable: int | None, budget: int | None) -> None:
    assert Pool(memory=memory).budget(obtainable) == budget


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8GiB", 8 << 30),
        ("8 gib", 8 << 30),
        ("1.5G", 3 << 29),
        ("8 GB", 8_000_000_000),
        ("512 MiB", 512 << 20),
        ("7", 7),
    ],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "8 Gibi", "-1GiB", "1,5 GiB", "1e3", "９９GiB x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)
