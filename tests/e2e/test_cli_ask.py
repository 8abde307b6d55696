"""`llmtui ask` with the real worker and the demo model."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from e2e.command import ANSWER_S, POEM, RECITE, environment, llmtui, workers_of
from make_gguf import make

from llmtui.domain.metrics import METRIC_KEYS


def test_the_demo_recites(user: dict[str, str]) -> None:
    done = llmtui(user, "ask", "-m", "demo", "--temperature", "0", RECITE)
    assert done.stdout.decode() == POEM + "\n"
    assert done.stderr == b""
    assert done.returncode == 0
    assert not Path(user["LLMTUI_DATA_DIR"], "chats").exists()


def test_the_prompt_can_come_through_a_pipe(user: dict[str, str]) -> None:
    done = llmtui(user, "ask", "--temperature", "0", stdin=f"{RECITE}\n".encode())
    assert done.stdout.decode() == POEM + "\n"


def test_json_holds_every_metric_and_where_it_came_from(user: dict[str, str]) -> None:
    done = llmtui(user, "ask", "-m", "demo", "--json", "--temperature", "0", "--seed", "7", RECITE)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "床前明月光".encode() in done.stdout
    report = json.loads(done.stdout)
    assert report["content"] == POEM
    assert report["model"] == "demo"
    assert report["finish_reason"] == "stop"
    assert report["error"] is None
    metrics = report["metrics"]
    assert set(metrics) == {*METRIC_KEYS, "sources", "reasons"}
    for key in METRIC_KEYS:
        assert (metrics[key] is None) == (key in metrics["reasons"]), key
        assert (metrics[key] is not None) == (key in metrics["sources"]), key
    for key in ("load_s", "ttft_s", "decode_tps", "decode_cps", "itl_p50_ms", "rss_peak_bytes", "kv_bytes", "total_s"):
        assert metrics[key] > 0, key
    assert metrics["total_s"] > metrics["ttft_s"]
    assert metrics["context_used"] >= metrics["prompt_tokens"] + metrics["completion_tokens"] - 1
    manifest = report["manifest"]
    assert manifest["seed"] == 7
    assert manifest["sampling"]["temperature"] == 0
    assert len(manifest["rendered_sha256"]) == 64
    assert manifest["context_granted"] == metrics["context_size"]


def test_stats_go_to_standard_error(user: dict[str, str]) -> None:
    done = llmtui(user, "ask", "--stats", "--temperature", "0", "--max-tokens", "5", RECITE)
    assert done.returncode == 0
    lines = done.stderr.decode().splitlines()
    assert [line.split()[0] for line in lines] == [
        *("template", "load", "prefill", "ttft", "decode", "itl", "context"),
        *("memory", "gpu", "energy", "bandwidth", "finish", "total"),
    ]
    assert lines[0].split()[1] == "model"
    assert "length" in lines[11]
    assert POEM.startswith(done.stdout.decode().rstrip("\n"))


def test_stop_and_sampling_options_reach_the_model(user: dict[str, str]) -> None:
    options = ["--temperature", "0", "--stop", "，", "--top-k", "5", "--context", "256"]
    done = llmtui(user, "ask", "--json", *options, RECITE)
    report = json.loads(done.stdout)
    assert report["content"] == "床前明月光"
    assert report["manifest"]["sampling"]["top_k"] == 5
    assert report["metrics"]["context_size"] == 256


def test_a_raw_prompt_meets_no_template(user: dict[str, str]) -> None:
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text('system = "Be brief."\n', encoding="utf-8")
    asked = f"<|user|>\n{RECITE}<|end|>\n<|assistant|>\n"
    flags = ["--raw", "--temperature", "0"]
    done = llmtui(user, "ask", *flags, "--json", "--stats", asked)
    report = json.loads(done.stdout)
    assert report["content"] == POEM
    assert report["manifest"]["template_source"] == "none: the prompt was sent as it is"
    assert "template_sha256" not in report["manifest"]
    assert report["manifest"]["rendered_sha256"] == hashlib.sha256(asked.encode()).hexdigest()
    assert " ".join(done.stderr.decode().split()).startswith("template none the prompt was sent as it is")
    piped = llmtui(user, "ask", *flags, stdin=asked.encode())
    assert piped.stdout.decode() == POEM + "\n"
    refused = llmtui(user, "ask", "--raw", "-s", "x", "hello")
    assert refused.returncode == 2
    assert "--raw sends no system message" in refused.stderr.decode()


def test_the_configuration_gives_the_defaults(user: dict[str, str], babbler: Path) -> None:
    config = f'default_model = "{babbler}"\nsystem = "Be brief."\n[sampling]\nmax_tokens = 3\n'
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text(config, encoding="utf-8")
    plain = json.loads(llmtui(user, "ask", "--json", "hi").stdout)
    assert plain["model"] == "babbler"
    assert plain["manifest"]["sampling"]["max_tokens"] == 3
    bare = json.loads(llmtui(user, "ask", "--json", "-s", "", "hi").stdout)
    assert bare["metrics"]["prompt_tokens"] < plain["metrics"]["prompt_tokens"]


@pytest.mark.parametrize("as_json", [False, True])
def test_an_interrupt_keeps_the_partial_answer_and_leaves_no_worker(
    talker: dict[str, str], babbler: Path, *, as_json: bool
) -> None:
    flags = ["--json"] if as_json else []
    process = subprocess.Popen(
        [sys.executable, "-m", "llmtui", "ask", "-m", str(babbler), "--temperature", "1.5", *flags, "go on and on"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(talker),
        bufsize=0,
    )
    assert process.stdout is not None
    begun = b""
    if as_json:
        wait_for_a_busy_worker(process)
    else:
        while len(begun) < 20:
            begun += os.read(process.stdout.fileno(), 20)
    workers = workers_of(process.pid)
    assert workers
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=ANSWER_S)
    assert process.returncode == 130
    assert err == b"interrupted\n"
    _, alive = psutil.wait_procs(workers, timeout=ANSWER_S)
    assert alive == []
    if as_json:
        report = json.loads(out)
        assert report["finish_reason"] == "cancelled"
        assert report["manifest"] is not None or report["metrics"]["reasons"]["ttft_s"] == "the load was interrupted"
    else:
        assert (begun + out).endswith(b"\n")


def wait_for_a_busy_worker(process: "subprocess.Popen[bytes]") -> None:
    """Until the worker has used processor time: it loads or generates."""
    while process.poll() is None:
        for worker in workers_of(process.pid):
            try:
                worker.wait(timeout=0.02)
            except psutil.TimeoutExpired:
                if worker.cpu_times().user > 0.2:
                    return
    pytest.fail("the command ended before it could be interrupted")


def test_a_reader_that_goes_away_ends_it_quietly(talker: dict[str, str], babbler: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "llmtui", "ask", "-m", str(babbler), "--temperature", "1.5", "go on and on"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(talker),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(1)
    workers = workers_of(process.pid)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=ANSWER_S) == 0
    _, alive = psutil.wait_procs(workers, timeout=ANSWER_S)
    assert alive == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_error_is_nobodys_loss(user: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "llmtui", "models", "count", "demo", "hello"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=full,
            timeout=ANSWER_S,
            check=False,
            env=environment(user),
        )
    assert (done.returncode, done.stdout) == (0, b"1\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_standard_output_is_told(user: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            [sys.executable, "-m", "llmtui", "ask", "--max-tokens", "2", "hello"],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=ANSWER_S,
            check=False,
            env=environment(user),
        )
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert lines[0] == "error: The answer cannot be written to standard output"
    assert len(lines) == 3


def test_hostile_output_reaches_no_terminal_raw(user: dict[str, str], tmp_path: Path) -> None:
    model = make("llama-tiny", "f16", tmp_path / "evil\x1b[2J.gguf")
    done = llmtui(user, "ask", "-m", str(model), "--temperature", "2", "--seed", "3", "--max-tokens", "200", "x")
    assert done.returncode == 0
    assert not any(byte < 0x20 and byte not in b"\n\t" for byte in done.stdout)
    listed = llmtui(user, "models", "show", str(model))
    assert listed.returncode == 0
    assert b"\x1b" not in listed.stdout
    assert "evil␛[2J".encode() in listed.stdout


def test_folders_that_cannot_be_written_do_not_matter(user: dict[str, str]) -> None:
    done = llmtui({**user, "LLMTUI_DATA_DIR": "/proc/none"}, "ask", "--temperature", "0", RECITE)
    assert (done.returncode, done.stdout.decode()) == (0, POEM + "\n")
