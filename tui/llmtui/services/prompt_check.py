"""Whether a prompt set is valid, and which of its samples a model's context can hold."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

import msgspec

from llmtui.domain.events import LoadProgress
from llmtui.domain.messages import ChatMessage
from llmtui.domain.prompt_set import Sample
from llmtui.domain.text import visible_line
from llmtui.engines.base import Engine
from llmtui.errors import ConfigError, ContextError, EngineError, LlmtuiError, TemplateError
from llmtui.services.wiring import Services
from llmtui.store.prompt_errors import Problem
from llmtui.store.prompt_sets import open_prompt_set

Verdict = Literal["fits", "tight", "too_long", "failed"]
"""`tight`: the prompt fits, but not together with as many tokens of answer as the sample allows."""


class SampleFit(msgspec.Struct, frozen=True, kw_only=True):
    """One sample against one model.

    Attributes:
        tokens: of the rendered prompt; a lower bound where turns are left to the model. None when it failed.
        max_tokens: of the answer, as the set says.
        reason: why it failed.
    """

    id: str
    verdict: Verdict
    tokens: int | None = None
    max_tokens: int | None = None
    reason: str | None = None


class ModelFit(msgspec.Struct, frozen=True, kw_only=True):
    """A set against one model.

    Attributes:
        context: tokens that the model's context holds; None where a server does not say.
        longest: tokens of the longest prompt that could be counted.
    """

    model: str
    context: int | None
    template: str | None
    longest: int | None
    samples: tuple[SampleFit, ...]

    @property
    def bad(self) -> tuple[SampleFit, ...]:
        """The samples that cannot be asked."""
        return tuple(fit for fit in self.samples if fit.verdict in {"too_long", "failed"})


class SetCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    path: str
    name: str
    samples: int
    problems: tuple[Problem, ...]
    fit: ModelFit | None = None

    @property
    def ok(self) -> bool:
        """Whether every sample is valid and can be asked."""
        return not self.problems and not (self.fit and self.fit.bad)


def check_file(path: Path) -> SetCheck:
    """Read a set from end to end; what is wrong is in the result, never raised."""
    problems, count, name = [], 0, path.stem
    try:
        with open_prompt_set(path) as reader:
            name = reader.header.name
            for found in reader.scan():
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    count += 1
    except ConfigError as error:
        problems.append(Problem(file=str(path), message=error.cause.removeprefix(f"{path}: "), remedy=error.remedy))
    return SetCheck(path=str(path), name=name, samples=count, problems=tuple(problems))


async def check_with_model(
    services: Services, paths: Iterable[Path], model: str | None, on_progress: Callable[[str], None]
) -> list[SetCheck]:
    """Check sets, load a model once, render every valid sample with it, and unload it.

    Args:
        services: the parts of the program.
        paths: of the sets.
        model: as the user wrote it; None takes the configured one.
        on_progress: given a line, safe to show, on what is being done.

    Raises:
        UsageError, ModelError, EngineError: the model is unknown, cannot be loaded, or died.
    """
    checks = [await asyncio.to_thread(check_file, path) for path in paths]
    info = services.catalogue.resolve(model)
    try:
        async for event in services.host.load(info):
            if isinstance(event, LoadProgress):
                on_progress(visible_line(f"loading {info.name}: {event.stage}"))
        engine = services.host.engine
        if engine is None:
            raise EngineError("The model did not come up", cause=info.path, remedy="Run `llmtui doctor`")
        return [msgspec.structs.replace(check, fit=await _fit(engine, check, on_progress)) for check in checks]
    finally:
        await services.host.close()


async def count_tokens(engine: Engine, sample: Sample) -> int:
    """Tokens of a sample's first prompt, as the engine would evaluate it.

    A lower bound for a conversation whose turns the model will write, and for infill, whose markers differ from model
    to model.

    Raises:
        TemplateError, ContextError, EngineError: as the engine's.
    """
    if sample.text is not None:
        return await engine.count_prompt(sample.text)
    if sample.prefix is not None:
        return await engine.count_prompt(sample.prefix + (sample.suffix or ""))
    return await engine.count_prompt([ChatMessage(turn.role, turn.content or "") for turn in sample.turns])


async def _fit(engine: Engine, check: SetCheck, on_progress: Callable[[str], None]) -> ModelFit:
    loaded = engine.loaded
    context = loaded.context_size if loaded else None
    fits = []
    for sample in _valid(check):
        fits.append(await _sample_fit(engine, sample, context))
        if len(fits) % 20 == 0:
            on_progress(visible_line(f"rendering {check.name}: {len(fits):,} of {check.samples:,}"))
    known = [fit.tokens for fit in fits if fit.tokens is not None]
    return ModelFit(
        model=loaded.name if loaded else "",
        context=context,
        template=loaded.template_source if loaded else None,
        longest=max(known, default=None),
        samples=tuple(fits),
    )


async def _sample_fit(engine: Engine, sample: Sample, context: int | None) -> SampleFit:
    limit = sample.generation.max_tokens
    fit = SampleFit(id=sample.id, verdict="fits", max_tokens=limit)
    try:
        tokens = await count_tokens(engine, sample)
    except ContextError as error:
        return msgspec.structs.replace(fit, verdict="too_long", reason=error.cause)
    except (TemplateError, EngineError) as error:
        if not engine.alive:
            raise
        return msgspec.structs.replace(fit, verdict="failed", reason=_told(error))
    verdict: Verdict = "fits"
    if context is not None and tokens >= context:
        verdict = "too_long"
    elif context is not None and limit is not None and tokens + limit > context:
        verdict = "tight"
    return msgspec.structs.replace(fit, verdict=verdict, tokens=tokens)


def _valid(check: SetCheck) -> Iterator[Sample]:
    """The valid samples again: they are read twice rather than kept, since a set can be long."""
    try:
        with open_prompt_set(Path(check.path)) as reader:
            yield from (found for found in reader.scan() if isinstance(found, Sample))
    except ConfigError:
        return


def _told(error: LlmtuiError) -> str:
    return ": ".join(part for part in (error.title, error.cause) if part)
