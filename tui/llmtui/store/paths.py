"""Where files live. Nothing here creates anything: a folder comes into being when something is put into it."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from llmtui.errors import ConfigError

APP = "llmtui"
PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600


class Folders(msgspec.Struct, frozen=True, kw_only=True):
    """The folders of one user.

    Attributes:
        config_dir: holds `config.toml`.
        data_dir: what the user would miss: chats and models.
        cache_dir: what can be made again.
    """

    config_dir: Path
    data_dir: Path
    cache_dir: Path

    @classmethod
    def resolve(cls, env: Mapping[str, str] | None = None) -> "Folders":
        """The folders for an environment; `os.environ` when none is given.

        `LLMTUI_CONFIG_DIR` and `LLMTUI_DATA_DIR` override the platform's own; with the latter the cache moves along,
        so that one variable is enough to leave a home untouched.

        Raises:
            ConfigError: this user has no home folder, and the variables do not say where else to go.
        """
        env = os.environ if env is None else env
        config, data = env.get("LLMTUI_CONFIG_DIR"), env.get("LLMTUI_DATA_DIR")
        data_dir = _absolute(data) if data else _platform("data")
        return cls(
            config_dir=_absolute(config) if config else _platform("config"),
            data_dir=data_dir,
            cache_dir=data_dir / "cache" if data else _platform("cache"),
        )

    @property
    def config_file(self) -> Path:
        """The configuration file, whether or not it exists."""
        return self.config_dir / "config.toml"

    @property
    def chats_dir(self) -> Path:
        """One transcript a chat."""
        return self.data_dir / "chats"

    @property
    def models_dir(self) -> Path:
        """Models that llmtui itself looks after."""
        return self.data_dir / "models"


def make_private_dir(path: Path) -> None:
    """Create a folder that only its owner can enter; parents as the umask says. Existing folders stay as they are.

    Raises:
        OSError: it cannot be created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=PRIVATE_DIR, exist_ok=True)


def _absolute(text: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(text)))  # noqa: PTH100, PTH111 - resolve() would follow links


def _platform(kind: str) -> Path:
    import platformdirs  # noqa: PLC0415 - not needed when both variables are set

    find = {
        "config": platformdirs.user_config_dir,
        "data": platformdirs.user_data_dir,
        "cache": platformdirs.user_cache_dir,
    }[kind]
    try:
        path = Path(find(APP, appauthor=False))
    except (RuntimeError, KeyError) as error:
        raise _homeless() from error
    if path.parts[0].startswith("~"):
        raise _homeless()
    return path


def _homeless() -> ConfigError:
    return ConfigError(
        "This user has no home folder",
        cause="HOME is not set, and the system's list of users has no entry for this one",
        remedy="Set LLMTUI_DATA_DIR and LLMTUI_CONFIG_DIR to folders that llmtui may use",
    )
