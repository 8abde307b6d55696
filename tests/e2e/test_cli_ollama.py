"""A model in Ollama's store, laid out on disk as Ollama does it, with no Ollama running."""

import json
from pathlib import Path

import pytest
from e2e.command import DEMO, POEM, RECITE, llmtui
from make_gguf import make
from ollama_store import OllamaStore


@pytest.fixture
def store(user: dict[str, str]) -> OllamaStore:
    """A store with a model that recites, its other tag, and a model of random weights."""
    store = OllamaStore(Path(user["OLLAMA_MODELS"]))
    store.add("library/reciter:latest", model=DEMO, template=b"{{ .Prompt }}", params=b'{"temperature":1}')
    store.add("library/reciter:8b", model=DEMO)
    random = make("qwen2-tiny", "q8_0", store.root / "random.gguf", context=2048)
    store.add("someone/random:q8_0", model=random)
    random.unlink()
    return store


@pytest.mark.parametrize("spec", ["ollama/reciter", "ollama/reciter:8b"])
def test_ask_answers_with_a_model_of_the_store(user: dict[str, str], store: OllamaStore, spec: str) -> None:
    done = llmtui(user, "ask", "-m", spec, "--temperature", "0", "--json", RECITE)

    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert answer["content"].strip() == POEM
    assert answer["model"].startswith(spec)


def test_ask_loads_another_architecture_from_the_store(user: dict[str, str], store: OllamaStore) -> None:
    done = llmtui(user, "ask", "-m", "ollama/someone/random", "--max-tokens", "4", "--json", "hello")

    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["metrics"]["completion_tokens"] == 4


def test_models_lists_it_once_with_its_source(user: dict[str, str], store: OllamaStore, tmp_path: Path) -> None:
    found = json.loads(llmtui(user, "models", "--json", cwd=tmp_path).stdout)
    plain = llmtui(user, "models", cwd=tmp_path).stdout.decode()

    rows = {info["name"]: info for info in found["models"]}
    assert list(rows) == ["demo", "ollama/reciter:8b", "ollama/someone/random:q8_0"]
    assert rows["ollama/someone/random:q8_0"]["source"] == "ollama"
    assert rows["ollama/someone/random:q8_0"]["architecture"] == "qwen2"
    assert found["adapters"] == []
    assert plain.count("reciter") == 1


def test_show_tells_what_ollama_adds(user: dict[str, str], store: OllamaStore, tmp_path: Path) -> None:
    text = llmtui(user, "models", "show", "ollama/reciter:latest", cwd=tmp_path).stdout.decode()

    assert "ollama template\n  {{ .Prompt }}" in text
    assert "ollama parameters" in text


def test_a_missing_model_of_the_store_says_where_it_was_looked_for(user: dict[str, str], store: OllamaStore) -> None:
    done = llmtui(user, "ask", "-m", "ollama/recitr", "hello")

    assert done.returncode == 2
    assert "ollama/reciter:latest" in done.stderr.decode()
    assert str(store.root) in done.stderr.decode()


def test_the_publishers_settings_count_below_the_users(user: dict[str, str], store: OllamaStore) -> None:
    params = b'{"temperature": 0, "num_predict": 3, "num_ctx": 300}'
    store.add("library/brief:latest", model=DEMO, params=params, system="你是AI助理。".encode())
    plain = json.loads(llmtui(user, "ask", "-m", "ollama/brief", "--json", RECITE).stdout)
    own = ("--max-tokens", "5", "-s", "", "--context", "400")
    mine = json.loads(llmtui(user, "ask", "-m", "ollama/brief", *own, "--json", RECITE).stdout)

    assert plain["metrics"]["completion_tokens"] == 3
    assert plain["metrics"]["context_size"] < 400
    assert plain["manifest"]["sampling"]["temperature"] == 0
    assert set(plain["manifest"]["from_model"]) == {"temperature", "max_tokens", "system"}
    assert plain["manifest"]["system"] == "你是AI助理。"
    assert mine["metrics"]["completion_tokens"] == 5
    assert mine["metrics"]["prompt_tokens"] < plain["metrics"]["prompt_tokens"]
    assert mine["manifest"]["from_model"] == ["temperature"]
    assert mine["metrics"]["context_size"] > plain["metrics"]["context_size"]
