"""The worker as a process: bad files, deaths, and nothing left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
from odd_models import write_bert, write_huge
from test_engine_contract import QUESTION, play, request

from llmtui.domain.events import Delta, Failed, LoadEvent, LoadProgress
from llmtui.domain.settings import Runtime, Sampling
from llmtui.engines.llama.client import LlamaEngine
from llmtui.errors import EngineError, LlmtuiError, ModelError

MakeGguf = Callable[..., Path]
PARENT = """
import asyncio, sys
from llmtui.domain.settings import Runtime
from llmtui.engines.llama.client import LlamaEngine

async def main():
    engine = LlamaEngine("m", sys.argv[1], Runtime(context=512, threads=1))
    async for _ in engine.load():
        pass
    print(engine.loaded.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
GARBAGE = """#!{python}
import os, sys
os.write(int(sys.argv[5]), b"\\x00\\x00\\x00\\x03abc")
sys.stdin.read()
while True:
    pass
"""


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


def size_of(path: Path) -> int:
    return path.stat().st_size


def start_parent(model: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", PARENT, str(model)], stdout=subprocess.PIPE, text=True)


async def loading(engine: LlamaEngine, events: AsyncIterator[LoadEvent] | None = None) -> list[LoadEvent]:
    return [event async for event in events or engine.load()]


def worker_pid(engine: LlamaEngine) -> int:
    process = engine._worker._process
    assert process is not None
    return process.pid


def descriptors() -> int:
    return psutil.Process().num_fds()


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def ended(pids: list[int]) -> None:
    """Wait until no process of these runs any more."""
    processes = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=20)
    assert all(gone(process.pid) for process in alive)


async def load_error(path: Path | str, **runtime: int) -> LlmtuiError:
    engine = LlamaEngine("bad", str(path), Runtime(**{"context": 512, "threads": 1, **runtime}))
    with pytest.raises(ModelError) as caught:
        await loading(engine)
    assert caught.value.remedy
    assert caught.value.exit_code == 3
    assert not engine.alive
    assert not psutil.pid_exists(worker_pid(engine))
    await engine.close()
    return caught.value


async def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist" in (await load_error(tmp_path / "no.gguf")).title


async def test_a_folder(tmp_path: Path) -> None:
    assert "folder" in (await load_error(tmp_path)).title


async def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").touch()
    assert "empty" in (await load_error(tmp_path / "m.gguf")).title


async def test_something_else(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"\x1b[2Jnot a model" * 100)
    error = await load_error(tmp_path / "m.gguf")
    assert "not a GGUF" in error.title
    assert "\x1b" not in str(error)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9])
async def test_a_truncated_file(tmp_path: Path, demo: Path, share: float) -> None:
    data = bytes_of(demo)
    (tmp_path / "m.gguf").write_bytes(data[: int(len(data) * share)])
    assert "damaged or cut off" in (await load_error(tmp_path / "m.gguf")).title


async def test_absurd_counts(tmp_path: Path) -> None:
    header = b"GGUF" + (3).to_bytes(4, "little") + (2**62).to_bytes(8, "little") * 2
    (tmp_path / "m.gguf").write_bytes(header + bytes(4096))
    assert "damaged or cut off" in (await load_error(tmp_path / "m.gguf")).title


async def test_an_unknown_architecture(tmp_path: Path, demo: Path) -> None:
    data = bytes_of(demo)
    key = b"general.architecture" + (8).to_bytes(4, "little") + (5).to_bytes(8, "little")
    assert data.count(key + b"llama") == 1
    (tmp_path / "m.gguf").write_bytes(data.replace(key + b"llama", key + b"lla\x1ba"))
    error = await load_error(tmp_path / "m.gguf")
    assert "architecture" in error.title
    assert "\x1b" not in str(error)


async def test_an_architecture_with_an_endless_name_is_shortened(tmp_path: Path, demo: Path) -> None:
    name = b"x" * (5 + 32 * 1875)  # the tensors stay aligned
    key = b"general.architecture" + (8).to_bytes(4, "little")
    data = bytes_of(demo)
    old = key + (5).to_bytes(8, "little") + b"llama"
    (tmp_path / "m.gguf").write_bytes(data.replace(old, key + len(name).to_bytes(8, "little") + name))
    error = await load_error(tmp_path / "m.gguf")
    assert "does not know the architecture" in error.title
    assert len(str(error)) < 600


