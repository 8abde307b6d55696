"""`llmtui ask --dry-run`: the prompt as it would be sent."""

import json
from pathlib import Path

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


def test_reasoning_is_part_of_the_prompt_or_is_said_not_to_be(user: dict[str, str], tmp_path: Path) -> None:
    template = tmp_path / "thinker.jinja"
    template.write_text("{{ messages[-1].content }}{% if enable_thinking is false %}<think></think>{% endif %}:")
    ask = ("ask", "-m", "demo", "--dry-run", "--template", str(template))
    assert llmtui(user, *ask, "why").stdout.decode() == "why:\n"
    off = llmtui(user, *ask, "--reasoning", "off", "why")
    assert off.stdout.decode() == "why<think></think>:\n"
    assert b"nothing changes" not in off.stderr
    hard = llmtui(user, *ask, "--reasoning-effort", "high", "why")
    assert hard.stdout.decode() == "why:\n"
    assert "note: The chat template knows no `reasoning_effort: high`, so nothing changes" in hard.stderr.decode()


def test_reasoning_from_a_profile_is_in_the_manifest(user: dict[str, str], tmp_path: Path) -> None:
    profile = tmp_path / "quick.yaml"
    profile.write_text("generation:\n  reasoning: off\n")
    answered = llmtui(user, "ask", "-m", "demo", "-p", str(profile), "--max-tokens", "1", "--json", QUESTION)
    manifest = json.loads(answered.stdout)["manifest"]
    assert manifest["sampling"]["reasoning"] == "off"
    assert manifest["origins"]["reasoning"] == "profile quick"
    assert b"warning: The chat template knows no `reasoning: off`" in answered.stderr
