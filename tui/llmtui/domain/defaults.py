"""Settings that a model's publisher chose, below what the user sets."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from llmtui.domain.profile import Layer, Wanted, effective
from llmtui.domain.settings import Sampling

_RENAMED = {"num_predict": "max_tokens"}
_COPIED = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repeat_penalty",
    "repeat_last_n",
    "typical_p",
    "presence_penalty",
    "frequency_penalty",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "seed",
    "stop",
)


class ModelDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a publisher set for a model.

    Attributes:
        sampling: names of fields of `Sampling` with their values; not a dict, since models are compared and hashed.
        system: message before a conversation that has none.
        context: tokens.
    """

    sampling: tuple[tuple[str, Any], ...] = ()
    system: str | None = None
    context: int | None = None


class Settled(NamedTuple):
    """Settings of a turn, and where they come from.

    Attributes:
        sampling: to be used.
        system: the publisher's message; None where the user's word counts, or there is none.
        names: of the fields that are the publisher's, `system` among them.
        origins: of every field that is not a default, `system` among them; see `Layer.origin`.
        profile: name of the profile in use.
    """

    sampling: Sampling
    system: str | None = None
    names: tuple[str, ...] = ()
    origins: dict[str, str] = {}  # noqa: RUF012 - a tuple's field, and never changed
    profile: str | None = None


def ollama_defaults(parameters: Mapping[str, Any], system: str | None) -> ModelDefaults | None:
    """Ollama's parameters under our names; None when nothing of them is of use here.

    What is out of range, unknown, or stands for "as it is" (-1, as the number of tokens) is left out.
    """
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        field = _RENAMED.get(name, name)
        if name in _RENAMED or name in _COPIED:
            one = value[-1] if isinstance(value, list) and field != "stop" and value else value
            try:
                found[field] = getattr(msgspec.convert({field: one}, Sampling, strict=False), field)
            except msgspec.ValidationError:
                continue
    context = parameters.get("num_ctx")
    context = context[-1] if isinstance(context, list) and context else context
    try:
        tokens = msgspec.convert(context, int, strict=False)
    except msgspec.ValidationError:
        tokens = 0
    system = system if system and system.strip() else None
    if not found and system is None and tokens <= 0:
        return None
    return ModelDefaults(sampling=tuple(found.items()), system=system, context=tokens if tokens > 0 else None)


def settle(wanted: Wanted, defaults: ModelDefaults | None) -> Settled:
    """The settings of a turn.

    Args:
        wanted: by the user.
        defaults: the publisher's.

    Stop strings of both count: a model without its own runs on past the end of its answer.
    """
    theirs = dict(defaults.sampling) if defaults is not None and wanted.publishers else {}
    used = effective([Layer("model", theirs), *wanted.layers])
    sampling, origins = used.sampling, used.origins
    stops = tuple(dict.fromkeys((*theirs.get("stop", ()), *sampling.stop)))
    if stops != sampling.stop:
        sampling = msgspec.structs.replace(sampling, stop=stops)
        origins["stop"] = f"model and {origins['stop']}"
    system = defaults.system if defaults is not None and wanted.publishers and wanted.system is None else None
    if system or wanted.system is not None:
        origins["system"] = "model" if system else wanted.system_origin
    names = tuple(name for name, origin in origins.items() if origin.startswith("model"))
    return Settled(sampling, system, names, origins, wanted.profile.name)
