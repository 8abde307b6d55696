"""The configuration and the folders."""

import os
import shutil
import stat
from pathlib import Path
from typing import Literal

from llmtui.domain.models import ModelInfo
from llmtui.domain.quantities import size
from llmtui.errors import ConfigError
from llmtui.services.checkup.report import Check
from llmtui.services.models import Catalogue
from llmtui.store.config import Config, load_config
from llmtui.store.paths import Folders
from llmtui.store.places import Place

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
    """Where models are looked for, and how many are there; other programs' places only where they are."""
    found = catalogue.list()
    searched = [place for place in catalogue.places if place.source == "folder" or _state(place.path) != "missing"]
    return tuple(_model_folder(index, place, found) for index, place in enumerate(searched))


def _model_folder(index: int, place: Place, found: list[ModelInfo]) -> Check:
    key, folder = f"files.models.{index}", place.path
    label = "models" if place.source == "folder" else place.source
    state = _state(folder)
    if state == "missing":
        return Check(key=key, label=label, status="info", value=f"{folder}, not there", amount=0)
    if state == "closed":
        value = f"{folder}: no permission to read"
        return Check(key=key, label=label, status="warn", value=value, hint="Make the folder readable", amount=0)
    count = sum(1 for info in found if info.source == place.source and Path(info.path).is_relative_to(folder))
    return Check(key=key, label=label, status="ok", value=f"{folder}, models found: {count}", amount=count)


def _state(folder: Path) -> Literal["open", "closed", "missing"]:
    """A folder below a closed one counts as closed."""
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return "missing"
    except PermissionError:
        return "closed"
    except OSError:
        return "missing"
    return "open" if os.access(folder, os.R_OK | os.X_OK) else "closed"


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
