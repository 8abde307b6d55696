"""`llmtui models count` as a command."""

import json
from pathlib import Path

from e2e.command import llmtui
from make_gguf import make

CHINESE = "床前明月光，疑是地上霜。"


def test_the_number_goes_to_standard_output_and_who_counted_to_standard_error(user: dict[str, str]) -> None:
    done = llmtui(user, "models", "count", "demo", CHINESE)
    assert (done.returncode, done.stderr) == (0, b"counted with the model's vocabulary\n")
    ids = llmtui(user, "models", "count", "demo", CHINESE, "--ids").stdout.split()
    assert len(ids) == int(done.stdout) > 1


def test_a_pipe_is_counted_as_json(user: dict[str, str], tmp_path: Path) -> None:
    path = make("qwen2-tiny", "q8_0", tmp_path / "m.gguf")
    done = llmtui(user, "models", "count", str(path), "-", "--json", "--ids", stdin=CHINESE.encode())
    counted = json.loads(done.stdout)
    assert counted["source"] == "vocabulary"
    assert counted["tokens"] == len(counted["ids"])


def test_an_estimate_is_marked_and_has_no_ids(user: dict[str, str], tmp_path: Path) -> None:
    path = make("qwen2-tiny", "q8_0", tmp_path / "m.gguf", pre="of-tomorrow")
    done = llmtui(user, "models", "count", str(path), "hello world!")
    assert (done.stdout, done.stderr) == (b"~3\n", b"estimated\n")
    refused = llmtui(user, "models", "count", str(path), "hello world!", "--ids")
    assert refused.returncode == 3
    assert "--ids" in refused.stderr.decode()


def test_without_a_text_it_says_how_to_give_one(user: dict[str, str]) -> None:
    done = llmtui(user, "models", "count", "demo", stdin=b"")
    assert done.returncode == 2
    assert "llmtui models count MODEL" in done.stderr.decode()
