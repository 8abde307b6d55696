"""Every bad input that reaches the command line: exit code, what is wrong, what to do, and no traceback."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e.command import DEMO, environment, llmtui
from make_gguf import make

Make = Callable[[Path], object]


def error_of(done: "subprocess.CompletedProcess[bytes]", code: int) -> str:
    """Standard error of a command that failed with `code` and said so in the agreed form."""
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert done.stdout == b""
    lines = text.splitlines()
    assert lines[0].startswith("error: ")
    assert 2 <= len(lines) <= 3, text
    assert all(line.startswith("  ") for line in lines[1:]), text
    assert "Traceback" not in text
    return text


def truncated(path: Path) -> None:
    path.write_bytes(DEMO.read_bytes()[:200_000])


def unknown_architecture(path: Path) -> None:
    key = b"general.architecture" + struct.pack("<IQ", 8, 5)
    data = DEMO.read_bytes()
    assert key + b"llama" in data
    path.write_bytes(data.replace(key + b"llama", key + b"zebra").replace(b"llama.", b"zebra."))


def unreadable(path: Path) -> None:
    path.write_bytes(DEMO.read_bytes())
    path.chmod(0)


BAD_FILES: dict[str, tuple[Make, list[str]]] = {
    "missing": (lambda path: None, ["bad.gguf"]),
    "folder": (lambda path: path.mkdir(), ["folder", "Name the .gguf file"]),
    "empty": (lambda path: path.touch(), ["empty"]),
    "not gguf": (lambda path: path.write_text("a letter to a friend\n" * 9), ["not a GGUF"]),
    "truncated": (truncated, ["truncated"]),
    "absurd counts": (lambda path: path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60)), ["bad.gguf"]),
    "unknown architecture": (unknown_architecture, ["zebra"]),
    "vocabulary only": (lambda path: make("llama-tiny", "f16", path, vocab_only=True), ["vocabulary only"]),
    "unreadable": (unreadable, ["ermission"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused(user: dict[str, str], tmp_path: Path, name: str) -> None:
    if name == "unreadable" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    write, words = BAD_FILES[name]
    path = tmp_path / "bad.gguf"
    write(path)
    text = error_of(llmtui(user, "ask", "-m", str(path), "hello"), 3)
    for word in words:
        assert word in text


def test_a_bad_file_in_a_listing_is_marked_and_hides_no_other(user: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    truncated(tmp_path / "models" / "half.gguf")
    make("qwen2-tiny", "q8_0", tmp_path / "models" / "whole.gguf")
    done = llmtui(user, "models", cwd=tmp_path)
    rows = {line.split()[0]: line for line in done.stdout.decode().splitlines()}
    assert done.returncode == 0
    assert list(rows) == ["NAME", "demo", "half", "whole"]
    assert "! " in rows["half"]
    assert "truncated" in rows["half"]
    assert "qwen2" in rows["whole"]
    assert "Q8_0" in rows["whole"]


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no system role') }}",
        "{% for i in range(99999999) %}{% for j in range(99999999) %}{% endfor %}{% endfor %}",
        "{{ messages",
        "{{ ''.__class__.__mro__ }}",
    ],
    ids=["raises", "endless", "invalid", "escapes the sandbox"],
)
def test_a_bad_template_is_told_as_such(user: dict[str, str], tmp_path: Path, template: str) -> None:
    model = make("llama-tiny", "f16", tmp_path / "model.gguf", template=template)
    done = llmtui(user, "ask", "-m", str(model), "--max-tokens", "1", "hello")
    assert "template" in error_of(done, 3).lower()


def test_a_context_larger_than_memory_is_refused(user: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "patient.gguf"
    make("llama-tiny", "f16", path, context=2_000_000_000)
    done = llmtui(user, "ask", "-m", str(path), "--context", "2000000000", "hello")
    text = error_of(done, 3)
    assert "context" in text.lower()
    assert "memory" in text.lower()


def test_a_prompt_longer_than_the_context_names_both_numbers(user: dict[str, str]) -> None:
    done = llmtui(user, "ask", "--context", "256", stdin=("月" * 3000).encode())
    text = error_of(done, 3)
    assert "256" in text
    numbers = [int(word.replace(",", "")) for word in text.split() if word.replace(",", "").isdigit()]
    assert max(numbers) > 1000


def test_a_failed_load_is_one_json_object_too(user: dict[str, str], tmp_path: Path) -> None:
    import json

    done = llmtui(user, "ask", "--json", "-m", str(tmp_path / "none.gguf"), "hello")
    assert done.returncode == 3
    report = json.loads(done.stdout)
    assert report["content"] == ""
    assert report["finish_reason"] == "error"
    assert report["error"]["kind"] == "model"
    assert report["metrics"]["reasons"]["decode_tps"] == "the model could not be loaded"
    assert done.stderr.startswith(b"error: ")


def test_invalid_utf8_on_standard_input_names_the_byte(user: dict[str, str]) -> None:
    text = error_of(llmtui(user, "ask", "-", stdin="静夜".encode("gb18030")), 2)
    assert "not valid UTF-8" in text
    assert "offset 0" in text
    assert "iconv" in text


def test_invalid_utf8_in_the_prompt_is_refused(user: dict[str, str]) -> None:
    assert "UTF-8" in error_of(llmtui(user, "ask", b"caf\xe9"), 2)


def test_no_prompt_is_refused(user: dict[str, str]) -> None:
    assert "There is no prompt" in error_of(llmtui(user, "ask"), 2)


@pytest.mark.parametrize("args", [[], ["demo"], ["--context", "512"]])
def test_without_a_terminal_the_program_points_to_ask(user: dict[str, str], args: list[str]) -> None:
    text = error_of(llmtui(user, *args), 2)
    assert "needs a terminal" in text
    assert "llmtui ask" in text


def test_an_unknown_name_lists_near_ones(user: dict[str, str]) -> None:
    text = error_of(llmtui(user, "ask", "-m", "dmeo", "hello"), 2)
    assert "dmeo" in text
    assert "demo" in text.replace("dmeo", "")
    assert "llmtui models" in text


def test_an_ambiguous_name_lists_the_matches(user: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in ("tiny-a", "tiny-b"):
        make("llama-tiny", "f16", tmp_path / "models" / f"{name}.gguf")
    text = error_of(llmtui(user, "ask", "-m", "tiny", "hello", cwd=tmp_path), 2)
    assert "tiny-a, tiny-b" in text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("temprature = 1\n", ["line 1", "temprature"]),
        ("[sampling]\ntop_p = 7\n", ["line 2", "top_p"]),
        ("x = [\n", ["config.toml", "TOML"]),
    ],
)
def test_a_bad_configuration_names_file_and_line(user: dict[str, str], config: str, words: list[str]) -> None:
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text(config, encoding="utf-8")
    text = error_of(llmtui(user, "ask", "hello"), 2)
    for word in [*words, "config.toml"]:
        assert word in text


@pytest.mark.parametrize("words", ["--help", "models", "models show demo"])
def test_a_reader_that_is_gone_already_is_no_error(user: dict[str, str], words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "llmtui", *words.split()],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
        env=environment(user),
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_closed_streams_are_no_crash(user: dict[str, str]) -> None:
    for redirection in ("<&-", "2>&-", "<&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'"$0" -m llmtui ask --max-tokens 1 hello {redirection}', sys.executable],
            stdout=subprocess.PIPE,
            check=False,
            timeout=120,
            env=environment(user),
        )
        assert done.returncode == 0, redirection
        assert done.stdout


def test_a_closed_standard_output_is_told(user: dict[str, str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m llmtui ask --max-tokens 1 hello >&-', sys.executable],
        stderr=subprocess.PIPE,
        check=False,
        timeout=120,
        env=environment(user),
    )
    assert done.returncode == 1
    assert b"Standard output is closed" in done.stderr


def test_a_working_folder_that_is_gone_is_no_defect(user: dict[str, str], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1" && rmdir "$1" && "$0" -m llmtui models rm models/x.gguf', sys.executable, str(gone)],
        capture_output=True,
        check=False,
        timeout=120,
        env=environment(user),
    )
    assert "The working folder is gone" in error_of(done, 1)
