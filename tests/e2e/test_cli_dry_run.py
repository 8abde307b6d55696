"""`llmtui ask --dry-run`: the prompt as it would be sent."""

import json

from e2e.command import llmtui

QUESTION = "What is llmtui? 李白"


def test_the_prompt_is_printed_and_nothing_is_asked(user: dict[str, str]) -> None:
    done = llmtui(user, "ask", "-m", "demo", "-s", "Be short.", "--dry-run", QUESTION)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == f"<|system|>\nBe short.<|end|>\n<|user|>\n{QUESTION}<|end|>\n<|assistant|>\n"
    assert b"tokens" in done.stderr


def test_json_has_every_token(user: dict[str, str]) -> None:
    shown = json.loads(llmtui(user, "ask", "-m", "demo", "--dry-run", "--json", QUESTION).stdout)
    assert b"".join(bytes.fromhex(token["bytes"]) for token in shown["tokens"]).decode() == shown["text"]
    assert [segment["owner"] for segment in shown["segments"]] == ["user", "answer"]
    assert shown["tokens"][0]["special"]
    answered = json.loads(llmtui(user, "ask", "-m", "demo", "--max-tokens", "1", "--json", QUESTION).stdout)
    assert answered["manifest"]["rendered_sha256"] == shown["sha256"]
    assert answered["metrics"]["prompt_tokens"] == len(shown["tokens"])


def test_a_raw_prompt_is_shown_as_it_is_and_control_characters_are_visible(user: dict[str, str]) -> None:
    done = llmtui(user, "ask", "-m", "demo", "--raw", "--dry-run", "def f():\x1b")
    assert done.stdout.decode() == "def f():␛\n"
