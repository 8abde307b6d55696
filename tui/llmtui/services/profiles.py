"""The profiles there are: those that come along, the user's own, and any file; and what one of them brings about."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from llmtui.domain.defaults import ModelDefaults, settle
from llmtui.domain.dialogue import filled
from llmtui.domain.profile import Character, Layer, Profile, Wanted, lay_over, set_fields
from llmtui.domain.settings import Runtime, Sampling
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import visible_line
from llmtui.errors import ConfigError, LlmtuiError, UsageError
from llmtui.store.config import Config
from llmtui.store.paths import Folders
from llmtui.store.profiles import SUFFIXES, profile_files, read_profile, shipped_folder, user_folder, write_profile

DEFAULT = "default"
Origin = Literal["shipped", "user", "file"]


class ProfileSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as listed.

    Attributes:
        name: what the user types: the file's name without its ending.
        profile: None when the file is not valid.
        problem: why, in words.
    """

    name: str
    path: str
    origin: Origin
    profile: Profile | None = None
    problem: str | None = None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as it is used.

    Attributes:
        name: of the field; those of a load begin with `runtime.`.
        origin: see `Layer.origin`.
    """

    name: str
    value: Any
    origin: str

    @property
    def text(self) -> str:
        """The value in words."""
        if self.value is None:
            return "–"
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if isinstance(self.value, float | int):
            return f"{self.value:g}" if abs(self.value) < 1e6 else f"{self.value}"
        if isinstance(self.value, str):
            return self.value
        return msgspec.json.encode(self.value).decode() if self.value else "–"


def list_profiles(folders: Folders) -> list[ProfileSummary]:
    """Every profile by name, `default` first; the user's stand before those of the same name that come along."""
    known = sorted(_known(folders).items(), key=lambda item: (item[0] != DEFAULT, item[0]))
    return [summary_of(path, origin) for _, (origin, path) in known]


def summary_of(path: Path, origin: Origin = "file") -> ProfileSummary:
    """A profile; what is wrong with it is part of the summary, never raised."""
    try:
        return ProfileSummary(name=path.stem, path=str(path), origin=origin, profile=read_profile(path))
    except ConfigError as error:
        told = f"{error.cause}. {error.remedy}"
        return ProfileSummary(name=path.stem, path=str(path), origin=origin, problem=told)


def check_profile(folders: Folders, path: Path) -> ProfileSummary:
    """A profile, checked together with the template that it names."""
    found = summary_of(path)
    try:
        template_of(folders, found.profile or Profile())
    except LlmtuiError as error:
        return msgspec.structs.replace(found, problem=f"$.template: {error}")
    return found


def template_of(folders: Folders, profile: Profile) -> NamedTemplate | None:
    """The template that a profile names; None when it names none.

    Raises:
        UsageError: there is no such template.
        ConfigError: it is not valid.
    """
    if profile.template is None:
        return None
    from llmtui.services.templates import find_template  # noqa: PLC0415 - only where one is named

    return find_template(folders, profile.template)


def is_taken(folders: Folders, name: str) -> bool:
    """Whether the user has a profile of that name."""
    return name in profile_files(user_folder(folders))


def save_profile(folders: Folders, profile: Profile) -> Path:
    """Write a profile into the user's folder, under its name; see `write_profile`.

    Raises:
        UsageError, StoreError: it cannot be written.
    """
    return write_profile(user_folder(folders), profile)


def find_profile(folders: Folders, spec: str) -> Path:
    """The file of a profile: by name, by a unique beginning of a name, or by path.

    Raises:
        UsageError: there is no such profile, or several begin so.
    """
    known = {name: path for name, (_, path) in _known(folders).items()}
    if spec in known:
        return known[spec]
    if "/" in spec or Path(spec).suffix in SUFFIXES:
        path = Path(spec).expanduser() if spec.startswith("~/") else Path(spec)
        if "\0" not in spec and _exists(path):
            return path
        raise UsageError(
            f"There is no file {visible_line(spec)}",
            remedy="Give the path of a profile, or a name from `llmtui profiles`",
        )
    near = [name for name in known if spec and name.casefold().startswith(spec.casefold())]
    if len(near) == 1:
        return known[near[0]]
    near = near or difflib.get_close_matches(spec, known, n=3)
    raise UsageError(
        f"No profile is called {visible_line(spec)!r}",
        cause=f"near matches: {', '.join(near)}" if near else f"known are {', '.join(known) or 'none'}",
        remedy=f"Choose one from `llmtui profiles`, give a path, or put one into {user_folder(folders)}",
    )


