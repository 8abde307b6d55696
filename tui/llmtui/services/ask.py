"""One question without the terminal program: the same engine, the same fold, no transcript."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from llmtui.domain.defaults import Settled, settle
from llmtui.domain.dialogue import greeting_of
from llmtui.domain.events import (
    Delta,
    Failed,
    Finished,
    FinishReason,
    LoadProgress,
    PrefillProgress,
    ReasoningDelta,
    Timings,
)
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import METRIC_KEYS, GpuReading, HostReading, TurnMetrics
from llmtui.domain.models import LoadedModel, ModelInfo
from llmtui.domain.profile import Mode, Wanted
from llmtui.domain.rendered import Rendered
from llmtui.domain.templates import template_warning
from llmtui.domain.text import visible_line
from llmtui.domain.transcript import Manifest
from llmtui.engines.base import Engine, error_of, failure_of
from llmtui.errors import EngineError, LlmtuiError, ModelError
from llmtui.services.conversation import as_messages
from llmtui.services.inspection import explain
from llmtui.services.prompting import PERSONA_MODES, Asked, build
from llmtui.services.sending import manifest_of, request_of
from llmtui.services.streams import turn_events
from llmtui.services.wiring import Services

CHOOSE = "Choose a template: --template NAME, see `llmtui templates list`"
GRACE_S = 5.0
"""Seconds that an engine has to end a turn that was stopped; an engine deep in a computation cannot hear us."""
AGAIN = "Ask again, or run `llmtui doctor`"


class AnswerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `ask` brought.

    Attributes:
        content: the answer, also a partial one; as the model wrote it, so not safe to show.
        model: the model's name.
        manifest: None when the model could not be loaded.
        error: None unless `finish_reason` is `error`.
        reasoning: what the model thought before it answered, where the engine tells the two apart; not safe to show.
        notices: what the user should know of the turn, safe to show.
    """

    content: str
    model: str
    finish_reason: FinishReason
    metrics: TurnMetrics
    manifest: Manifest | None = None
    error: Failed | None = None
    reasoning: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def smaller_context(self) -> tuple[int, int] | None:
        """Tokens asked for and tokens granted, when the model was trained on fewer than the user asked for."""
        asked, granted = (self.manifest.context_asked, self.manifest.context_granted) if self.manifest else (None, None)
        return (asked, granted) if asked is not None and granted is not None and granted < asked else None

    def as_error(self) -> LlmtuiError | None:
        """The error to tell, with its exit code."""
        return None if self.error is None else error_of(self.error)


async def ask(
    services: Services,
    model: str | None,
    prompt: tuple[ChatMessage, ...] | str,
    wanted: Wanted,
    *,
    on_text: Callable[[str], None],
    on_progress: Callable[[str], None],
    stop: asyncio.Event,
) -> AnswerReport:
    """Load a model, answer once, unload it.

    Args:
        services: the parts of the program.
        model: as the user wrote it; None takes the configured one, else the demo model.
        prompt: a conversation whose last message is to be answered, or a text to be continued as it is.
        wanted: how tokens are drawn, and how a conversation is put; its system message stands in `prompt` already, and
            a text is continued as it is whatever the profile says.
        on_text: given every piece of the answer, not safe to show. What it raises ends the turn and comes out here.
        on_progress: given a line, safe to show, on how far load and prefill are.
        stop: set it to cancel; what has come is in the report.

    Raises:
        UsageError: there is no such model, or the profile's mode cannot take this prompt. Model and engine errors are
            part of the report.
    """
    try:
        try:
            info = services.catalogue.resolve(model)
            loading = asyncio.create_task(_load(services, info, on_progress))
            warming = asyncio.create_task(asyncio.to_thread(_look_at_host, None))  # imports what it needs meanwhile
            if await _stopped_first(loading, stop):
                return _unloaded(info.name, "cancelled", "the load was interrupted")
            engine, loaded = loading.result()
        except (ModelError, EngineError) as error:
            return _failed(model or services.catalogue.default, error)
        await warming
        settled = settle(wanted, loaded.defaults or info.defaults)
        raw = isinstance(prompt, str)
        asked = _asked(prompt, wanted, settled.system, loaded)
        turn = _Turn(engine, loaded, asked, "text" if raw else wanted.profile.mode, settled)
        await turn.run(on_text, on_progress, stop)
        return await turn.report(services)
    finally:
        await services.host.close()


