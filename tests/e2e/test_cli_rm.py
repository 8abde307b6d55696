"""`llmtui models rm` as a command."""

import json
import shutil
from pathlib import Path

import pytest
from e2e.command import DEMO, llmtui


@pytest.fixture
def model(user: dict[str, str]) -> Path:
    folder = Path(user["LLMTUI_DATA_DIR"], "models")
    folder.mkdir(parents=True)
    return Path(shutil.copy(DEMO, folder / "静夜思.gguf"))


def test_without_a_terminal_it_wants_a_yes_and_shows_what_would_go(user: dict[str, str], model: Path) -> None:
    done = llmtui(user, "models", "rm", "静夜思")
    assert done.returncode == 2
    told = done.stderr.decode()
    assert str(model) in told
    assert "4.1 MiB would be free again" in told
    assert "Add --yes" in told
    assert model.exists()


def test_with_a_yes_it_goes(user: dict[str, str], model: Path) -> None:
    done = llmtui(user, "models", "rm", "静夜思", "--yes", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {
        "model": "静夜思",
        "removed": [str(model)],
        "freed_bytes": DEMO.stat().st_size,
    }
    assert not model.exists()
    assert llmtui(user, "models", "rm", "静夜思", "--yes").returncode == 2


def test_the_demo_model_stays(user: dict[str, str]) -> None:
    done = llmtui(user, "models", "rm", "demo", "--yes")
    assert done.returncode == 2
    assert "The demo model comes with llmtui and stays" in done.stderr.decode()
    assert DEMO.exists()
