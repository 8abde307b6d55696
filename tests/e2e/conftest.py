"""A user of one's own for every test: empty HOME, empty folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from make_gguf import make
from pty_program import user_folders


@pytest.fixture
def user() -> Iterator[dict[str, str]]:
    with user_folders() as env:
        yield env


@pytest.fixture(scope="session")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights with a context that lasts for many seconds."""
    return make("llama-tiny", "q8_0", tmp_path_factory.mktemp("models") / "babbler.gguf", context=65536)


@pytest.fixture
def talker(user: dict[str, str]) -> dict[str, str]:
    """A user whose answers go on until they are stopped."""
    config = "[sampling]\nseed = 1\nignore_eos = true\n\n[runtime]\ncontext = 32768\n"
    (Path(user["LLMTUI_CONFIG_DIR"]) / "config.toml").write_text(config, encoding="utf-8")
    return user
