"""One sample put to a loaded model: its turns one after another, under a time limit, and the record of it."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

import msgspec

from llmtui.domain.defaults import Settled, settle
from llmtui.domain.events import Delta, Failed, Notice, ReasoningDelta, TurnEvent
from llmtui.domain.fold import TurnFold
from llmtui.domain.messages import ChatMessage
from llmtui.domain.metrics import GpuReading, HostReading, TurnMetrics
from llmtui.domain.models import LoadedModel
from llmtui.domain.prompt_set import Mode
from llmtui.domain.run import SampleRecord, Status
from llmtui.domain.settings import Runtime
from llmtui.domain.text import well_formed
from llmtui.engines.base import Engine, GenerateRequest, SharesWork, failure_of
from llmtui.errors import EngineError, LlmtuiError
from llmtui.services.conversation import as_messages, now_text
from llmtui.services.prompting import GAP, PERSONA_MODES, Asked, build
from llmtui.services.runs.plan import Job
from llmtui.services.runs.tries import TIME_IS_OVER, TOO_MUCH
from llmtui.services.sending import manifest_of, request_of
from llmtui.services.streams import turn_events

GRACE_S = 10.0
"""How long an engine may take to end a turn that was stopped, before it is left behind."""
WARM_UP_S = 300.0
"""How long the first tokens may take: a server may load the model for them."""
LAST_TOKEN_S = 10.0
"""How long the second one may take after the first: a server may pass over the limit, and write on."""
MOST_CHARACTERS = 4 << 20
"""Of one answer with its reasoning: far more than any model writes, and little enough for a line of a run's file."""
REMEDY = "Take the run up again with --resume"


class Bench(NamedTuple):
    """What a sample is asked with.

    Attributes:
        engine: loaded.
        loaded: what it granted.
        memory_bandwidth: of this machine, bytes a second; None where unknown.
        parallel: samples in flight.
    """

    engine: Engine
    loaded: LoadedModel
    runtime: Runtime
    memory_bandwidth: float | None
    parallel: int


def mode_of(job: Job) -> Mode:
    """How a sample is put: as its set says; where that is the usual way, a persona of the profile's may speak."""
    persona = job.wanted.profile.mode in PERSONA_MODES and job.sample.mode == "instruct"
    return job.wanted.profile.mode if persona else job.sample.mode


def first_prompt(job: Job, loaded: LoadedModel) -> Asked:
    """What is sent for a sample's first turn, for counting.

    Raises:
        UsageError: the model cannot fill a gap.
    """
    said: list[ChatMessage] = []
    for turn in job.sample.turns:
        if turn.content is None:
            break
        said.append(ChatMessage(turn.role, turn.content))
    return put(job, said, loaded, settle(job.wanted, loaded.defaults).system)


def put(job: Job, said: Sequence[ChatMessage], loaded: LoadedModel, publishers: str | None) -> Asked:
    """What is sent to have a conversation of a sample answered, or its text or gap filled.

    Args:
        job: the sample.
        said: so far; the system message may be the first.
        loaded: the model.
        publishers: the system message of the model's publisher, where nobody else has one.

    Raises:
        UsageError: the model cannot fill a gap.
    """
    sample, mode = job.sample, mode_of(job)
    if sample.text is not None:
        return Asked(prompt=sample.text)
    if sample.prefix is not None:
        said = [ChatMessage("user", f"{sample.prefix}{GAP}{sample.suffix or ''}")]
    profile = msgspec.structs.replace(job.wanted.profile, mode=mode)
    system = job.wanted.system if job.wanted.system is not None else publishers
    conversation = as_messages(message for message in said if message.role != "system")
    return build(
        profile,
        conversation,
        system=system,
        loaded=loaded,
        template=job.wanted.template,
        thinking=job.wanted.sampling.thinking,
    )


