"""`llmtui templates`, `ask --template`, and what `models show` says of a model's template."""

import json
from pathlib import Path

import pytest
from contract.odd_models import write_mamba
from e2e.command import llmtui
from make_gguf import make
from ollama_store import OllamaStore

ENDLESS = "{% for a in range(10**5) %}{% for b in range(10**5) %}{% endfor %}{% endfor %}"


def put(user: dict[str, str], name: str, text: str) -> Path:
    folder = Path(user["LLMTUI_CONFIG_DIR"], "templates")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_templates_that_come_along_and_the_users_own(user: dict[str, str]) -> None:
    put(user, "mine.jinja", "{{ messages[-1].content }}")
    put(user, "vicuna.jinja", "{{ messages[-1].content }}!")
    lines = llmtui(user, "templates").stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "TITLE", "SYSTEM", "MESSAGE", "WHERE"]
    found = json.loads(llmtui(user, "templates", "list", "--json").stdout)["templates"]
    names = [row["name"] for row in found]
    assert names[:2] == ["mine", "vicuna"]
    assert names.count("vicuna") == 1
    assert {"chatml", "llama2", "chatglm3", "rwkv-world"} <= set(names)
    own = json.loads(llmtui(user, "templates", "show", "vicuna", "--json").stdout)
    assert own["sample"] == "Which river runs through Wuhan?!"
    assert own["source"].startswith("file: ")


def test_a_template_is_shown_with_a_conversation_in_it(user: dict[str, str]) -> None:
    text = llmtui(user, "templates", "show", "gemma").stdout.decode()
    assert "<start_of_turn>user\n  Answer briefly.\n  \n  你好<end_of_turn>" in text
    assert "takes no system message" in text
    of_demo = json.loads(llmtui(user, "templates", "show", "-m", "demo", "--json").stdout)
    assert of_demo["source"] == "model"
    assert llmtui(user, "templates", "show").returncode == 2
    missing = llmtui(user, "templates", "show", "vicunna")
    assert missing.returncode == 2
    assert b"near matches: vicuna" in missing.stderr


def test_an_answer_is_asked_for_in_the_template_named(user: dict[str, str]) -> None:
    asked = ("ask", "-m", "demo", "--max-tokens", "3", "--json")
    plain = json.loads(llmtui(user, *asked, "hi").stdout)
    named = json.loads(llmtui(user, *asked, "--template", "vicuna", "hi").stdout)
    assert plain["manifest"]["template_source"] == "model"
    assert named["manifest"]["template_source"] == "shipped: Vicuna"
    assert named["manifest"]["template_sha256"] != plain["manifest"]["template_sha256"]
    assert named["manifest"]["rendered_sha256"] != plain["manifest"]["rendered_sha256"]
    merged = json.loads(llmtui(user, *asked, "-s", "Be brief.", "--template", "gemma", "hi").stdout)
    assert "first user message" in merged["manifest"]["template_note"]
    assert any("first user message" in notice for notice in merged["notices"])


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("{{ broken", 3, b"cannot render this conversation"),
        (ENDLESS, 3, b"did not end within"),
        ("{{ 'a' * 10**10 }}", 3, b"cannot render this conversation"),
        ("x" * (1 << 20) + "y", 2, b"too large"),
        (" \n", 2, b"is empty"),
        ('{# stops: ["a", 1] #}x', 2, b"no list of strings"),
        ("{{ ''.__class__.__mro__ }}", 3, b"cannot render this conversation"),
    ],
    ids=["broken", "endless", "memory", "a megabyte", "empty", "stops", "python"],
)
def test_a_file_that_is_no_template_is_an_error_in_words(
    user: dict[str, str], text: str, code: int, words: bytes
) -> None:
    path = put(user, "bad.jinja", text)
    done = llmtui(user, "ask", "-m", "demo", "--template", str(path), "hi")
    assert done.returncode == code, done.stderr.decode()
    assert words in done.stderr
    assert done.stdout.strip() == b""


def test_a_stop_of_the_users_template_ends_the_answer(user: dict[str, str]) -> None:
    text = '{# stops: ["l"] #}<|user|>\n{{ messages[-1].content }}<|end|>\n<|assistant|>{{ "\n" }}'
    path = put(user, "stop.jinja", text)
    asked = ("ask", "-m", "demo", "--temperature", "0", "--json", "What is llmtui?")
    whole = json.loads(llmtui(user, *asked).stdout)
    cut = json.loads(llmtui(user, *asked, "--template", str(path)).stdout)
    assert "l" in whole["content"]
    assert cut["content"] == whole["content"].partition("l")[0]
    assert cut["finish_reason"] == "stop"


def test_a_model_without_a_template_is_told_which_one_it_gets_and_why(user: dict[str, str], tmp_path: Path) -> None:
    known = make("llama-tiny", "f16", tmp_path / "vague.gguf", template=None)
    text = llmtui(user, "models", "show", str(known)).stdout.decode()
    assert "shipped: ChatML, because the vocabulary has the tokens <|im_start|> and <|im_end|>" in text
    asked = ("ask", "-m", str(known), "--max-tokens", "1", "--json", "hi")
    assert json.loads(llmtui(user, *asked).stdout)["manifest"]["template_source"].startswith("shipped: ChatML, because")


def test_a_guess_is_told_and_a_template_named_ends_the_warning(user: dict[str, str], tmp_path: Path) -> None:
    path = write_mamba(tmp_path / "m.gguf", template="", adds_bos=True)
    asked = ("ask", "-m", str(path), "--max-tokens", "1", "hi")
    assert b"warning: Answers may be poor" in llmtui(user, *asked).stderr
    assert b"Answers may be poor" not in llmtui(user, *asked, "--template", "vicuna").stderr
    shown = json.loads(llmtui(user, "models", "show", str(path), "--json").stdout)
    assert shown["template_used"].startswith("fallback: a plain dialogue")


def test_ollamas_template_tells_the_family_of_a_file_without_one(user: dict[str, str], tmp_path: Path) -> None:
    store = OllamaStore(Path(user["OLLAMA_MODELS"]))
    model = write_mamba(tmp_path / "m.gguf", template="", adds_bos=True)
    go = b"{{ .System }}\nUSER: {{ .Prompt }}\nASSISTANT: "
    store.add("library/odd:latest", model=model, template=go)
    asked = ("ask", "-m", "ollama/odd", "--max-tokens", "1", "--json", "hi")
    source = json.loads(llmtui(user, *asked).stdout)["manifest"]["template_source"]
    assert source == "shipped: Vicuna, because Ollama's template for the model has USER: and ASSISTANT:"
    assert source in llmtui(user, "models", "show", "ollama/odd").stdout.decode()
