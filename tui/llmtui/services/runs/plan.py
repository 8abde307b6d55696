"""What a run asks: sets read and counted before anything is loaded, and the samples one by one while it runs."""

import contextlib
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from llmtui.domain.limits import MAX_SEED
from llmtui.domain.profile import Layer, Wanted
from llmtui.domain.prompt_set import Sample
from llmtui.domain.run import Identity, PlannedSet, RunPlan
from llmtui.domain.text import visible_line
from llmtui.errors import UsageError
from llmtui.services.profiles import wanted
from llmtui.services.prompt_sets import find_set
from llmtui.services.scoring.registry import waits_for
from llmtui.services.wiring import Services
from llmtui.store.prompt_sets import open_prompt_set

TIMEOUT_S = 1800.0
"""Of one sample, where the user sets none: a long answer of a slow model takes minutes, not half an hour."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked of a run.

    Attributes:
        sets, models: as the user named them.
    """

    sets: tuple[str, ...]
    models: tuple[str, ...]
    epochs: int | None = None
    seed: int | None = None
    limit: int | None = None
    timeout_s: float = TIMEOUT_S


class Job(NamedTuple):
    """One sample in one epoch.

    Attributes:
        set: name of the prompt set.
        wanted: as the user, the profile and the set have it; a model's publisher may fill what they leave.
    """

    set: str
    sample: Sample
    epoch: int
    wanted: Wanted


def make_plan(services: Services, wishes: Wishes) -> RunPlan:
    """Read every set from end to end and count. Reads from disk: call it from a thread.

    Raises:
        UsageError: an unknown set, or two of the same name.
        ConfigError: a set is not valid; the first mistake.
    """
    planned: list[PlannedSet] = []
    for word in wishes.sets:
        found = _planned(find_set(services.folders, word), wishes)
        if any(found.name == other.name for other in planned):
            raise UsageError(
                f"The set {visible_line(found.name)!r} is named twice",
                cause=f"{found.path}: results are told apart by the name in the file",
                remedy="Name each set once; to ask everything several times there is --epochs",
            )
        planned.append(found)
    models = tuple(dict.fromkeys(wishes.models))
    return RunPlan(
        sets=tuple(planned),
        models=models,
        wanted=_wanted(services),
        epochs=wishes.epochs,
        seed=wishes.seed,
        drawn_seed=secrets.randbelow(MAX_SEED),
        limit=wishes.limit,
        timeout_s=wishes.timeout_s,
        runtime=services.host.runtime,
        folder=_working_folder(),
    )


def spec_of(plan: RunPlan, name: str) -> str:
    """A model of a run as the catalogue finds it: a path that was relative where the run was planned is made whole."""
    path = os.path.join(plan.folder, name)  # noqa: PTH118 - a Path would take the slashes out of addresses
    is_elsewhere = plan.folder not in {"", _working_folder()}
    return path if is_elsewhere and os.path.isfile(path) else name  # noqa: PTH113 - Path.is_file raises for long names


def jobs_of(plan: RunPlan, planned: PlannedSet) -> Iterator[Job]:
    """Every sample of a set, all its epochs in a row, so that their common prompt is evaluated once.

    Raises:
        ConfigError: the set is not valid any more.
    """
    with open_prompt_set(Path(planned.path)) as reader:
        for sample in islice(reader.samples(), plan.limit):
            given = sample.generation.given
            seed = _first(plan.seed, given.get("seed"), plan.wanted.sampling.seed, plan.drawn_seed)
            for epoch in range(plan.epochs or sample.epochs):
                settings = {**given, "seed": (seed + epoch) % (MAX_SEED + 1)}
                yield Job(planned.name, sample, epoch, _with(plan.wanted, planned.name, settings, sample))


def key_of(job: Job, identity: Identity) -> str:
    """Sha256 over all that an answer depends on, so that a run is taken up by what was asked and not by position."""
    import hashlib  # noqa: PLC0415 - not needed before a run begins

    sample = job.sample
    parts: dict[str, Any] = {
        "set": job.set,
        "sample": sample.id,
        "epoch": job.epoch,
        "model": identity,
        "mode": sample.mode,
        "prompt": [sample.turns, sample.text, sample.prefix, sample.suffix],
        "wanted": job.wanted,
    }
    return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def _planned(path: Path, wishes: Wishes) -> PlannedSet:
    waiting = Counter[str]()
    samples = turns = 0
    with open_prompt_set(path) as reader:
        name = reader.header.name
        for sample in reader.samples():  # to the end, whatever the limit: a mistake is told before hours have passed
            if wishes.limit is not None and samples >= wishes.limit:
                continue
            samples += 1
            turns += wishes.epochs or sample.epochs
            waiting.update({waits for scorer in sample.scorers if (waits := waits_for(scorer)) is not None})
    return PlannedSet(name=name, path=str(path.resolve()), samples=samples, turns=turns, waiting=dict(waiting))


def _working_folder() -> str:
    with contextlib.suppress(OSError):  # it may be gone
        return str(Path.cwd())
    return ""


def _wanted(services: Services) -> Wanted:
    """The user's settings; the system message of the configuration is for chats, the profile's counts."""
    template = services.profile.template
    named = None
    if template is not None:
        from llmtui.services.templates import find_template  # noqa: PLC0415 - only where one is named

        named = find_template(services.folders, template)
    config = msgspec.structs.replace(services.config, system=None)
    return wanted(config, services.own, services.profile, template=named)


def _with(base: Wanted, set_: str, settings: dict[str, Any], sample: Sample) -> Wanted:
    """The settings of one sample: the set's over the profile's, its system message in place of the profile's."""
    layers = (*base.layers, Layer(f"set {set_}", settings))
    if sample.turns and sample.turns[0].role == "system":
        system = sample.turns[0].content
        return msgspec.structs.replace(base, layers=layers, system=system, system_origin=f"set {set_}")
    return msgspec.structs.replace(base, layers=layers)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
