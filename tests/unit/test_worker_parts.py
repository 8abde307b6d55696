"""The worker's parts that need no model."""

import subprocess
import sys
from array import array
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.messages import ChatMessage
from llmtui.domain.settings import Runtime
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.llama.deaths import describe_death, load_remedy, telling_line
from llmtui.engines.llama.worker import logs, machine
from llmtui.engines.llama.worker.bindings import llama
from llmtui.engines.llama.worker.facts import TensorFacts
from llmtui.engines.llama.worker.fitting import check_weights
from llmtui.engines.llama.worker.sequences import common_prefix
from llmtui.engines.rendering import process, renderer
from llmtui.engines.rendering.frames import RenderRequest
from llmtui.errors import ModelError, TemplateError

TOKENS = st.lists(st.integers(0, 2), max_size=40).map(lambda values: array("i", values))

KEPT: list[object] = []
"""Callbacks that native code may call until the end."""


@given(TOKENS, TOKENS)
def test_the_common_prefix_is_the_longest(left: "array[int]", right: "array[int]") -> None:
    length = common_prefix(left, right)
    assert left[:length] == right[:length]
    assert length in {len(left), len(right)} or left[length] != right[length]


def test_a_long_common_prefix_is_found() -> None:
    tokens = array("i", range(100_000))
    other = tokens[:99_999] + array("i", [7])
    assert common_prefix(tokens, other) == 99_999


def test_a_dense_model_reads_all_but_its_input_embedding() -> None:
    facts = TensorFacts(tensors=9, total_bytes=100, embedding_bytes=30, expert_bytes=0, tied=False)
    assert facts.read_per_token(None, None) == 70


def test_a_tied_embedding_is_read_as_the_output_layer() -> None:
    facts = TensorFacts(tensors=9, total_bytes=100, embedding_bytes=30, expert_bytes=0, tied=True)
    assert facts.read_per_token(None, None) == 100


def test_a_mixture_reads_its_active_experts() -> None:
    facts = TensorFacts(tensors=9, total_bytes=100, embedding_bytes=20, expert_bytes=40, tied=False)
    assert facts.read_per_token(2, 8) == 50
    assert facts.read_per_token(None, 8) is None


def test_threads_are_at_least_one_and_at_most_the_cpus() -> None:
    import os

    assert 1 <= machine.usable_cores() <= (os.cpu_count() or 1)


def test_a_container_limits_cores_and_memory(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 300000\nfile 600000\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.usable_cores() == 1
    assert machine.available_memory() == 700_000


def test_no_container_limit_is_no_limit(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    available = machine.available_memory()
    assert available is None or available > 1_000_000


def test_a_signal_is_named() -> None:
    title, cause, remedy = describe_death(-9, ["loading", "last line"], out_of_memory=False)
    assert title == "The model process was killed (signal 9, SIGKILL)"
    assert cause == "", "what it wrote last has nothing to do with being killed"
    assert "Reload" in remedy


def test_a_kill_for_want_of_memory_is_told_apart() -> None:
    title, _, remedy = describe_death(-9, [], out_of_memory=True)
    assert "memory" in title
    assert "context" in remedy


def test_only_a_crash_while_loading_says_that_the_file_is_damaged() -> None:
    for code in (-11, -6, -7):
        assert "damaged" in load_remedy(code, "chosen")
    for code in (None, 3, -9, -15):
        assert load_remedy(code, "chosen") == "chosen"
    assert "memory" in load_remedy(-9, describe_death(-9, [], out_of_memory=False)[2])


def test_an_exit_code_is_told() -> None:
    assert "exit code 3" in describe_death(3, [], out_of_memory=False)[0]


def test_the_telling_line_of_a_log_is_the_assertion() -> None:
    log = ["load: fine", "ggml.c:12: GGML_ASSERT(a == b) failed", "ggml_print_backtrace: off"]
    assert "GGML_ASSERT" in telling_line(log)
    assert telling_line(["only"]) == "only"
    assert telling_line([])


def test_a_thread_that_fails_ends_the_worker() -> None:
    program = (
        "import threading\n"
        "from llmtui.engines.llama.worker.__main__ import end_with_thread\n"
        "threading.excepthook = end_with_thread\n"
        "threading.Thread(target=lambda: 1 / 0).start()\n"
        "threading.Event().wait(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 4
    assert "ZeroDivisionError" in done.stderr


def test_a_renderer_that_cannot_be_started_is_an_error_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    renders = renderer.Renderer()
    loop = "{% for i in range(99999) %}"
    endless = NamedTemplate(name="m", text=loop * 2 + "{% endfor %}" * 2, source="model")
    short = NamedTemplate(name="m", text="{{ messages[0].content }}", source="model")
    message = [ChatMessage("user", "hello")]
    try:
        with monkeypatch.context() as patched:
            patched.setattr(renderer.subprocess, "Popen", refuse)
            patched.setattr(renderer, "RENDER_SECONDS", 0.1)
            with pytest.raises(TemplateError, match="render this conversation"):
                renders.render(endless, message, bos_text="", eos_text="")
            with pytest.raises(TemplateError, match="cannot be started"):
                renders.render(short, message, bos_text="", eos_text="")
        assert renders.render(short, message, bos_text="", eos_text="").text == "hello"
    finally:
        renders.close()


def test_a_template_is_compiled_once_and_rendered_anew() -> None:
    compile_ = process.compiler()
    template = "{% set found = namespace(n=0) %}{% set found.n = found.n + 1 %}{{ found.n }} {{ messages[0].content }}"

    def rendered(content: str) -> str | None:
        return process.render(compile_, RenderRequest(template, [{"role": "user", "content": content}], "", "")).text

    assert [rendered("a"), rendered("b")] == ["1 a", "1 b"]
    assert compile_(template) is compile_(template)
    assert process.render(compile_, RenderRequest("{{ broken", [], "", "")).problem


def test_a_dry_run_leaves_no_trace_in_the_log() -> None:
    log = logs.LogCapture()
    error, info = 4, 2
    try:
        log._take(info, b"load_tensors: offloaded 25/25 layers to GPU\n", None)
        log._take(info, b"llama_kv_cache:        CPU KV buffer size =     2.00 MiB\n", None)
        with log.aside():
            log._take(info, b"load_tensors: offloaded 0/25 layers to GPU\n", None)
            log._take(info, b"llama_kv_cache:        CPU KV buffer size =     9.00 MiB\n", None)
            log._take(error, b"llama_init: failed\n", None)
            assert list(log.errors) == ["llama_init: failed"]
            assert log.memory().kv_bytes == 9 << 20
    finally:
        quiet = llama.llama_log_callback(lambda _level, _text, _data: None)
        KEPT.append(quiet)
        llama.llama_log_set(quiet, None)
    assert not log.errors
    assert (log.gpu_layers, log.memory().kv_bytes) == (25, 2 << 20)


def test_weights_that_do_not_fit_are_refused_and_seldom_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(bytes(2000))
    facts: Future[TensorFacts | None] = Future()
    on_processor = Runtime(gpu_layers=0)
    check_weights(str(path), facts, on_processor, 2000)
    check_weights(str(path), facts, on_processor, None)
    assert not facts.done()

    facts.set_result(TensorFacts(tensors=1, total_bytes=1900, embedding_bytes=0, expert_bytes=0, tied=False))
    check_weights(str(path), facts, on_processor, 1950)
    with pytest.raises(ModelError, match="does not fit"):
        check_weights(str(path), facts, on_processor, 1800)
