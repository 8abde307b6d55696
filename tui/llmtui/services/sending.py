"""A turn as engines take it, and the account of what it came from. Pure."""

from collections.abc import Sequence

import msgspec

import llmtui
from llmtui.domain.defaults import Settled
from llmtui.domain.events import Failed
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import Message, Note
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.profile import Mode, Wanted
from llmtui.domain.settings import Runtime, Sampling
from llmtui.domain.transcript import Manifest
from llmtui.engines.base import GenerateRequest
from llmtui.services.prompting import Asked, build

NO_TEMPLATE = "none: the prompt was sent as it is"


def asked_of(
    wanted: Wanted,
    messages: Sequence[Message],
    system: str | None,
    loaded: LoadedModel | None,
    *,
    answer_start: str = "",
    note: Note | None = None,
) -> Asked:
    """A conversation as the user's settings put it; see `prompting.build`.

    Raises:
        UsageError: it cannot be put as the profile's mode wants it.
    """
    return build(
        wanted.profile,
        messages,
        system=system,
        answer_start=answer_start,
        loaded=loaded,
        template=wanted.template,
        thinking=wanted.sampling.thinking,
        note=note,
    )


def request_of(
    request_id: str, asked: Asked, sampling: Sampling, *, conversation: str | None = None
) -> GenerateRequest:
    """The turn as engines take it; see `GenerateRequest.conversation`."""
    stops = tuple(dict.fromkeys((*sampling.stop, *asked.stops)))
    return GenerateRequest(
        id=request_id,
        messages=asked.messages,
        prompt=asked.prompt,
        template=asked.template,
        suffix=asked.suffix,
        sampling=msgspec.structs.replace(sampling, stop=stops),
        answer_start=asked.answer_start,
        conversation=conversation,
    )


def no_engine(info: ModelInfo | None, loaded: LoadedModel | None) -> Failed:
    """The turn cannot be sent: no model was loaded, or its engine ended.

    Args:
        info: the model that was loaded last.
        loaded: what its engine had granted.
    """
    return Failed(
        kind="engine",
        title="The model is not running" if info else "No model is loaded",
        cause=f"{loaded.name if loaded else info.name} ended" if info else "",
        remedy="Load it again and resend; your question is kept" if info else "Choose a model and resend",
    )


def manifest_of(
    loaded: LoadedModel, runtime: Runtime, settled: Settled, fold: TurnFold, *, asked: Asked, mode: Mode
) -> Manifest:
    """Where an answer came from.

    Args:
        loaded: the model.
        runtime: how it was asked to be loaded.
        settled: how tokens were drawn, and what of it the publisher set.
        fold: of the turn.
        asked: what was sent.
        mode: how the conversation was put.
    """
    timings, template = fold.timings, asked.template
    source, sha256 = loaded.template_source, loaded.template_sha256
    if asked.prompt is not None:
        source, sha256 = NO_TEMPLATE, None
    elif template is not None:
        source, sha256 = template.source or template.name, template.sha256
    sampling = request_of("", asked, settled.sampling).sampling
    return Manifest(
        model=loaded.name,
        engine=loaded.engine,
        engine_build=loaded.engine_build,
        llmtui=llmtui.__version__,
        model_path=timings.replica or loaded.path,
        replica=timings.replica.partition("#")[0] if timings.replica else None,
        model_fingerprint=loaded.fingerprint,
        quantisation=loaded.quantisation,
        adapters=loaded.adapters if timings.adapters is None else timings.adapters,
        template_source=source,
        template_sha256=sha256,
        template_note=timings.template_note,
        rendered_sha256=timings.rendered_sha256,
        sampling=sampling,
        from_model=settled.names,
        system=settled.system,
        profile=settled.profile,
        origins=settled.origins,
        runtime=runtime,
        seed=timings.seed,
        options=timings.options,
        context_asked=runtime.context,
        context_granted=loaded.context_size,
        cache_miss_at=timings.cache_miss_at,
        bos_count=timings.bos_count,
        mode=None if mode == "instruct" else mode,
        dropped=asked.dropped,
        cut=asked.cut,
    )