async def render(
    services: Services,
    model: str | None,
    prompt: tuple[ChatMessage, ...] | str,
    wanted: Wanted,
    *,
    on_progress: Callable[[str], None],
) -> Rendered:
    """What `ask` would send, token by token; nothing is generated.

    Args:
        services: the parts of the program.
        model: see `ask`.
        prompt: see `ask`.
        wanted: see `ask`.
        on_progress: given a line, safe to show, on how far the load is.

    Raises:
        LlmtuiError: the model cannot be loaded, its engine does not show prompts, or the prompt cannot be rendered.
    """
    try:
        info = services.catalogue.resolve(model)
        engine, loaded = await _load(services, info, on_progress)
        settled = settle(wanted, loaded.defaults or info.defaults)
        asked = _asked(prompt, wanted, settled.system, loaded)
        return await explain(engine, request_of("dry-run", asked, settled.sampling))
    finally:
        await services.host.close()


class _Turn:
    """The one turn of `ask`."""

    def __init__(self, engine: Engine, loaded: LoadedModel, asked: Asked, mode: Mode, settled: Settled) -> None:
        self._engine = engine
        self._loaded = loaded
        self._asked = asked
        self._mode = mode
        self._request = request_of(uuid.uuid4().hex, asked, settled.sampling)
        self._settled = settled
        self._fold = TurnFold(time.perf_counter_ns())
        self._gpu_before = GpuReading()
        self._begun = False

    async def run(
        self, on_text: Callable[[str], None], on_progress: Callable[[str], None], stop: asyncio.Event
    ) -> None:
        """Fold the turn's events until it ends; a stop lets the engine end it, so that its account is complete.

        An engine that does not end it in `GRACE_S` is not waited for: what has come counts.
        """
        self._gpu_before = (await asyncio.to_thread(_look_at_host, self._loaded.pid)).gpu
        self._fold = TurnFold(time.perf_counter_ns())
        limit = asyncio.timeout(None)
        stopper = asyncio.create_task(self._cancel_on(stop, limit))
        try:
            async with limit, contextlib.aclosing(turn_events(self._engine, self._request, remedy=AGAIN)) as events:
                async for event in events:
                    self._fold.add(event)
                    if stop.is_set():  # again: the engine may not have known the turn yet when the stop came
                        await self._engine.cancel(self._request.id)
                    match event:
                        case Delta() if text := self._visible(event.text):
                            on_text(text)
                        case ReasoningDelta():
                            on_progress("the model is thinking")
                        case PrefillProgress() if event.total > event.done:
                            on_progress(f"reading the prompt: {event.done:,} of {event.total:,} tokens")
        except TimeoutError:
            if not limit.expired():
                raise
            self._fold.add(Finished(reason="cancelled", timings=Timings(), t_ns=time.perf_counter_ns()))
        finally:
            stopper.cancel()
        if self._fold.failure is not None:
            self._fold.end(time.perf_counter_ns())

    def _visible(self, text: str) -> str:
        """More of the answer, without the blanks between a name and the first word."""
        if not self._asked.trimmed or self._begun:
            return text
        text = text.lstrip()
        self._begun = bool(text)
        return text

    async def _cancel_on(self, stop: asyncio.Event, limit: asyncio.Timeout) -> None:
        await stop.wait()
        limit.reschedule(asyncio.get_running_loop().time() + GRACE_S)
        await self._engine.cancel(self._request.id)

    def _warnings(self) -> tuple[str, ...]:
        if self._request.template is not None or self._request.prompt is not None:
            return ()
        warning = template_warning(self._loaded.template_source)
        return (f"{warning}. {CHOOSE}",) if warning else ()

    async def report(self, services: Services) -> AnswerReport:
        """Answer, metrics and manifest, with a look at the machine now."""
        from llmtui.probes.machine import cpu_name  # noqa: PLC0415 - read after the answer, not before
        from llmtui.store.machine import read_machine  # noqa: PLC0415 - the same

        host = await asyncio.to_thread(_look_at_host, self._loaded.pid)
        metrics = self._fold.metrics(
            self._loaded,
            host=host,
            gpu_before=self._gpu_before,
            load_s=self._loaded.load_s,
            memory_bandwidth=read_machine(services.folders, cpu_name()).memory_bandwidth,
        )
        return AnswerReport(
            content=self._fold.text.lstrip() if self._asked.trimmed else self._fold.text,
            model=self._loaded.name,
            finish_reason=self._fold.finish_reason or "error",
            metrics=metrics,
            manifest=manifest_of(
                self._loaded,
                services.host.runtime,
                self._settled,
                self._fold,
                asked=self._asked,
                mode=self._mode,
            ),
            error=self._fold.failure,
            reasoning=self._fold.reasoning or None,
            notices=(*self._warnings(), *(f"{notice.text}. {notice.remedy}" for notice in self._fold.notices)),
        )


