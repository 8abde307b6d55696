"""`llmtui ask` for answers of a given form."""

import json
from pathlib import Path

import pytest
from e2e.command import RECITE, llmtui

SCHEMA = {"type": "array", "items": {"enum": ["明月", "故乡"]}, "minItems": 2, "maxItems": 2}


def test_the_answer_fits_the_schema(user: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA), encoding="utf-8")
    done = llmtui(user, "ask", "-m", "demo", "--json-schema", str(file), RECITE)
    assert (done.returncode, done.stderr) == (0, b"")
    answer = json.loads(done.stdout)
    assert len(answer) == 2
    assert set(answer) <= {"明月", "故乡"}


def test_the_manifest_holds_the_form_and_a_cut_is_told(user: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "line.gbnf"
    file.write_text('root ::= "床前明月光" "，"', encoding="utf-8")
    done = llmtui(user, "ask", "-m", "demo", "--grammar", str(file), "--json", "--max-tokens", "1", RECITE)
    assert done.returncode == 0
    assert json.loads(done.stdout)["manifest"]["sampling"]["grammar"] == file.read_text(encoding="utf-8")
    assert "cut off before it had the form" in done.stderr.decode()


@pytest.mark.parametrize(
    ("option", "content", "told"),
    [
        ("--json-schema", None, "No such file"),
        ("--json-schema", b"{", "it is not JSON"),
        ("--json-schema", b"[1]", "no JSON object"),
        ("--json-schema", b'{"type": "integer", "multipleOf": 3}', "multipleOf"),
        ("--json-schema", b"\xff", "decode"),
        ("--json-schema", b"[" * 60_000, "it is not JSON"),
        ("--grammar", b" ", "it is empty"),
        ("--grammar", b"root := x", "cannot be read"),
        ("--grammar", b"# " * 40_000, "longer than 65,536"),
    ],
)
def test_files_that_cannot_be_used(
    user: dict[str, str], tmp_path: Path, option: str, content: bytes | None, told: str
) -> None:
    file = tmp_path / "form"
    if content is not None:
        file.write_bytes(content)
    done = llmtui(user, "ask", "-m", "demo", option, str(file), RECITE)
    assert done.returncode == 2
    assert done.stdout == b""
    assert told in done.stderr.decode()


def test_a_schema_and_a_grammar_exclude_each_other(user: dict[str, str]) -> None:
    assert llmtui(user, "ask", "--json-schema", "a", "--grammar", "b", RECITE).returncode == 2
