"""Profiles on the command line, with the real worker and the demo model."""

import json
from pathlib import Path

from e2e.command import POEM, RECITE, llmtui


def put(user: dict[str, str], name: str, text: str) -> Path:
    folder = Path(user["LLMTUI_CONFIG_DIR"], "profiles")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_answer_with_a_profile_tells_where_each_setting_came_from(user: dict[str, str]) -> None:
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text("[sampling]\ntop_k = 7\n", encoding="utf-8")
    put(user, "poet", "generation: {temperature: 0, max_tokens: 400}\nruntime: {context: 512}\n")
    done = llmtui(user, "ask", "-m", "demo", "-p", "poet", "--max-tokens", "300", "--json", RECITE)
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads(done.stdout)
    assert report["content"] == POEM
    manifest = report["manifest"]
    assert manifest["profile"] == "poet"
    assert manifest["origins"] == {"top_k": "config", "temperature": "profile poet", "max_tokens": "flag"}
    assert (manifest["context_granted"], manifest["sampling"]["max_tokens"]) == (512, 300)
    larger = llmtui(user, "ask", "-m", "demo", "-p", "poet", "--context", "600", "--json", RECITE)
    assert json.loads(larger.stdout)["manifest"]["context_asked"] == 600, "a flag counts more"


def test_precise_gives_the_same_answer_again(user: dict[str, str]) -> None:
    question = "写一首关于月亮的诗"
    first, second = (llmtui(user, "ask", "-p", "precise", "--json", question) for _ in range(2))
    assert first.returncode == 0
    reports = [json.loads(done.stdout) for done in (first, second)]
    assert reports[0]["content"] == reports[1]["content"]
    assert reports[0]["manifest"]["sampling"]["temperature"] == 0
    assert reports[0]["manifest"]["origins"]["system"] == "profile precise"
    own = json.loads(llmtui(user, "ask", "-p", "precise", "-s", "x", "--json", question).stdout)
    assert own["manifest"]["origins"]["system"] == "flag"


def test_a_profile_that_is_not_there_or_not_valid_is_a_mistake_of_usage(user: dict[str, str]) -> None:
    missing = llmtui(user, "ask", "-p", "precis-ely", "hello")
    assert missing.returncode == 2
    assert b"near matches: precise" in missing.stderr
    path = put(user, "bad", "generation:\n  temprature: 0\n")
    bad = llmtui(user, "ask", "-p", "bad", "hello")
    assert bad.returncode == 2
    assert f"{path}, line 2: $.generation.temprature: unknown key".encode() in bad.stderr
    assert b"Did you mean `temperature`?" in bad.stderr


def test_the_terminal_program_refuses_a_profile_before_its_screen(user: dict[str, str]) -> None:
    done = llmtui(user, "-p", "no-such-profile")
    assert done.returncode == 2
    assert b"No profile is called 'no-such-profile'" in done.stderr
    behind = llmtui(user, "-p", "precise", "models")
    assert behind.returncode == 2
    assert b"--profile must stand behind `models`" in behind.stderr


def test_the_profiles_there_are(user: dict[str, str]) -> None:
    put(user, "mine", "description: 我的\nmode: chat\nlanguage: zh\n")
    put(user, "bad", "mode: shout\n")
    lines = llmtui(user, "profiles").stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "MODE", "LANGUAGE", "DESCRIPTION", "WHERE"]
    assert lines[1].split()[:2] == ["default", "instruct"]
    assert any(line.startswith("assistant-zh") and "chat-instruct" in line and "comes along" in line for line in lines)
    assert any(line.startswith("mine") and "我的" in line for line in lines)
    assert any(line.startswith("bad") and "! not valid" in line for line in lines)
    found = json.loads(llmtui(user, "profiles", "list", "--json").stdout)["profiles"]
    assert {entry["name"]: entry["origin"] for entry in found}["mine"] == "user"


def test_what_a_profile_leads_to_and_from_where(user: dict[str, str]) -> None:
    Path(user["LLMTUI_CONFIG_DIR"], "config.toml").write_text("[sampling]\ntop_k = 7\n", encoding="utf-8")
    shown = json.loads(llmtui(user, "profiles", "show", "precise", "--json").stdout)
    effective = {entry["name"]: (entry["value"], entry["origin"]) for entry in shown["effective"]}
    assert effective["temperature"] == (0, "profile precise")
    assert effective["top_k"] == (7, "config")
    assert effective["xtc_probability"] == (0.0, "default")
    assert effective["runtime.batch"] == (512, "default")
    text = llmtui(user, "profiles", "show", "assistant-zh").stdout.decode()
    assert "AI助理, who speaks with 用户" in text
    assert "profile assistant-zh" in text


def test_a_check_that_does_not_pass_ends_with_1(user: dict[str, str]) -> None:
    path = put(user, "bad", "mode: shout\n")
    put(user, "lost", "template: no-such-template\n")
    done = llmtui(user, "profiles", "check", "precise", "bad", "lost")
    assert done.returncode == 1
    text = done.stdout.decode()
    assert "✓ precise" in text
    assert f"{path}, line 1: $.mode" in text
    assert "✗ lost" in text
    assert json.loads(llmtui(user, "profiles", "check", "bad", "--json").stdout)["ok"] is False
    every = ["default", "assistant-zh", "precise", "coder", "infill", "base-text", "classical-zh", "creative"]
    assert llmtui(user, "profiles", "check", *every).returncode == 0
    assert llmtui(user, "profiles", "check", "no-such").returncode == 2


def test_a_character_becomes_a_profile_of_ones_own(user: dict[str, str], tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    card.write_text(json.dumps({"name": "Poet\u001b[31m", "first_mes": "Hi, {{user}}", "description": "x"}))
    done = llmtui(user, "profiles", "import", str(card), "-n", "poet")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    assert "control or invisible characters were taken out" in done.stdout.decode()
    assert b"Poet[31m" in llmtui(user, "profiles", "show", "poet").stdout
    again = llmtui(user, "profiles", "import", str(card), "-n", "poet")
    assert (again.returncode, b"--force" in again.stderr) == (2, True)
    assert json.loads(llmtui(user, "ask", "-p", "poet", "--json", "Hello").stdout)["manifest"]["profile"] == "poet"
