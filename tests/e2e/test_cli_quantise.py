"""`llmtui models quantize` as a command."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from e2e.command import POEM, RECITE, environment, llmtui
from make_gguf import make

from llmtui.domain.quantisation import TYPES

LADDER = ("Q4_K_M", "Q4_0", "Q3_K_M", "Q2_K")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make("qwen2-tiny", "f16", tmp_path_factory.mktemp("slow") / "slow.gguf", vocab=120_000)


def test_the_demo_in_four_types_each_smaller_listed_and_able_to_answer(user: dict[str, str]) -> None:
    made = [json.loads(llmtui(user, "models", "quantize", "demo", name, "--json").stdout) for name in LADDER]
    sizes = [one["size_bytes"] for one in made]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] < made[0]["size_before_bytes"]
    assert all(one["listed"] and Path(one["path"]).stat().st_size == one["size_bytes"] for one in made)
    listed = {info["name"]: info for info in json.loads(llmtui(user, "models", "--json").stdout)["models"]}
    for name in LADDER:
        assert listed[f"demo-{name}"]["quantisation"] == name
        ask = ("ask", "-m", f"demo-{name}", "--temperature", "0", "--max-tokens", "48", RECITE)
        done = llmtui(user, *ask)
        assert done.returncode == 0
        if name == "Q4_K_M":
            assert done.stdout.decode().strip() == POEM


def test_the_lines_of_a_run(user: dict[str, str]) -> None:
    done = llmtui(user, "models", "quantize", "demo", "q2_k")
    path = Path(user["LLMTUI_DATA_DIR"]) / "models" / "demo-Q2_K.gguf"
    assert (done.returncode, done.stdout.decode()) == (0, f"{path}\n")
    told = done.stderr.decode()
    assert "a last resort" in told
    assert "lost twice" in told
    assert "56 % less" in told
    again = llmtui(user, "models", "quantize", "demo", "q2_k")
    assert again.returncode == 2
    assert "exists already" in again.stderr.decode()
    assert llmtui(user, "models", "quantize", "demo", "q2_k", "--force").returncode == 0


def test_the_list_of_types(user: dict[str, str]) -> None:
    done = llmtui(user, "models", "quantize", "--list")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines[1:]] == [kind.name for kind in TYPES]
    of_demo = json.loads(llmtui(user, "models", "quantize", "--list", "demo", "--json").stdout)["types"]
    by_name = {row["type"]: row for row in of_demo}
    assert "importance matrix" in by_name["IQ2_XXS"]["impossible"]
    assert by_name["Q8_0"]["harmful"]
    assert by_name["Q4_0"]["size_bytes"] > by_name["Q2_K"]["size_bytes"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "Name a model and a type"),
        (("demo",), "Name a model and a type"),
        (("demo", "Q9_K"), "No quantisation type"),
        (("demo", "IQ1_S"), "importance matrix"),
        (("demo", "Q8_0"), "would not make it smaller"),
        (("demo", "MXFP4"), "mixtures of experts"),
        (("demo", "Q4_0", "-o", "/nowhere/x.gguf"), "no such folder"),
        (("demo", "Q4_0", "-o", "x.bin"), "must end in .gguf"),
        (("http://127.0.0.1:9/v1#x", "Q4_0"), "Only a file"),
        (("--list", "demo", "Q4_0"), "not a type"),
    ],
)
def test_words_that_are_wrong(user: dict[str, str], args: tuple[str, ...], words: str) -> None:
    done = llmtui(user, "models", "quantize", *args)
    assert done.returncode == 2
    assert words in done.stderr.decode()


def test_a_full_disk_leaves_no_half_file(user: dict[str, str], tmp_path: Path) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = llmtui(user, "models", "quantize", "demo", "Q4_0", "-o", str(tmp_path), preexec_fn=little_room)
    assert done.returncode == 1
    assert "could not be written" in done.stderr.decode()
    assert not list(tmp_path.iterdir())


def begun(user: dict[str, str], model: Path, folder: Path) -> "subprocess.Popen[bytes]":
    """A run that has written something."""
    words = ("models", "quantize", str(model), "IQ3_S", "-o", str(folder), "--threads", "1")
    running = subprocess.Popen(
        [sys.executable, "-m", "llmtui", *words],
        env=environment(user),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stderr is not None
    while b"quantising" not in running.stderr.readline():
        assert running.poll() is None
    return running


def test_an_interrupt_leaves_nothing(user: dict[str, str], slow: Path, tmp_path: Path) -> None:
    running = begun(user, slow, tmp_path)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=20)
    assert running.returncode == 130
    assert b"interrupted" in told
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_leaves_has_no_final_name_and_the_next_run_removes_it(
    user: dict[str, str], slow: Path, tmp_path: Path
) -> None:
    running = begun(user, slow, tmp_path)
    children = psutil.Process(running.pid).children()
    running.kill()
    running.communicate(timeout=20)
    psutil.wait_procs(children, timeout=20)
    assert [path.suffix for path in tmp_path.iterdir()] == [".unfinished"]
    assert llmtui(user, "models", "quantize", "demo", "Q4_0", "-o", str(tmp_path)).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["demo-Q4_0.gguf"]
