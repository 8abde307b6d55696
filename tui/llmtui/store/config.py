"""`config.toml`: one frozen document, read once and passed on. API keys are never in it."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from llmtui.domain.kv_types import CHOICES
from llmtui.domain.settings import Pool, Runtime, Sampling, Server
from llmtui.errors import ConfigError
from llmtui.store.files import read_regular
from llmtui.store.paths import Folders

Discovery = Literal["lmstudio", "huggingface", "llama.cpp", "ollama"]
DISCOVERIES: tuple[Discovery, ...] = ("lmstudio", "huggingface", "llama.cpp", "ollama")
"""Programs that keep model files in places of their own."""
_SERVER_NAME = re.compile(r"\w[\w.-]*")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the user set; every field has a default, so that no file is needed.

    Attributes:
        model_folders: searched for `.gguf` files beside the data folder's `models`; relative ones start at the
            current folder, `~` is the home folder.
        discover: other programs whose model files are found as well; `[]` searches only the own folders.
        webui_folder: of text-generation-webui, whose models are then found.
        hub_endpoint: of the Hugging Face hub or a mirror to pull from; None takes HF_ENDPOINT, or huggingface.co.
        default_model: taken when no model is named; None takes the demo model.
        default_profile: taken when no profile is named, by name or path.
        theme: a Textual theme's name.
        keymap: action id to key.
        sampling: defaults of a turn.
        runtime: defaults of a load.
        pool: how many models stay loaded.
        system: system message of a new chat.
        servers: name to server; the name stands before the `/` of its models.
    """

    model_folders: tuple[str, ...] = ("./models",)
    discover: tuple[Discovery, ...] = DISCOVERIES
    webui_folder: str | None = None
    hub_endpoint: str | None = None
    default_model: str | None = None
    default_profile: str | None = None
    theme: str | None = None
    keymap: dict[str, str] = {}
    sampling: Sampling = Sampling()
    runtime: Runtime = Runtime()
    pool: Pool = Pool()
    system: str | None = None
    servers: dict[str, Server] = {}

    def __post_init__(self) -> None:
        """Refuse names that could not be told from the rest of a model's name, and what belongs to one model only."""
        if self.runtime.adapters:
            raise ValueError("adapters belong to one base model: attach them with --lora, or in the program")
        for name in self.servers:
            if not _SERVER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot name a server: use letters, digits, `.`, `_` and `-`")


def load_config(folders: Folders) -> Config:
    """Read the configuration; defaults when there is no file.

    Raises:
        ConfigError: naming file, line and field, and the field that was probably meant.
    """
    path = folders.config_file
    text = _read(path)
    if text is None:
        return Config()
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            "The configuration is not valid TOML",
            cause=f"{path}, {_toml_place(text, str(error))}",
            remedy="Correct the line, or rename the file",
        ) from error
    except (RecursionError, ValueError) as error:
        raise ConfigError(
            "The configuration cannot be understood",
            cause=f"{path}: it nests too deeply, or a number in it is too long",
            remedy="Correct it, or rename the file",
        ) from error
    try:
        config = msgspec.convert(document, Config, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(path, text, document, str(error)) from error
    _check_paths(path, text, config)
    return config


def own_settings(folders: Folders) -> frozenset[str]:
    """Names of the sampling settings that the file sets, and `system` when it does; call it after `load_config`."""
    document = tomllib.loads(_read(folders.config_file) or "")
    return frozenset(document.get("sampling", {})) | (document.keys() & {"system"})


def _check_paths(path: Path, text: str, config: Config) -> None:
    """No path holds a NUL character, and the system's calls answer one with a ValueError."""
    single = (
        ("webui_folder", config.webui_folder),
        ("default_model", config.default_model),
        ("default_profile", config.default_profile),
    )
    for key, words in (("model_folders", config.model_folders), *((key, (word or "",)) for key, word in single)):
        if any("\0" in word for word in words):
            raise ConfigError(
                "The configuration is not valid",
                cause=f"{path}, line {_line_of(text, [key])}: `{key}`: a path cannot hold the character U+0000",
                remedy="Correct the value",
            )


def _read(path: Path) -> str | None:
    try:
        return read_regular(path).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            "The configuration is not UTF-8 text",
            cause=f"{path}, line {line}: byte 0x{error.object[error.start]:02x}",
            remedy="Save the file as UTF-8",
        ) from error
    except IsADirectoryError as error:
        raise ConfigError(
            "The configuration is a folder, not a file", cause=str(path), remedy="Move the folder away"
        ) from error
    except OSError as error:
        raise ConfigError(
            "The configuration cannot be read",
            cause=f"{path}: {error.strerror or error}",
            remedy="Make the file readable, or point LLMTUI_CONFIG_DIR to another folder",
        ) from error