def _asked(
    prompt: tuple[ChatMessage, ...] | str, wanted: Wanted, publishers_system: str | None, loaded: LoadedModel
) -> Asked:
    if isinstance(prompt, str):
        return Asked(prompt=prompt)
    profile = wanted.profile
    own = "\n\n".join(message.content for message in prompt if message.role == "system")
    said = [message for message in prompt if message.role != "system"]
    if profile.mode in PERSONA_MODES and profile.character is not None:
        said.insert(0, ChatMessage("assistant", greeting_of(profile.character)))
    system = own or publishers_system
    return build(
        profile,
        as_messages(said),
        system=system,
        loaded=loaded,
        template=wanted.template,
        thinking=wanted.sampling.thinking,
    )


async def _load(services: Services, info: ModelInfo, on_progress: Callable[[str], None]) -> tuple[Engine, LoadedModel]:
    async for event in services.host.load(info):
        if isinstance(event, LoadProgress):
            percent = "" if event.fraction is None else f" {100 * event.fraction:.0f} %"
            on_progress(visible_line(f"loading {info.name}: {event.stage}{percent}"))
    engine, loaded = services.host.engine, services.host.loaded
    if engine is None or loaded is None:
        raise EngineError("The model did not come up", cause=info.path, remedy="Run `llmtui doctor`")
    return engine, loaded


async def _stopped_first(task: asyncio.Task[Any], stop: asyncio.Event) -> bool:
    """Wait for either; True when `stop` came first, and the task is cancelled and over by then."""
    stopper = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopper}, return_when=asyncio.FIRST_COMPLETED)
        return not task.done()
    finally:
        stopper.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _look_at_host(pid: int | None) -> HostReading:
    from llmtui.probes.host import read_host  # noqa: PLC0415 - psutil is imported while the worker loads

    return read_host(pid)


def _unloaded(model: str, reason: FinishReason, why: str, error: Failed | None = None) -> AnswerReport:
    """A report without a turn: every metric is unknown for the same reason."""
    unknown = {key: why for key in METRIC_KEYS if key != "finish_reason"}
    metrics = TurnMetrics(finish_reason=reason, sources={"finish_reason": "measured"}, reasons=unknown)
    return AnswerReport(content="", model=model, finish_reason=reason, metrics=metrics, error=error)


def _failed(model: str, error: LlmtuiError) -> AnswerReport:
    return _unloaded(model, "error", "the model could not be loaded", failure_of(error))