def load_profile(folders: Folders, spec: str | None) -> Profile:
    """A profile by name or path; None is the user's own `default`, or one that says nothing.

    Raises:
        UsageError: there is no such profile.
        ConfigError: it is not valid.
    """
    if spec is None:
        path = profile_files(user_folder(folders)).get(DEFAULT)
        return Profile() if path is None else read_profile(path)
    return read_profile(find_profile(folders, spec))


def wanted(
    config: Config,
    own: frozenset[str],
    profile: Profile,
    *,
    flags: Mapping[str, Any] | None = None,
    edits: Mapping[str, Any] | None = None,
    system: str | None = None,
    template: NamedTemplate | None = None,
) -> Wanted:
    """What is asked of every turn: the configuration, over it the profile, flags, and what was edited since.

    Args:
        config: the user's.
        own: names of the settings that it sets, even where they are those of everybody.
        profile: in use.
        flags: fields of `Sampling` from the command line.
        edits: fields of `Sampling` that were changed in the program.
        system: from the command line; an empty one sends none.
        template: chosen in place of the model's own.
    """
    plain = set_fields(config.sampling) | {name: getattr(config.sampling, name) for name in own - {"system"}}
    named = f"profile {profile.name}"
    instruction = None if profile.system is None else filled(profile.system, profile.character or Character())
    layers = (
        Layer("config", plain),
        Layer(named, profile.generation),
        Layer("flag", dict(flags or {})),
        Layer("edit", dict(edits or {})),
    )
    said = [(system, "flag"), (instruction, named), (config.system, "config")]
    text, origin = next((pair for pair in said if pair[0] is not None), (None, "config"))
    kept = tuple(layer for layer in layers if layer.values)
    return Wanted(profile=profile, layers=kept, system=text, system_origin=origin, template=template)


def settings_with(
    config: Config,
    own: frozenset[str],
    profile: Profile,
    *,
    edits: Mapping[str, Any] | None = None,
    defaults: ModelDefaults | None = None,
    runtime_flags: Mapping[str, Any] | None = None,
) -> tuple[Setting, ...]:
    """Every setting of sampling and of a load as it is used with a profile, and where it comes from.

    Args:
        config: as for `wanted`.
        own: as for `wanted`.
        profile: as for `wanted`.
        edits: as for `wanted`.
        defaults: of a model's publisher.
        runtime_flags: fields of `Runtime` from the command line.
    """
    settled = settle(wanted(config, own, profile, edits=edits), defaults)
    layers = runtime_layers(config, profile, runtime_flags or {})
    runtime, origins = runtime_of(layers), lay_over(layers)[1]
    used = [(name, getattr(settled.sampling, name), settled.origins.get(name)) for name in Sampling.__struct_fields__]
    used += [(f"runtime.{name}", getattr(runtime, name), origins.get(name)) for name in Runtime.__struct_fields__]
    return tuple(Setting(name=name, value=value, origin=origin or "default") for name, value, origin in used)


def runtime_layers(config: Config, profile: Profile, flags: Mapping[str, Any]) -> tuple[Layer, ...]:
    """How a model is to be loaded, layer by layer, the lowest first."""
    plain = Runtime()
    changed = {
        name: getattr(config.runtime, name)
        for name in plain.__struct_fields__
        if getattr(config.runtime, name) != getattr(plain, name)
    }
    layers = (Layer("config", changed), Layer(f"profile {profile.name}", profile.runtime), Layer("flag", dict(flags)))
    return tuple(layer for layer in layers if layer.values)


def runtime_of(layers: tuple[Layer, ...]) -> Runtime:
    """How a model is loaded, and adapters with whole paths.

    Raises:
        UsageError: settings of two layers exclude each other; the cause says where each comes from.
    """
    values, origins = lay_over(layers)
    try:
        runtime = msgspec.convert(values, Runtime)
    except msgspec.ValidationError as error:
        places = [f"`{name}` by {origins[name]}" for name in ("flash_attention", "kv_type_v") if name in origins]
        raise UsageError(
            "These settings of a load exclude each other",
            cause=f"runtime: {error}; {', '.join(places)}",
            remedy="Set `flash_attention` to on or auto, or `kv_type_v` to f16",
        ) from error
    adapters = tuple(
        msgspec.structs.replace(adapter, path=str(Path(adapter.path).expanduser().absolute()))
        if adapter.path.startswith("~/")
        else adapter
        for adapter in runtime.adapters
    )
    return msgspec.structs.replace(runtime, adapters=adapters)


def _known(folders: Folders) -> dict[str, tuple[Origin, Path]]:
    known: dict[str, tuple[Origin, Path]] = {
        name: ("shipped", path) for name, path in profile_files(shipped_folder()).items()
    }
    known.update({name: ("user", path) for name, path in profile_files(user_folder(folders)).items()})
    return known


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False
