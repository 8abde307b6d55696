"""LoRA adapters on a loaded model: what they change, what they leave, what is forgotten."""

import asyncio
import os
import signal
from pathlib import Path

import gguf
import pytest
from contract.conftest import DEMO, OpenEngine
from gguf_lora import make_lora

from llmtui.domain.events import Delta, Failed, Finished, Timings
from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Adapter, Runtime, Sampling
from llmtui.engines.base import GenerateRequest, TakesAdapters
from llmtui.engines.llama.client import LlamaEngine
from llmtui.engines.scripted import ScriptedEngine
from llmtui.errors import EngineError, ModelError
from llmtui.services.adapters import attach, reload
from llmtui.services.host import ModelHost
from llmtui.services.model_files import inspect
from llmtui.services.wiring import open_llama

QUESTION = "背诵李白的《静夜思》，只写正文。"


@pytest.fixture(scope="module")
def poet(tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    return Adapter(path=str(make_lora(DEMO, tmp_path_factory.mktemp("lora") / "poet.gguf")))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    return Adapter(path=str(make_lora(DEMO, tmp_path_factory.mktemp("lora") / "other.gguf", seed=1, rank=2)))


async def answer(engine: LlamaEngine, id_: str, question: str = QUESTION, **options: object) -> tuple[str, Timings]:
    sampling = Sampling(temperature=0, max_tokens=32)
    request = GenerateRequest(id=id_, messages=(ChatMessage("user", question),), sampling=sampling, **options)  # type: ignore[arg-type]
    text = ""
    async for event in engine.generate(request):
        match event:
            case Delta():
                text += event.text
            case Finished():
                return text, event.timings
            case Failed():
                raise AssertionError(event)
    raise AssertionError


def scaled(adapter: Adapter, scale: float) -> Adapter:
    return Adapter(path=adapter.path, scale=scale)


async def test_scale_nought_is_off_one_changes_detaching_restores(open_worker: OpenEngine, poet: Adapter) -> None:
    async with open_worker(DEMO) as engine:
        plain, timings = await answer(engine, "plain")
        assert timings.adapters == ()
        _, again = await answer(engine, "again")
        assert again.cached_tokens == (again.prompt_tokens or 0) - 1
        off, timings = await answer_with(engine, [scaled(poet, 0)], "off")
        assert off == plain
        assert timings.cached_tokens == 0
        on, timings = await answer_with(engine, [poet], "on")
        assert on != plain
        assert timings.cached_tokens == 0
        (attached,) = timings.adapters or ()
        assert (attached.name, attached.scale, len(attached.fingerprint)) == ("poet", 1.0, 64)
        assert engine.loaded is not None
        assert engine.loaded.adapters == (attached,)
        twice, timings = await answer(engine, "twice")
        assert twice == on
        assert timings.cached_tokens == (timings.prompt_tokens or 0) - 1
        against, _ = await answer_with(engine, [scaled(poet, -1)], "against")
        assert against not in {plain, on}
        back, timings = await answer_with(engine, [], "back")
        assert back == plain
        assert timings.cached_tokens == 0
        assert engine.loaded.adapters == ()


async def answer_with(engine: LlamaEngine, adapters: list[Adapter], id_: str) -> tuple[str, Timings]:
    attached = await engine.set_adapters(adapters)
    assert [one.scale for one in attached] == [one.scale for one in adapters]
    return await answer(engine, id_)


async def test_states_of_other_conversations_are_forgotten_too(open_worker: OpenEngine, poet: Adapter) -> None:
    async with open_worker(DEMO) as engine:
        await answer(engine, "first")
        await answer(engine, "other", "Write a function that reverses a string.")
        _, timings = await answer(engine, "back")
        assert timings.cached_tokens  # fetched from where it was put away
        await answer(engine, "other again", "Write a function that reverses a string.")
        _, timings = await answer_with(engine, [poet], "changed")
        assert timings.cached_tokens == 0


async def test_several_act_together(open_worker: OpenEngine, poet: Adapter, other: Adapter) -> None:
    async with open_worker(DEMO) as engine:
        one, _ = await answer_with(engine, [poet], "one")
        two, _ = await answer_with(engine, [poet, other], "two")
        assert two != one
        turned, _ = await answer_with(engine, [other, poet], "turned")
        assert turned == two
        without, _ = await answer_with(engine, [poet, scaled(other, 0)], "without")
        assert without == one


async def test_attached_with_the_load(poet: Adapter, open_worker: OpenEngine) -> None:
    async with open_worker(DEMO) as engine:
        expected, _ = await answer_with(engine, [poet], "later")
    async with open_worker(DEMO, adapters=(poet,)) as engine:
        assert engine.loaded is not None
        assert [one.label for one in engine.loaded.adapters] == ["+poet ×1"]
        assert (await answer(engine, "first"))[0] == expected


async def test_what_is_no_adapter_leaves_everything_as_it_was(
    open_worker: OpenEngine, poet: Adapter, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(await asyncio.to_thread(Path(poet.path).read_bytes))
    damaged.write_bytes(damaged.read_bytes()[:20_000])
    wrong = make_lora_of_another_shape(tmp_path / "wrong.gguf")
    activated = make_activated(tmp_path / "activated.gguf")
    async with open_worker(DEMO) as engine:
        await engine.set_adapters([poet])
        before, _ = await answer(engine, "before")
        for path in (DEMO, damaged, wrong, activated, tmp_path / "none.gguf", tmp_path):
            with pytest.raises(ModelError):
                await engine.set_adapters([Adapter(path=str(path))])
        with pytest.raises(ModelError, match="twice"):
            await engine.set_adapters([poet, poet])
        after, timings = await answer(engine, "after")
        assert after == before
        assert timings.cached_tokens
        assert engine.loaded is not None
        assert [one.name for one in engine.loaded.adapters] == ["poet"]


async def test_a_load_with_a_wrong_adapter_fails_in_words(tmp_path: Path) -> None:
    wrong = make_lora_of_another_shape(tmp_path / "wrong.gguf")
    engine = LlamaEngine("demo", str(DEMO), Runtime(adapters=(Adapter(path=str(wrong)),)))
    with pytest.raises(ModelError, match="does not fit"):
        async for _ in engine.load():
            pass
    await engine.close()


async def test_a_change_waits_for_the_running_answer(open_worker: OpenEngine, poet: Adapter) -> None:
    async with open_worker(DEMO, slots=2) as engine:
        plain, _ = await answer(engine, "plain")
        changed, _ = await answer_with(engine, [poet], "changed")
        await engine.set_adapters([])
        first = asyncio.create_task(answer(engine, "first"))
        await asyncio.sleep(0)
        change = asyncio.create_task(engine.set_adapters([poet]))
        await asyncio.sleep(0)
        second = asyncio.create_task(answer(engine, "second", slot=1))
        (old, before), _, (new, after) = await asyncio.gather(first, change, second)
        assert (old, new) == (plain, changed)
        assert before.adapters == ()
        assert [one.name for one in after.adapters or ()] == ["poet"]


async def test_a_reload_after_a_crash_attaches_them_again(poet: Adapter) -> None:
    info = inspect((DEMO,), name="demo", source="demo")
    host = ModelHost(open_llama, Runtime(context=512, threads=1))
    try:
        async for _ in host.load(info):
            pass
        await attach(host, [scaled(poet, 0.5)])
        assert host.loaded is not None
        assert host.loaded.pid is not None
        os.kill(host.loaded.pid, signal.SIGKILL)
        assert host.engine is not None
        question = (ChatMessage("user", QUESTION),)
        events = [
            event
            async for event in host.engine.generate(GenerateRequest(id="dead", messages=question, sampling=Sampling()))
        ]
        assert isinstance(events[-1], Failed)
        async for _ in reload(host):
            pass
        assert host.alive
        assert [(one.name, one.scale) for one in host.loaded.adapters] == [("poet", 0.5)]
    finally:
        await host.close()


async def test_a_change_counts_when_whoever_asked_for_it_has_gone(open_worker: OpenEngine, poet: Adapter) -> None:
    async with open_worker(DEMO) as engine:
        change = asyncio.create_task(engine.set_adapters([poet]))
        await asyncio.sleep(0)
        change.cancel()
        _, timings = await answer(engine, "after")
        assert [one.name for one in timings.adapters or ()] == ["poet"]
        assert engine.loaded is not None
        assert engine.loaded.adapters == timings.adapters


async def test_after_the_end_it_is_an_engine_error(open_worker: OpenEngine, poet: Adapter) -> None:
    async with open_worker(DEMO) as engine:
        pass
    with pytest.raises(EngineError):
        await engine.set_adapters([poet])


def test_only_engines_that_can_say_so() -> None:
    assert isinstance(LlamaEngine("demo", str(DEMO), Runtime()), TakesAdapters)
    assert not isinstance(ScriptedEngine([]), TakesAdapters)


def make_lora_of_another_shape(path: Path) -> Path:
    import numpy as np

    writer = adapter_writer(path)
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((4, 512), dtype=np.float32))
    writer.add_tensor("blk.0.attn_q.weight.lora_b", np.zeros((512, 4), dtype=np.float32))
    return finished(writer, path)


def make_activated(path: Path) -> Path:
    import numpy as np

    writer = adapter_writer(path)
    writer.add_array("adapter.alora.invocation_tokens", [5, 6])
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((4, 256), dtype=np.float32))
    writer.add_tensor("blk.0.attn_q.weight.lora_b", np.zeros((256, 4), dtype=np.float32))
    return finished(writer, path)


def adapter_writer(path: Path) -> "gguf.GGUFWriter":
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    return writer


def finished(writer: "gguf.GGUFWriter", path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
