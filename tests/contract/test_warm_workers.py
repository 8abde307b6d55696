"""Several real workers at once: an idle one costs no processor time, and want of memory is told from other failures."""

import itertools
from pathlib import Path

import msgspec
import psutil
import pytest
from odd_models import write_huge
from test_engine_contract import play, request

from llmtui.domain.events import Loaded, LoadEvent
from llmtui.domain.models import ModelInfo
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.llama import process
from llmtui.engines.llama.client import LlamaEngine
from llmtui.errors import OutOfMemoryError
from llmtui.services.host import ModelHost
from llmtui.services.model_files import inspect
from llmtui.services.wiring import open_llama


async def load(host: ModelHost, info: ModelInfo) -> list[LoadEvent]:
    return [event async for event in host.load(info)]


def work(pid: int) -> tuple[float, int]:
    """Seconds of processor time of a process and its own children, and how often one of them woke up."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    seconds = sum(member.cpu_times().user + member.cpu_times().system for member in family)
    return seconds, sum(member.num_ctx_switches().voluntary for member in family)


async def test_a_warm_worker_costs_no_processor_time_while_another_one_answers(demo: Path, tiny_gguf: Path) -> None:
    host = ModelHost(open_llama, Runtime(context=2048, threads=1))
    try:
        await load(host, inspect((demo,), name="warm", source="file"))
        assert host.engine is not None
        await play(host.engine, request("a"))
        [warm] = host.pids
        await load(host, inspect((tiny_gguf,), name="busy", source="file"))
        before = work(warm)
        await play(host.engine, request("b", Sampling(max_tokens=400, ignore_eos=True)))
        after = work(warm)
        assert len(host.pids) == 2
        assert host.budget_bytes is None or 0 < host.held_bytes < host.budget_bytes
    finally:
        await host.close()
    assert after == before
    assert not any(psutil.pid_exists(pid) for pid in host.pids)


async def test_weights_larger_than_all_memory_leave_the_loaded_model(demo: Path, tmp_path: Path) -> None:
    host = ModelHost(open_llama, Runtime(context=512, threads=1, gpu_layers=0))
    path = write_huge(tmp_path / "huge.gguf")
    try:
        small = inspect((demo,), name="small", source="file")
        huge = msgspec.structs.replace(small, name="huge", path=str(path), size_bytes=path.stat().st_size)
        await load(host, small)
        with pytest.raises(OutOfMemoryError):
            await load(host, huge)
        assert host.alive
        assert host.info == small
        assert isinstance((await load(host, small))[-1], Loaded)
    finally:
        await host.close()


async def test_a_worker_that_the_system_killed_for_memory_while_loading_ran_out_of_memory(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = tmp_path / "killer"
    killer.write_text("#!/bin/sh\nkill -KILL $$\n")
    killer.chmod(0o755)
    kills = itertools.count()
    monkeypatch.setattr(process, "kernel_oom_kills", lambda: next(kills))
    engine = LlamaEngine("m", str(demo), Runtime(), python=str(killer))
    with pytest.raises(OutOfMemoryError, match="ended while it opened"):
        [event async for event in engine.load()]
    await engine.close()
