"""`llmtui ask --lora` as a command."""

import json
from pathlib import Path

import pytest
from e2e.command import DEMO, POEM, RECITE, llmtui
from gguf_lora import make_lora

ASK = ("ask", "-m", "demo", "--temperature", "0", "--max-tokens", "40")


@pytest.fixture
def poet(user: dict[str, str]) -> Path:
    folder = Path(user["LLMTUI_DATA_DIR"]) / "models"
    folder.mkdir(parents=True)
    return make_lora(DEMO, folder / "poet.gguf")


def test_an_adapter_acts_by_its_scale_and_is_in_the_manifest(user: dict[str, str], poet: Path) -> None:
    off = json.loads(llmtui(user, *ASK, "--lora", f"{poet}:0", "--json", RECITE).stdout)
    assert off["content"] == POEM
    on = json.loads(llmtui(user, *ASK, "--lora", "poet", "--json", RECITE).stdout)
    assert on["content"] != POEM
    (attached,) = on["manifest"]["adapters"]
    assert (attached["name"], attached["path"], attached["scale"]) == ("poet", str(poet), 1.0)
    assert len(attached["fingerprint"]) == 64


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        ("nobody", 2, "No adapter is called"),
        ("poet:99", 2, "out of bounds"),
        (str(DEMO), 3, "no adapter"),
    ],
)
def test_adapters_that_cannot_be_had(user: dict[str, str], poet: Path, spec: str, code: int, words: str) -> None:
    done = llmtui(user, *ASK, "--lora", spec, RECITE)
    assert (done.returncode, done.stdout) == (code, b"")
    assert words in done.stderr.decode()


def test_a_damaged_adapter_is_told(user: dict[str, str], poet: Path) -> None:
    poet.write_bytes(poet.read_bytes()[:30_000])
    done = llmtui(user, *ASK, "--lora", str(poet), RECITE)
    assert done.returncode == 3
    assert "truncated" in done.stderr.decode()


def test_a_servers_model_takes_none(user: dict[str, str], poet: Path) -> None:
    done = llmtui(user, "ask", "-m", "http://127.0.0.1:9/v1#x", "--lora", "poet", "hi")
    assert done.returncode == 3
    assert "takes no adapters" in done.stderr.decode()
