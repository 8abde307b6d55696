"""Settings that a model's publisher chose, below what the user sets."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import msgspec

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
    """Settings of a turn, and which of them are the publisher's.

    Attributes:
        sampling: to be used.
        system: the publisher's message; None where the user's word counts, or there is none.
        names: of the fields that are the publisher's, `system` among them.
    """

    sampling: Sampling
    system: str | None
    names: tuple[str, ...]


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


def settle(sampling: Sampling, own: Collection[str] | None, defaults: ModelDefaults | None) -> Settled:
    """The settings of a turn.

    Args:
        sampling: as the user has it, the program's defaults included.
        own: names of the fields that the user set, `system` among them; None leaves the publisher's out.
        defaults: the publisher's.

    Stop strings of both count: a model without its own runs on past the end of its answer.
    """
    if own is None or defaults is None:
        return Settled(sampling, None, ())
    theirs = dict(defaults.sampling)
    taken = {name: value for name, value in theirs.items() if name not in own}
    stops = tuple(dict.fromkeys((*theirs.get("stop", ()), *sampling.stop)))
    if stops != sampling.stop:
        taken["stop"] = stops
    taken = {name: value for name, value in taken.items() if getattr(sampling, name) != value}
    system = None if "system" in own else defaults.system
    names = (*taken, *(("system",) if system else ()))
    return Settled(msgspec.structs.replace(sampling, **taken), system, names)
