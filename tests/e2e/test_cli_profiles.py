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