class Asking:
    """One try of one sample. Make a new one for another try.

    Attributes:
        told: what the engine had to say of its servers meanwhile.

    Args:
        bench: what is asked.
        job: the sample.
        slot: sequence of the engine's cache.
    """

    def __init__(self, bench: Bench, job: Job, *, slot: int) -> None:
        self._bench = bench
        self._job = job
        self._slot = slot
        self._settled = settle(job.wanted, bench.loaded.defaults)
        self._asked = Asked()
        self._fold = TurnFold(time.perf_counter_ns())
        self._earlier: list[TurnMetrics] = []
        self._gpu_before = GpuReading()
        self._load_s: float | None = None
        self._error: Failed | None = None
        self._timed_out = False
        self._conversation = uuid.uuid4().hex
        self.told: list[str] = []

    async def run(
        self, key: str, stop: asyncio.Event, *, timeout_s: float, attempt: int, load_s: float | None
    ) -> SampleRecord:
        """Ask, and tell what came; nothing is raised for an engine that fails.

        Args:
            key: of the record.
            stop: set it to cancel; what has come is in the record.
            timeout_s: of all turns together.
            attempt: from 1.
            load_s: of the model, when this is the first sample after it.
        """
        self._load_s = load_s
        at = now_text()
        ends = asyncio.get_running_loop().time() + timeout_s
        try:
            await self._ask_all(stop, ends)
        except LlmtuiError as error:
            self._error = failure_of(error)
        self._error = self._error or self._fold.failure
        if self._error is not None:
            self._fold.end(time.perf_counter_ns())
        metrics = await self._metrics()
        return self._record(key, at, metrics, attempt)

    async def _ask_all(self, stop: asyncio.Event, ends: float) -> None:
        """Every turn that is the model's; its answers become part of the next prompt."""
        async for asked in self._prompts():
            self._asked = asked
            self._gpu_before = (await asyncio.to_thread(_look_at_host, self._bench.loaded.pid)).gpu
            self._fold = TurnFold(time.perf_counter_ns())
            if stop.is_set():
                return
            await self._turn(stop, ends)
            if self._timed_out:
                raise EngineError(
                    "The sample took too long", cause=TIME_IS_OVER, remedy="Set another one with --timeout"
                )

    async def _prompts(self) -> AsyncGenerator[Asked]:
        loaded, publishers = self._bench.loaded, self._settled.system
        said: list[ChatMessage] = []
        for turn in self._job.sample.turns:
            if turn.content is not None:
                said.append(ChatMessage(turn.role, turn.content))
                continue
            yield put(self._job, said, loaded, publishers)
            if self._fold.finish_reason in {None, "cancelled", "error"}:
                return
            self._earlier.append(await self._metrics())
            said.append(ChatMessage("assistant", self._content, well_formed(self._fold.reasoning) or None))
        yield put(self._job, said, loaded, publishers)

    @property
    def _content(self) -> str:
        text = well_formed(self._fold.text)
        return text.lstrip() if self._asked.trimmed else text

    async def _turn(self, stop: asyncio.Event, ends: float) -> None:
        request = request_of(uuid.uuid4().hex, self._asked, self._settled.sampling, conversation=self._conversation)
        request = msgspec.structs.replace(request, slot=self._slot)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as hard:
                watcher = asyncio.create_task(self._end_on(stop, ends, request.id, hard))
                try:
                    async with contextlib.aclosing(turn_events(self._bench.engine, request, remedy=REMEDY)) as events:
                        await self._listen(events)
                finally:
                    watcher.cancel()
                    self.told += of_servers(self._fold.notices)

    async def _listen(self, events: AsyncGenerator[TurnEvent]) -> None:
        written = 0
        async for event in events:
            self._fold.add(event)
            written += len(event.text) if isinstance(event, Delta | ReasoningDelta) else 0
            if written > MOST_CHARACTERS:
                told = f"The answer has more than {MOST_CHARACTERS:,} characters"
                raise EngineError(told, cause=TOO_MUCH, remedy="Look at the server: it passes over every limit")

    async def _end_on(self, stop: asyncio.Event, ends: float, id_: str, hard: asyncio.Timeout) -> None:
        """Have the engine end the turn when it is time, so that its account is complete; else leave it behind."""
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(stop.wait(), max(0.0, ends - loop.time()))
        except TimeoutError:
            self._timed_out = True
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # `wait_for` forgets that when both come at once
            return
        hard.reschedule(loop.time() + GRACE_S)
        await self._bench.engine.cancel(id_)

    async def _metrics(self) -> TurnMetrics:
        host = await asyncio.to_thread(_look_at_host, self._bench.loaded.pid)
        load_s, self._load_s = self._load_s, None
        return self._fold.metrics(
            self._bench.loaded,
            host=host,
            gpu_before=self._gpu_before,
            load_s=load_s,
            memory_bandwidth=self._bench.memory_bandwidth,
        )

    def _record(self, key: str, at: str, metrics: TurnMetrics, attempt: int) -> SampleRecord:
        job, sample, fold, bench = self._job, self._job.sample, self._fold, self._bench
        manifest = manifest_of(bench.loaded, bench.runtime, self._used, fold, asked=self._asked, mode=mode_of(job))
        return SampleRecord(
            key=key,
            set=job.set,
            sample=sample.id,
            model="",
            epoch=job.epoch,
            at=at,
            status=self._status,
            content=self._content,
            messages=self._asked.messages,
            prompt=self._asked.prompt,
            reasoning=well_formed(fold.reasoning) or None,
            finish_reason="error" if self._error else fold.finish_reason or "cancelled",
            error=self._error,
            metrics=metrics,
            earlier=tuple(self._earlier),
            manifest=manifest,
            attempts=attempt,
            parallel=bench.parallel,
            tags=sample.tags,
            rubric=sample.rubric,
        )

    @property
    def _used(self) -> Settled:
        """The settings, with the publisher's system message only where it was sent."""
        sent = self._asked.messages[:1] == (ChatMessage("system", self._settled.system or ""),)
        return self._settled if sent else self._settled._replace(system=None)

    @property
    def _status(self) -> Status:
        if self._error is not None:
            return "failed"
        return "cancelled" if self._fold.finish_reason in {None, "cancelled"} else "done"


