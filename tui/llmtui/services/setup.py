"""The first thing a command does: find the folders, read the configuration, put the parts together."""

import msgspec

from llmtui.services.profiles import load_profile
from llmtui.services.wiring import Services, build
from llmtui.store.config import load_config, own_settings
from llmtui.store.paths import Folders


def prepare(*, context: int | None = None, threads: int | None = None, profile: str | None = None) -> Services:
    """The services for this environment; nothing is created and no model is loaded.

    Args:
        context: tokens per slot, over what the configuration says.
        threads: of decode, over what the configuration says.
        profile: by name or path; None takes the configured one, else the user's own `default`.

    Raises:
        UsageError: there is no such profile.
        ConfigError: the configuration or the profile is not valid.
    """
    folders = Folders.resolve()
    config = load_config(folders)
    given = {name: value for name, value in (("context", context), ("threads", threads)) if value is not None}
    chosen = load_profile(folders, profile or config.default_profile)
    runtime = msgspec.structs.replace(config.runtime, **given)
    return build(
        msgspec.structs.replace(config, runtime=runtime),
        folders,
        own_settings(folders),
        profile=chosen,
        runtime_flags=given,
    )