async def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    engine = LlamaEngine("m\udcff", f"{tmp_path}/m\udcff.gguf", Runtime(context=512))
    with pytest.raises(ModelError, match="not UTF-8") as caught:
        await loading(engine)
    assert "Rename" in caught.value.remedy
    assert "\udcff" not in caught.value.cause
    await engine.close()


async def test_a_vocabulary_without_weights(tmp_path: Path, make_gguf: MakeGguf) -> None:
    path = make_gguf("llama-tiny", "f16", tmp_path / "m.gguf", vocab_only=True)
    assert "vocabulary" in (await load_error(path)).title


async def test_an_embedding_model(tmp_path: Path) -> None:
    assert "cannot chat" in (await load_error(write_bert(tmp_path / "m.gguf"))).title


async def test_weights_larger_than_memory_are_refused_before_they_are_read(tmp_path: Path) -> None:
    error = await load_error(write_huge(tmp_path / "m.gguf"), gpu_layers=0)
    assert "does not fit into memory" in error.title
    assert "8,192.0 GiB" in error.cause


async def test_a_context_larger_than_memory(make_gguf: MakeGguf, tmp_path: Path) -> None:
    trained = make_gguf("llama-tiny", "f16", tmp_path / "long.gguf", context=2_000_000_000)
    error = await load_error(trained, context=1_900_000_000)
    assert "memory" in error.title
    assert "1,900,000,000" in error.cause
    assert error.cause.count("iB") == 3


async def test_a_context_larger_than_memory_and_than_trained_is_cut(open_worker, demo: Path) -> None:
    async with open_worker(demo, context=2_000_000_000) as engine:
        assert engine.loaded.context_size == engine.loaded.trained_context


async def test_a_context_longer_than_trained_is_cut(open_worker, demo: Path) -> None:
    async with open_worker(demo, context=100_000) as engine:
        assert engine.loaded.context_size == engine.loaded.trained_context


async def test_what_was_granted_is_told(open_worker, tiny_gguf: Path) -> None:
    async with open_worker(tiny_gguf, context=300, gpu_layers=0) as engine:
        model = engine.loaded
    assert model.context_size == 300
    assert model.architecture == "llama"
    assert model.quantisation == "F16"
    assert model.engine == "llama.cpp"
    assert model.threads == 1
    assert model.gpu_layers == 0
    assert model.vocabulary_size == 1000
    # Two layers of two heads of 64 numbers of 16 bits, for keys and for values.
    assert model.kv_bytes_per_token == 2 * 2 * 64 * 2 * 2
    size = size_of(tiny_gguf)
    assert 0.3 * size < model.weights_read_per_token_bytes < size
    for part in ("weights_bytes", "kv_bytes", "compute_bytes"):
        assert getattr(model.memory, part) > 0
    # Four kilobytes, of which llama.cpp's log shows 0.00 MiB.
    assert model.memory.output_bytes is not None
    assert model.memory.kv_bytes == 512 * model.kv_bytes_per_token


async def test_the_fingerprint_tells_files_apart(open_worker, make_gguf: MakeGguf, tmp_path: Path) -> None:
    prints = []
    for name, seed in (("a", 1), ("b", 2), ("c", 1)):
        async with open_worker(make_gguf("llama-tiny", "f16", tmp_path / f"{name}.gguf", seed=seed)) as engine:
            prints.append(engine.loaded.fingerprint)
    assert prints[0] == prints[2] != prints[1]


