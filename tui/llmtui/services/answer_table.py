"""What stands beneath answers that are laid side by side: their figures and settings, and which of them differ."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from llmtui.domain.quantities import number, percent, whole
from llmtui.domain.settings import Runtime, Sampling
from llmtui.domain.transcript import Manifest
from llmtui.services.answers import ShownAnswer

ALWAYS: Final = ("temperature", "top_p", "top_k", "seed", "max_tokens")
"""Sampling settings that are shown even where nobody has set them."""
_LONG: Final = 60
_NONE: Final = "–"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure or setting of every answer.

    Attributes:
        values: one an answer, in their order; not safe to show.
        differs: they are not all the same, where that says something: settings. Figures differ always.
    """

    name: str
    values: tuple[str, ...]
    differs: bool = False


def figures(answers: Sequence[ShownAnswer]) -> tuple[Figure, ...]:
    """The metrics of answers, in the order in which they are read."""
    rows = [_figures(answer) for answer in answers]
    return tuple(
        Figure(name=name, values=tuple(row[at][1] for row in rows))
        for at, (name, _) in enumerate(rows[0] if rows else ())
    )


def _figures(answer: ShownAnswer) -> list[tuple[str, str]]:
    known = answer.metrics
    if known is None:
        return [(name, _NONE) for name in ("decode", "字/s", "ttft", "tokens", "prompt", "prefill", "context", "ended")]
    share = known.context_used / known.context_size if known.context_used is not None and known.context_size else None
    cached = f" ({whole(known.cached_tokens)} cached)" if known.cached_tokens else ""
    context = f"{whole(known.context_used)} of {whole(known.context_size)}"
    return [
        ("decode", number(known.decode_tps, "tok/s")),
        ("字/s", number(known.decode_cps)),
        ("ttft", number(known.ttft_s, "s", 2)),
        ("tokens", whole(known.completion_tokens)),
        ("prompt", f"{whole(known.prompt_tokens)}{cached}"),
        ("prefill", number(known.prefill_tps, "tok/s")),
        ("context", f"{context} · {percent(share)}" if share is not None else context),
        ("ended", known.finish_reason or _NONE),
    ]


def settings(answers: Sequence[ShownAnswer]) -> tuple[Figure, ...]:
    """What the answers came from: first what differs between them, then what is common to all."""
    tables = [_settings(answer.manifest) for answer in answers]
    names = dict.fromkeys(name for table in tables for name in table)
    lines = [_line(name, tables) for name in names]
    shown = [line for line in lines if line.differs or any(_is_told(line.name, value) for value in line.values)]
    return tuple(sorted(shown, key=lambda line: not line.differs))


def _line(name: str, tables: Iterable[dict[str, str]]) -> Figure:
    """An answer of which nothing is known yet differs from none."""
    values = tuple((table.get(name, _NONE), bool(table)) for table in tables)
    known = {value for value, told in values if told}
    return Figure(name=name, values=tuple(value for value, _ in values), differs=len(known) > 1)


def _is_told(name: str, value: str) -> bool:
    """Whether a setting that is the same everywhere is worth its row: it is no default, or among those always shown."""
    if name in ALWAYS:
        return True
    default = _DEFAULTS.get(name)
    return value not in {_NONE, default}


def _settings(manifest: Manifest | None) -> dict[str, str]:
    if manifest is None:
        return {}
    sampling, runtime = _fields(manifest.sampling), _fields(manifest.runtime)
    return {
        "model": manifest.model,
        "quantisation": manifest.quantisation or _NONE,
        "engine": f"{manifest.engine} {manifest.engine_build}".rstrip(),
        "file": (manifest.model_fingerprint or _NONE)[:12],
        "adapters": " ".join(adapter.label for adapter in manifest.adapters) or _NONE,
        "profile": manifest.profile or _NONE,
        "mode": manifest.mode or "instruct",
        "template": manifest.template_source or _NONE,
        "template sha": (manifest.template_sha256 or _NONE)[:12],
        "system": _short(manifest.system),
        **sampling,
        "seed": _unbroken(manifest.seed if manifest.seed is not None else manifest.sampling.seed),
        "context": f"{whole(manifest.context_granted)}",
        **{name: value for name, value in runtime.items() if name not in {"context", "adapters"}},
    }


def _unbroken(value: int | None) -> str:
    """A number as it is typed, without separators: a seed is copied, not read."""
    return _NONE if value is None else str(value)


def _fields(values: Sampling | Runtime) -> dict[str, str]:
    return {name: _short(getattr(values, name)) for name in values.__struct_fields__}


def _short(value: Any) -> str:
    """A setting's value in a few characters."""
    if value is None or value == ():
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    text = " ".join(repr(part) for part in value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


_DEFAULTS: Final = {**_fields(Runtime()), **_fields(Sampling()), "mode": "instruct", "profile": "default"}