def of_servers(notices: Sequence[Notice]) -> list[str]:
    """What is told of servers that share the work; in a run it is no matter of one sample."""
    return [notice.text for notice in notices if notice.kind == "replica"]


async def warm_up(engine: Engine, job: Job, *, longest_s: float = WARM_UP_S) -> list[str]:
    """Have a model write two tokens, so that the first sample does not pay for what every first turn costs.

    Args:
        engine: loaded.
        job: with the settings.
        longest_s: that it may take at most, when that is less than `WARM_UP_S`.

    Returns:
        What the engine had to say of its servers.
    """
    replicas = engine.answering if isinstance(engine, SharesWork) else 1
    told = await asyncio.gather(*(_two_tokens(engine, job, longest_s) for _ in range(replicas)))
    return [text for texts in told for text in texts]


async def _two_tokens(engine: Engine, job: Job, longest_s: float) -> list[str]:
    notices: list[Notice] = []
    request = GenerateRequest(
        id=uuid.uuid4().hex,
        messages=(ChatMessage("user", "1 + 1 = ?"),),
        sampling=msgspec.structs.replace(job.wanted.sampling, max_tokens=2),
    )
    with contextlib.suppress(LlmtuiError, TimeoutError):
        async with (
            asyncio.timeout(min(longest_s, WARM_UP_S)) as limit,
            contextlib.aclosing(turn_events(engine, request, remedy=REMEDY)) as events,
        ):
            last = None
            async for event in events:
                if isinstance(event, Notice):
                    notices.append(event)
                elif last is None and isinstance(event, Delta | ReasoningDelta):
                    last = asyncio.get_running_loop().time() + LAST_TOKEN_S
                    limit.reschedule(min(last, limit.when() or last))
    return of_servers(notices)


def _look_at_host(pid: int | None) -> HostReading:
    from llmtui.probes.host import read_host  # noqa: PLC0415 - psutil is imported while the worker loads

    return read_host(pid)
