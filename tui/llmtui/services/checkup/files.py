"""The configuration and the folders."""

import os
import shutil
from pathlib import Path

from llmtui.domain.quantities import size
from llmtui.errors import ConfigError
from llmtui.services.checkup.report import Check
from llmtui.services.models import Catalogue
from llmtui.store.config import Config, load_config
from llmtui.store.paths import Folders

_LITTLE = 1 << 30


def configuration(folders: Folders) -> tuple[Config, Check]:
    """The configuration, or the defaults when it is not valid, and the check of it."""
    key, label = "files.config", "configuration"
    try:
        config = load_config(folders)
    except ConfigError as error:
        value = ": ".join(filter(None, (error.title, error.cause)))
        return Config(), Check(key=key, label=label, status="fail", value=value, hint=error.remedy)
    exists = folders.config_file.exists()
    value = f"{folders.config_file}, valid" if exists else f"{folders.config_file}, not there: defaults are used"
    return config, Check(key=key, label=label, status="ok", value=value)


def own_folders(folders: Folders) -> tuple[Check, ...]:
    """Data and cache: both must be writable, or able to come into being."""
    return (
        _writable("files.data", "data", folders.data_dir, "Chats are not saved there", "LLMTUI_DATA_DIR"),
        _writable("files.cache", "cache", folders.cache_dir, "Measured figures are not kept", "LLMTUI_DATA_DIR"),
    )


def model_folders(catalogue: Catalogue) -> tuple[Check, ...]:
    """Where models are looked for, and how many are there."""
    found = [Path(info.path) for info in catalogue.list() if info.source == "folder"]
    return tuple(_model_folder(index, path, found) for index, path in enumerate(catalogue.search_folders))


def _model_folder(index: int, folder: Path, found: list[Path]) -> Check:
    key, label = f"files.models.{index}", "models"
    if not folder.is_dir():
        return Check(key=key, label=label, status="info", value=f"{folder}, not there", amount=0)
    if not os.access(folder, os.R_OK | os.X_OK):
        value = f"{folder}: no permission to read"
        return Check(key=key, label=label, status="warn", value=value, hint="Make the folder readable", amount=0)
    count = sum(1 for path in found if path.is_relative_to(folder))
    return Check(key=key, label=label, status="ok", value=f"{folder}, models found: {count}", amount=count)


def _writable(key: str, label: str, path: Path, loss: str, variable: str) -> Check:
    standing = next(folder for folder in (path, *path.parents) if folder.exists())
    if not standing.is_dir():
        value = f"{path}: {standing} is a file"
        return Check(key=key, label=label, status="fail", value=value, hint=f"Move it away, or set {variable}")
    if not os.access(standing, os.W_OK | os.X_OK):
        value = f"{path}: no permission to write in {standing}"
        hint = f"{loss}. Make it writable, or set {variable} to another folder"
        return Check(key=key, label=label, status="fail", value=value, hint=hint)
    free = shutil.disk_usage(standing).free
    state = "writable" if standing == path else "will be made when needed"
    return Check(
        key=key,
        label=label,
        status="warn" if free < _LITTLE else "ok",
        value=f"{path}, {state}, {size(free)} free",
        hint=f"Less than 1 GiB is free: {loss.lower()} once it is full" if free < _LITTLE else "",
        amount=free,
    )
