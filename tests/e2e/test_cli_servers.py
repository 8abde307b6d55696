"""`llmtui ask` and `models` with a real llama.cpp server."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.command import DEMO, POEM, RECITE, llmtui
from servers.llama_server import llama_server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with llama_server(DEMO, context=1024) as running:
        yield running


@pytest.fixture
def customer(user: dict[str, str], address: str) -> dict[str, str]:
    """A user with one server that runs and one that does not."""
    config = f'[servers.box]\nurl = "{address}/v1"\n\n[servers.off]\nurl = "http://127.0.0.1:1/v1"\n'
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text(config, encoding="utf-8")
    return user


@pytest.mark.parametrize("spec", ["box/demo", "box", "URL/v1#demo", "URL"])
def test_the_server_recites_as_the_worker_does(customer: dict[str, str], address: str, spec: str) -> None:
    spec = spec.replace("URL", address)
    done = llmtui(customer, "ask", "-m", spec, "--temperature", "0", "--json", RECITE)
    assert (done.returncode, done.stderr) == (0, b"")
    there = json.loads(done.stdout)
    here = json.loads(llmtui(customer, "ask", "-m", "demo", "--temperature", "0", "--json", RECITE).stdout)
    assert there["content"].strip() == here["content"].strip() == POEM
    for key in ("prompt_tokens", "completion_tokens", "context_used", "finish_reason"):
        assert there["metrics"][key] == here["metrics"][key], key
    assert there["metrics"]["context_size"] == 1024
    assert there["metrics"]["sources"]["prompt_tokens"] == "engine"
    assert "server" in there["metrics"]["reasons"]["rss_anon_bytes"]
    assert there["manifest"]["engine"] == "openai"
    assert there["manifest"]["engine_build"].startswith("llama-server")
    assert there["manifest"]["template_sha256"] == here["manifest"]["template_sha256"]
    assert there["model"] == spec + {"box": "/demo", address: "#demo"}.get(spec, "")


def test_models_lists_what_is_served_and_what_is_off(customer: dict[str, str], address: str) -> None:
    done = llmtui(customer, "models")
    assert (done.returncode, done.stderr) == (0, b"")
    _, _, box, off = done.stdout.decode().splitlines()
    assert box.startswith("box/demo")
    assert box.endswith(f"{address}/v1")
    assert "Q8_0" in box
    assert off.startswith("off/")
    assert "! off cannot be reached" in off
    found = json.loads(llmtui(customer, "models", "--json").stdout)["models"]
    assert [(info["name"], info["source"]) for info in found[1:]] == [("box/demo", "server"), ("off/", "server")]
    assert found[1]["served_id"] == "demo"


def test_show_tells_what_the_server_tells(customer: dict[str, str], address: str) -> None:
    done = llmtui(customer, "models", "show", "box")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines()[:10])
    assert (lines["name"], lines["id"], lines["server"]) == ("box/demo", "demo", f"{address}/v1")
    assert (lines["quantisation"], lines["context"]) == ("Q8_0", "1,024 tokens")
    assert "message['role']" in done.stdout.decode()
    found = json.loads(llmtui(customer, "models", "show", f"{address}/v1#demo", "--json").stdout)
    assert (found["context_size"], found["served_by"], found["info"]["name"]) == (
        *(1024, "llama-server"),
        f"{address}/v1#demo",
    )
    missing = llmtui(customer, "models", "show", "box/demoo")
    assert missing.returncode == 3
    assert "near matches: demo" in missing.stderr.decode()


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("box/demoo", 3, "near matches: demo"),
        ("off/any", 3, "off cannot be reached"),
        ("http://127.0.0.1:1/v1#any", 3, "127.0.0.1:1 cannot be reached"),
        ("http://:1", 2, "This URL is not that of a server"),
        ("boxx/demo", 2, "near matches: box/demo"),
        ("nothing/like/it", 2, "No model is called 'nothing/like/it'"),
        ("boxx/demo.gguf", 3, "boxx/demo.gguf"),
        ("./boxx/demo", 3, "boxx/demo"),
    ],
)
def test_what_cannot_be_asked(customer: dict[str, str], spec: str, code: int, words: str) -> None:
    done = llmtui(customer, "ask", "-m", spec, "hello")
    assert done.returncode == code
    assert words in done.stderr.decode()
    assert done.stdout == b""


def test_a_key_that_is_missing_is_named(customer: dict[str, str], address: str) -> None:
    config = f'[servers.box]\nurl = "{address}/v1"\nkey_env = "NO_SUCH_KEY"\n'
    Path(customer["LLMTUI_CONFIG_DIR"], "config.toml").write_text(config, encoding="utf-8")
    done = llmtui(customer, "ask", "-m", "box/demo", "hello")
    assert done.returncode == 3
    assert "export NO_SUCH_KEY=" in done.stderr.decode()
    assert "NO_SUCH_KEY" not in os.environ


def test_a_question_longer_than_the_servers_context(customer: dict[str, str]) -> None:
    done = llmtui(customer, "ask", "-m", "box/demo", "word 1 " * 1000)
    assert done.returncode == 3
    assert "longer than the context" in done.stderr.decode()
    assert "the context holds 1,024" in done.stderr.decode()


def test_what_a_server_does_not_heed_of_a_load_is_told(customer: dict[str, str]) -> None:
    done = llmtui(customer, "ask", "-m", "box/demo", "--max-tokens", "1", "--kv-type", "q8_0", "--threads", "1", "hi")
    assert done.returncode == 0
    assert "note: `kv_type_k`, `kv_type_v`, `threads` did nothing" in done.stderr.decode()


def test_a_gap_is_filled_by_the_server(customer: dict[str, str]) -> None:
    text = "def two_sum(nums, target):\n<FILL_ME>\n    return []\n"
    said = [
        llmtui(customer, "ask", "-m", model, "-p", "infill", "--temperature", "0", "--max-tokens", "12", text)
        for model in ("box/demo", "demo")
    ]
    assert [done.returncode for done in said] == [0, 0]
    assert said[0].stdout == said[1].stdout != b""
