"""`llmtui models` and `llmtui doctor` as commands."""

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from e2e.command import RECITE, llmtui
from make_gguf import make
from unit.gguf_bytes import kv_string, model, write

COLUMNS = ["NAME", "ARCH", "PARAMS", "QUANT", "SIZE", "CONTEXT", "FITS", "SOURCE", "WHERE"]


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder from which `./models` holds a model with a Chinese name."""
    (tmp_path / "models").mkdir()
    make("qwen2-tiny", "q8_0", tmp_path / "models" / "静夜思.gguf", context=2048)
    return tmp_path


def test_the_list_is_aligned_and_names_every_model(user: dict[str, str], shelf: Path) -> None:
    done = llmtui(user, "models", cwd=shelf)
    assert (done.returncode, done.stderr) == (0, b"")
    head, demo, own = done.stdout.decode().splitlines()
    assert head.split() == COLUMNS
    assert demo.split()[:2] == ["demo", "llama"]
    assert "MiB" in demo
    assert demo.endswith("comes along")
    assert own.startswith("静夜思  qwen2")
    assert own.endswith("models/静夜思.gguf")
    assert "2,048" in own
    assert own[head.index("FITS") - 3 :].startswith("yes")
    # The Chinese name takes six cells for three characters, so the next column starts three characters earlier.
    assert head.index("ARCH") == demo.index("llama") == own.index("qwen2") + 3


def test_the_list_as_json(user: dict[str, str], shelf: Path) -> None:
    found = json.loads(llmtui(user, "models", "--json", cwd=shelf).stdout)["models"]
    assert [info["name"] for info in found] == ["demo", "静夜思"]
    assert found[1]["quantisation"] == "Q8_0"
    assert found[1]["trained_context"] == 2048
    assert found[1]["fit"]["verdict"] == "yes"
    assert found[1]["fit"]["context"] == 2048
    assert found[1]["size_bytes"] == (shelf / "models" / "静夜思.gguf").stat().st_size


@pytest.mark.parametrize("spec", ["静夜思", "静", "models/静夜思.gguf"])
def test_one_model_in_full(user: dict[str, str], shelf: Path, spec: str) -> None:
    done = llmtui(user, "models", "show", spec, cwd=shelf)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    for words in ("architecture  qwen2", "tensor types", "special tokens", "metadata", "chat template", "im_start"):
        assert words in text
    assert "qwen2.context_length" in text
    assert len(text) < 20_000


@pytest.mark.parametrize("args", [["show", "demo", "--json"], ["--json", "show", "demo"]])
def test_one_model_as_json(user: dict[str, str], args: list[str]) -> None:
    found = json.loads(llmtui(user, "models", *args).stdout)
    assert found["info"]["name"] == "demo"
    assert found["metadata"]["general.architecture"] == "llama"
    assert found["template"]
    assert sum(share["share"] for share in found["tensor_types"]) == pytest.approx(1)


def test_adapters_stand_apart(user: dict[str, str], shelf: Path) -> None:
    write(shelf / "models" / "tuned.gguf", model(extra=[kv_string("general.type", "adapter")]))

    plain = llmtui(user, "models", cwd=shelf).stdout.decode()
    found = json.loads(llmtui(user, "models", "--json", cwd=shelf).stdout)

    models, adapters = plain.split("\n\nLoRA adapters\n")
    assert "tuned" not in models
    assert adapters.splitlines()[1].startswith("tuned")
    assert [info["name"] for info in found["adapters"]] == ["tuned"]
    assert [info["name"] for info in found["models"]] == ["demo", "静夜思"]


def test_the_next_listing_comes_from_the_cache(user: dict[str, str], shelf: Path) -> None:
    first = llmtui(user, "models", cwd=shelf).stdout
    kept = Path(user["LLMTUI_DATA_DIR"], "cache", "headers.msgpack")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    written = kept.stat().st_mtime_ns

    assert llmtui(user, "models", cwd=shelf).stdout == first
    assert kept.stat().st_mtime_ns == written


def test_a_file_name_that_is_no_utf8_is_listed(user: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    path = os.fsencode(tmp_path) + b"/models/caf\xe9.gguf"
    make("llama-tiny", "f16", tmp_path / "model.gguf").rename(os.fsdecode(path))
    plain = llmtui(user, "models", cwd=tmp_path)
    assert plain.returncode == 0
    assert "caf\ufffd" in plain.stdout.decode()
    found = json.loads(llmtui(user, "models", "--json", cwd=tmp_path).stdout)["models"]
    assert os.fsencode(found[1]["path"]) == path


def test_the_doctor_finds_a_sound_installation(user: dict[str, str]) -> None:
    done = llmtui(user, "doctor", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads(done.stdout)
    assert report["ok"] is True
    checks = {check["key"]: check for section in report["sections"] for check in section["checks"]}
    assert checks["demo"]["status"] == "ok"
    assert checks["llama.build"]["status"] == "ok"
    assert checks["machine.bandwidth"]["amount"] > 1e8
    assert checks["gpu"]["value"]
    kept = Path(user["LLMTUI_DATA_DIR"], "cache", "machine.json")
    assert json.loads(kept.read_bytes())["memory_bandwidth"] == checks["machine.bandwidth"]["amount"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    metrics = json.loads(llmtui(user, "ask", "--json", "--temperature", "0", RECITE).stdout)["metrics"]
    assert metrics["bandwidth_fraction"] > 0


def test_the_doctor_fails_for_a_bad_configuration_and_goes_on(user: dict[str, str]) -> None:
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text("temprature = 1\n", encoding="utf-8")
    done = llmtui(user, "doctor")
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "✗ failed" in text
    assert "temprature" in text
    assert "✓ ok  demo" in text
    assert text.rstrip().endswith("1 failed: files.config")


def test_the_checksum_is_read_when_asked_for(user: dict[str, str], shelf: Path) -> None:
    file = shelf / "models" / "静夜思.gguf"
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    plain = llmtui(user, "models", "show", "静夜思", "--hash", cwd=shelf)
    found = json.loads(llmtui(user, "models", "show", "静夜思", "--hash", "--json", cwd=shelf).stdout)

    assert f"{expected}  {file}" in plain.stdout.decode()
    assert "checking 静夜思 · 100 %" in plain.stderr.decode()
    assert found["sha256"] == {str(file): expected}


def test_named_templates_are_shown_in_full(user: dict[str, str], shelf: Path) -> None:
    tools = "{% for tool in tools %}" + "x" * 300 + "{% endfor %}"
    write(shelf / "models" / "tools.gguf", model(extra=[kv_string("tokenizer.chat_template.tool_use", tools)]))
    text = llmtui(user, "models", "show", "tools", cwd=shelf).stdout.decode()
    assert f"chat template tool_use\n  {tools}" in text