async def test_a_worker_killed_in_an_answer_is_reported_and_the_part_stands(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        text, last = "", None
        async for event in engine.generate(request("a", Sampling(temperature=0, ignore_eos=True))):
            last = event
            if isinstance(event, Delta):
                text += event.text
                if text:
                    os.kill(engine.loaded.pid, signal.SIGKILL)
        assert text
        assert isinstance(last, Failed)
        assert last.kind == "engine"
        assert "signal 9" in last.title
        assert "Reload" in last.remedy
        assert not engine.alive
        assert (await play(engine, request("b")))[-1] == last
        with pytest.raises(EngineError, match="signal 9"):
            await engine.count_prompt(QUESTION)
        assert gone(engine.loaded.pid)


async def test_a_worker_ends_with_its_parent(demo: Path) -> None:
    with start_parent(demo) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        assert len(family) == 2
        parent.kill()
    await ended(family)


async def test_close_leaves_no_process(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        family = [engine.loaded.pid, *(child.pid for child in psutil.Process(engine.loaded.pid).children())]
    assert not psutil.pid_exists(family[0])
    await ended(family)


async def test_close_while_loading(make_gguf: MakeGguf, tmp_path: Path) -> None:
    engine = LlamaEngine("m", str(make_gguf("llama-tiny", "f16", tmp_path / "m.gguf")), Runtime(context=512))
    events = engine.load()
    assert isinstance(await anext(events), LoadProgress)
    await engine.close()
    with pytest.raises(EngineError):
        await loading(engine, events)
    assert not psutil.pid_exists(worker_pid(engine))


async def test_close_while_the_worker_starts(demo: Path) -> None:
    engine = LlamaEngine("m", str(demo), Runtime(context=512))
    task = asyncio.create_task(loading(engine))
    await asyncio.sleep(0)
    await engine.close()
    with pytest.raises(EngineError):
        await task
    assert not psutil.pid_exists(worker_pid(engine))


async def test_a_worker_that_ends_while_loading_is_a_model_error(demo: Path) -> None:
    engine = LlamaEngine("m", str(demo), Runtime(), python="/bin/false")
    with pytest.raises(ModelError, match="ended while it opened"):
        await loading(engine)


async def test_a_worker_killed_while_loading_is_not_blamed_on_the_file(demo: Path, tmp_path: Path) -> None:
    for name, word in (("KILL", "memory"), ("SEGV", "damaged")):
        fake = tmp_path / name
        fake.write_text(f"#!/bin/sh\nkill -{name} $$\n")
        fake.chmod(0o755)
        engine = LlamaEngine("m", str(demo), Runtime(), python=str(fake))
        with pytest.raises(ModelError, match="ended while it opened") as caught:
            await loading(engine)
        assert word in caught.value.remedy
        assert name in caught.value.cause
        await engine.close()


async def test_an_interpreter_that_is_missing(demo: Path, tmp_path: Path) -> None:
    engine = LlamaEngine("m", str(demo), Runtime(), python=str(tmp_path / "none"))
    with pytest.raises(EngineError, match="cannot be started") as caught:
        await loading(engine)
    assert "memory" not in caught.value.remedy
    await engine.close()


async def test_no_descriptor_is_left_by_a_worker_that_cannot_be_started(demo: Path, tmp_path: Path) -> None:
    for name in ("first", "counted"):
        engine = LlamaEngine("m", str(demo), Runtime(), python=str(tmp_path / name))
        before = descriptors()
        with pytest.raises(EngineError, match="cannot be started"):
            await loading(engine)
        await engine.close()
    assert descriptors() == before


async def test_no_descriptor_is_left_by_a_start_that_was_cancelled(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(*_args: object, **_options: object) -> None:
        raise asyncio.CancelledError

    engine = LlamaEngine("m", str(demo), Runtime())
    monkeypatch.setattr("llmtui.engines.llama.process.asyncio.create_subprocess_exec", cancelled)
    before = descriptors()
    with pytest.raises(asyncio.CancelledError):
        await loading(engine)
    assert descriptors() == before


async def test_too_many_open_files_are_an_error_and_leave_none(demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, made = os.pipe, []

    def second_fails() -> tuple[int, int]:
        if made:
            raise OSError(24, "Too many open files")
        made.append(pipe())
        return made[0]

    engine = LlamaEngine("m", str(demo), Runtime())
    before = descriptors()
    with monkeypatch.context() as patched:
        patched.setattr("llmtui.engines.llama.process.os.pipe", second_fails)
        with pytest.raises(EngineError, match="cannot be started") as caught:
            await loading(engine)
    assert "Too many open files" in caught.value.cause
    assert "ulimit -n" in caught.value.remedy
    assert descriptors() == before


async def test_garbage_from_the_worker_ends_it(tmp_path: Path, demo: Path) -> None:
    fake = tmp_path / "fake"
    fake.write_text(GARBAGE.format(python=sys.executable))
    fake.chmod(0o755)
    engine = LlamaEngine("m", str(demo), Runtime(), python=str(fake))
    with pytest.raises(LlmtuiError, match="unreadable"):
        await loading(engine)
    assert not psutil.pid_exists(worker_pid(engine))


async def test_log_lines_are_safe_to_show(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        log = engine.last_log()
    assert any("buffer size" in line for line in log)
    assert all(line.isprintable() for line in log)


async def test_load_twice_is_refused(open_worker, demo: Path) -> None:
    async with open_worker(demo) as engine:
        with pytest.raises(EngineError):
            await anext(engine.load())
