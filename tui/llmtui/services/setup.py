"""The first thing a command does: find the folders, read the configuration, put the parts together."""

from typing import Any

from llmtui.services.profiles import load_profile
from llmtui.services.wiring import Services, build
from llmtui.store.config import load_config, own_settings
from llmtui.store.paths import Folders


def prepare(*, profile: str | None = None, **runtime: Any) -> Services:
    """The services for this environment; nothing is created and no model is loaded.

    Args:
        profile: by name or path; None takes the configured one, else the user's own `default`.
        runtime: fields of `Runtime` from the command line; None leaves one to the profile and the configuration.

    Raises:
        UsageError: there is no such profile, or settings of a load exclude each other.
        ConfigError: the configuration or the profile is not valid.
    """
    folders = Folders.resolve()
    config = load_config(folders)
    given = {name: value for name, value in runtime.items() if value is not None}
    chosen = load_profile(folders, profile or config.default_profile)
    return build(
        config,
        folders,
        own_settings(folders),
        profile=chosen,
        runtime_flags=given,
    )