def _explained(path: Path, text: str, document: dict[str, Any], message: str) -> ConfigError:
    """The validation error in terms of the file: msgspec knows the path in the document, not the line."""
    problem, _, place = message.partition(" - at ")
    keys = re.findall(r"[^.\[\]]+|\[[^\]]*\]", place.strip("`").removeprefix("$"))
    keys = [key for key in keys if not key.startswith("[")]
    if keys[:1] == ["servers"]:
        keys[1:1] = _wrong_server(document.get("servers"))
    if keys == ["keymap"] and isinstance(document.get("keymap"), dict):
        keys += [key for key, value in document["keymap"].items() if not isinstance(value, str)][:1]
    unknown = re.search(r"unknown field `(.+)`", problem)
    remedy = "Correct the value"
    if unknown:
        known = _fields_at(keys)
        keys = [*keys, unknown.group(1)]
        problem = "unknown field"
        near = difflib.get_close_matches(unknown.group(1), known, n=1)
        remedy = f"Did you mean `{near[0]}`?" if near else f"Remove it; known here: {', '.join(known)}"
    elif keys == ["discover"]:
        remedy = f"Known are {', '.join(DISCOVERIES)}"
    elif keys and keys[-1] in CHOICES and problem.startswith("Invalid enum value"):
        problem = problem.replace("Invalid enum value", "unknown:")
        remedy = f"Choose one of {', '.join(CHOICES[keys[-1]])}"
    line = _line_of(text, keys)
    where = f"{path}, line {line}" if line else str(path)
    return ConfigError("The configuration is not valid", cause=f"{where}: `{'.'.join(keys)}`: {problem}", remedy=remedy)


def _wrong_server(servers: Any) -> list[str]:
    """The name of the server that is not valid: msgspec does not tell the key of a table."""
    for name, server in servers.items() if isinstance(servers, dict) else ():
        try:
            msgspec.convert(server, Server, strict=True)
        except msgspec.ValidationError:
            return [name]
    return []


def _toml_place(text: str, message: str) -> str:
    """`line 3, column 5: what`, from tomllib's `What (at line 3, column 5)`."""
    what, _, place = message.rstrip(")").rpartition(" (at ")
    return f"{place if place.startswith('line') else f'line {len(text.splitlines()) or 1}'}: {what or message}"


def _fields_at(keys: list[str]) -> tuple[str, ...]:
    holder = (
        {"sampling": Sampling, "runtime": Runtime, "pool": Pool, "servers": Server}.get(keys[0], Config)
        if keys
        else Config
    )
    return holder.__struct_fields__


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line (from 1) that sets the key, or the nearest one above it in the document's tree."""
    best: tuple[int, int] | None = None
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?([^\]]+)\]", line)
        if header:
            here = table = _dotted(header.group(1))
        else:
            assignment = re.match(r"""\s*((?:"[^"]*"|'[^']*'|[\w.\s-])+?)\s*=""", line)
            if not assignment:
                continue
            here = [*table, *_dotted(assignment.group(1))]
        if here == keys[: len(here)] and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best[1] if best else None


def _dotted(text: str) -> list[str]:
    parts: list[str] = re.findall(r"""\s*("[^"]*"|'[^']*'|[^.]+)\s*\.?""", text)
    return [part.strip().strip("\"'") for part in parts]
