"""`llmtui prompts`: what it prints, and the exit codes that scripts depend on."""

import json
from pathlib import Path

from e2e.command import llmtui

BROKEN = "schema: llmtui.promptset/1\nsamples:\n  - {id: a, inptu: x}\n  - {id: b, input: y}\n"


def put(user: dict[str, str], name: str, text: str) -> Path:
    folder = Path(user["LLMTUI_DATA_DIR"], "prompts")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_sets_that_come_along_and_the_users_own(user: dict[str, str]) -> None:
    put(user, "mine", "schema: llmtui.promptset/1\ntitle: {zh: 我的}\nsamples:\n  - {id: a, input: hello}\n")
    lines = llmtui(user, "prompts").stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "SAMPLES", "TITLE", "SCORERS", "WHERE"]
    assert any(line.startswith("li-bai") and "李白" in line and "comes along" in line for line in lines)
    assert any(line.startswith("mine") and "我的" in line for line in lines)
    found = json.loads(llmtui(user, "prompts", "list", "--json").stdout)["sets"]
    assert {entry["name"]: entry["origin"] for entry in found}["mine"] == "user"


def test_one_set_and_one_sample(user: dict[str, str]) -> None:
    whole = json.loads(llmtui(user, "prompts", "show", "li-bai", "--json").stdout)
    assert whole["title"]["zh"] == "李白"
    assert len(whole["samples"]) >= 20
    one = llmtui(user, "prompts", "show", "li-bai", "jing-ye-si").stdout.decode()
    assert "背诵李白的《静夜思》，只写正文。" in one
    missing = llmtui(user, "prompts", "show", "li-bai", "jing-ye-shi")
    assert missing.returncode == 2
    assert b"near matches: jing-ye-si" in missing.stderr


def test_a_check_that_does_not_pass_ends_with_1(user: dict[str, str]) -> None:
    path = put(user, "broken", BROKEN)
    done = llmtui(user, "prompts", "check", "li-bai", "broken")
    assert done.returncode == 1
    text = done.stdout.decode()
    assert "✓ li-bai" in text
    assert f"{path}, line 3: $.samples[0].inptu: unknown key" in text
    found = json.loads(llmtui(user, "prompts", "check", "broken", "--json").stdout)
    assert found["ok"] is False
    assert found["sets"][0]["problems"][0]["place"] == "$.samples[0].inptu"
    assert llmtui(user, "prompts", "check", "li-bai").returncode == 0
    assert llmtui(user, "prompts", "check", "no-such-set").returncode == 2


def test_what_does_not_fit_into_the_context_is_named(user: dict[str, str]) -> None:
    put(
        user,
        "long",
        "schema: llmtui.promptset/1\nsamples:\n  - {id: short, input: hello}\n"
        "  - {id: roomy, input: hello, generation: {max_tokens: 4000}}\n"
        f"  - {{id: long, input: '{'word ' * 600}'}}\n  - {{id: raw, mode: text, input: '{'word ' * 600}'}}\n"
        "  - {id: gap, prefix: 'def f(', suffix: '): pass'}\n",
    )
    done = llmtui(user, "prompts", "check", "long", "-m", "demo", "--context", "256", "--json")
    assert done.returncode == 1
    fit = json.loads(done.stdout)["sets"][0]["fit"]
    assert fit["context"] == 256
    verdicts = {sample["id"]: sample["verdict"] for sample in fit["samples"]}
    assert verdicts == {"short": "fits", "roomy": "tight", "long": "too_long", "raw": "too_long", "gap": "fits"}
    assert "✗ long: " in llmtui(user, "prompts", "check", "long", "-m", "demo", "--context", "256").stdout.decode()


def test_hostile_text_does_not_reach_the_terminal(user: dict[str, str]) -> None:
    put(
        user,
        "evil",
        'schema: llmtui.promptset/1\ntitle: "\\e]0;x\\a"\nsamples:\n  - {id: "\\e[31m", input: "\\e[2J"}\n',
    )
    for args in (("prompts",), ("prompts", "show", "evil"), ("prompts", "check", "evil")):
        assert b"\x1b" not in llmtui(user, *args).stdout


def test_an_import_becomes_a_set_of_ones_own(user: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "riddles.txt"
    source.write_text("生鱼片是不是死鱼片？\nHow many months have 28 days?\n", encoding="utf-8")
    done = llmtui(user, "prompts", "import", str(source), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["samples"] == 2
    assert "生鱼片" in llmtui(user, "prompts", "show", "riddles").stdout.decode()
    again = llmtui(user, "prompts", "import", str(source))
    assert (again.returncode, b"--force" in again.stderr) == (2, True)
    assert llmtui(user, "prompts", "import", str(source), "-n", "a/b").returncode == 2
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": ')
    failed = llmtui(user, "prompts", "import", str(bad))
    assert (failed.returncode, b"bad.jsonl, line 1: not valid JSON" in failed.stderr) == (2, True)
