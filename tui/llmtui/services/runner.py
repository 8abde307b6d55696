"""The batch runner: prompt sets across models, model by model, every record on the disk as it comes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.domain.run import Identity, ModelRecord, SampleRecord
from llmtui.domain.text import visible_line
from llmtui.engines.base import failure_of
from llmtui.errors import ConfigError, ContextError, EngineError, LlmtuiError, TemplateError, UsageError
from llmtui.services.conversation import now_text
from llmtui.services.host import ModelHost
from llmtui.services.runs.asking import Asking, first_prompt, warm_up
from llmtui.services.runs.book import RunBook
from llmtui.services.runs.choices import Choices
from llmtui.services.runs.events import (
    ModelBack,
    ModelDone,
    ModelFailed,
    ModelLoading,
    ModelReady,
    ModelSkipped,
    Remark,
    RunEvent,
    SampleBegun,
    SampleEnded,
)
from llmtui.services.runs.judging import Scoring, code_scores_of, grading_parts, scores_of, waiting_names
from llmtui.services.runs.late import score_late
from llmtui.services.runs.plan import Job, key_of, spec_of
from llmtui.services.runs.source import Source, all_jobs, pending
from llmtui.services.runs.stage import GivenUpError, Stage, identity_of
from llmtui.services.runs.stopping import before
from llmtui.services.runs.tries import on_server, on_worker
from llmtui.services.wiring import Services


class Runner:
    """One run, once: iterate over `events`, then close the book.

    Args:
        services: the parts of the program.
        book: the run's file, new or reopened.
        host: loads the models, one at a time.
        parallel: samples in flight: slots of a local model, requests at once to a server.
        scoring: who scores besides the scorers that need nobody.
        choices: what the user wants asked again or left out; it may change while the run goes on.
        only_wishes: ask nothing but what is to be asked again.
        first_wait_s: before a server is tried again.

    Attributes:
        stop: set it to end the run: what is under way is recorded as cancelled.
    """

    def __init__(
        self,
        services: Services,
        book: RunBook,
        host: ModelHost,
        *,
        parallel: int = 1,
        scoring: Scoring | None = None,
        choices: Choices | None = None,
        only_wishes: bool = False,
        first_wait_s: float = 1.0,
    ) -> None:
        self.stop = asyncio.Event()
        self._services = services
        self._book = book
        self._host = host
        self._parallel = parallel
        self._scoring = scoring or Scoring()
        self._choices = choices or Choices()
        self._only_wishes = only_wishes
        self._first_wait_s = first_wait_s
        self._tell: Callable[[RunEvent], None] = lambda _: None
        self._told_problem: str | None = None
        # Threads of its own: scores may take long, and the loop's few threads read the sets and look hosts up.
        self._scorers = ThreadPoolExecutor(thread_name_prefix="scoring")

    async def events(self) -> AsyncGenerator[RunEvent]:
        """Run, and tell; closing the iterator ends the run without records of what is under way.

        Raises:
            ConfigError: a set has changed since it was planned and is not valid any more.
        """
        queue: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        self._tell = queue.put_nowait
        work = asyncio.create_task(self._run())
        work.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            await work
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            self._scorers.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        try:
            await self._ask_models()
            await score_late(self._book, self._scoring, self.stop, self._tell)
        except ConfigError:  # of a set that is changed or gone: what is answered can be graded nevertheless
            await self._judge()
            raise
        await self._judge()

    async def _ask_models(self) -> None:
        bandwidth = await asyncio.to_thread(_memory_bandwidth, self._services)
        self._host.runtime = msgspec.structs.replace(self._book.plan.runtime, slots=self._parallel)
        for name in () if self._only_wishes else self._book.plan.models:
            if self.stop.is_set():
                return
            known = self._book.stored.identities.get(name)
            if known is not None and name not in self._book.stored.failures:
                turns, _ = await asyncio.to_thread(pending, self._book, known)
                if not turns and not self._choices.wished(name):
                    self._tell(ModelSkipped(name, self._book.plan.turns))
                    continue
            await self._run_model(name, bandwidth)
        while self._choices.models and not self.stop.is_set():
            name = self._choices.models[0]
            await self._run_model(name, bandwidth, only_wishes=True)
            self._choices.drop(name)

    async def _judge(self) -> None:
        """Have a model grade what waits for one, now that the others are unloaded."""
        name = self._scoring.judge
        if name is None or self.stop.is_set():
            return
        from llmtui.services.judge.judging import Judging  # noqa: PLC0415 - few runs have a judge

        judging = Judging(
            self._services,
            self._book,
            self._host,
            name,
            parallel=self._parallel,
            first_wait_s=self._first_wait_s,
            tell=self._tell,
        )
        await judging.run(self.stop)
        self._tell_problem()

    async def _run_model(self, name: str, bandwidth: float | None, *, only_wishes: bool = False) -> None:
        try:
            info = await asyncio.to_thread(self._services.catalogue.resolve, spec_of(self._book.plan, name))
        except LlmtuiError as error:
            await self._fail(name, error)
            return
        stage = self._stage(name, info, bandwidth)
        try:
            opening = asyncio.create_task(stage.open())
            if not await before(opening, self.stop):
                return
            await opening
            await self._ask_all(name, stage, only_wishes=only_wishes)
        except ConfigError:  # of a set that was changed meanwhile: no model can be asked
            raise
        except LlmtuiError as error:
            await self._fail(name, error)
        finally:
            await stage.close()
        self._tell(ModelDone(name))

    def _stage(self, name: str, info: ModelInfo, bandwidth: float | None) -> Stage:
        return Stage(
            self._host,
            info,
            memory_bandwidth=bandwidth,
            parallel=self._parallel,
            on_load=lambda stage, fraction: self._tell(ModelLoading(name, stage, fraction)),
            on_back=lambda: self._tell(ModelBack(name)),
        )

    async def _fail(self, name: str, error: LlmtuiError) -> None:
        failure = failure_of(error)
        await self._book.note_model(ModelRecord(model=name, at=now_text(), error=failure))
        self._tell(ModelFailed(name, failure))

    async def _ask_all(self, name: str, stage: Stage, *, only_wishes: bool) -> None:
        loaded = stage.bench().loaded
        identity = identity_of(name, loaded)
        source = Source(self._book, identity, self._choices, only_wishes=only_wishes)
        turns, first = await source.count()
        unfit = await self._unfit(stage, identity) if stage.is_local and not only_wishes else ()
        await self._book.note_model(
            ModelRecord(model=name, at=now_text(), identity=identity, loaded=loaded, unfit=unfit)
        )
        answered = self._book.plan.turns - turns
        self._tell(ModelReady(model=name, loaded=loaded, turns=turns, answered=answered, unfit=unfit))
        if first is not None:
            self._tell_places(name, stage)
            warming = asyncio.create_task(warm_up(stage.bench().engine, first, longest_s=self._book.plan.timeout_s))
            if await before(warming, self.stop):
                self._remark(*await warming)
        try:
            async with asyncio.TaskGroup() as lanes:
                for slot in range(self._parallel):
                    lanes.create_task(self._lane(stage, name, source, slot))
        except ExceptionGroup as group:
            # Not `except*`: some Pythons put what is raised there into a group of its own.
            known, _ = group.split(LlmtuiError)
            if known is None:
                raise
            raise _first_error(known) from group
        finally:
            source.close()

    async def _lane(self, stage: Stage, name: str, source: Source, slot: int) -> None:
        """Ask one sample after another until none is left."""
        while not self.stop.is_set():
            taken = await source.take()
            if taken is None:
                return
            key, job = taken
            async with stage.place():
                if self.stop.is_set():
                    return
                if source.leaves_out(taken):
                    source.back(taken)
                    continue
                self._tell(SampleBegun(name, job.set, job.sample.id, job.epoch))
                record = await self._ask(stage, key, job, slot)
            await self._note(stage, job, msgspec.structs.replace(record, model=name))
            source.back(taken)

    async def _ask(self, stage: Stage, key: str, job: Job, slot: int) -> SampleRecord:
        once = partial(self._try, stage, key, job, slot)
        if stage.is_local:
            await stage.bring_back()
            return await on_worker(once, stage.bring_back, self.stop)
        return await on_server(once, self.stop, first_wait_s=self._first_wait_s, elsewhere=stage.others_answer)

    async def _note(self, stage: Stage, job: Job, record: SampleRecord) -> None:
        at_once = self._scoring._replace(run_code=None)  # code may run for long: the answer is on the disk before
        record = msgspec.structs.replace(
            record, waiting=waiting_names(job.sample, at_once), **grading_parts(job.sample)
        )
        loop = asyncio.get_running_loop()
        scores = await loop.run_in_executor(self._scorers, scores_of, record, job.sample, at_once)
        record = msgspec.structs.replace(record, scores=len(scores))
        result = await self._book.note_sample(record, scores)
        coded = await loop.run_in_executor(self._scorers, code_scores_of, record, job.sample, self._scoring)
        if coded:
            await self._book.note_scores(coded)
            scores, result = (*scores, *coded), self._book.stored.results[record.key]
        self._tell(SampleEnded(record, scores, result))
        self._tell_problem()
        stage.note(record.error)

    async def _try(self, stage: Stage, key: str, job: Job, slot: int, number: int) -> SampleRecord:
        slot = slot if stage.is_local else 0
        asking = Asking(stage.bench(), job, slot=slot)
        record = await asking.run(
            key, self.stop, timeout_s=self._book.plan.timeout_s, attempt=number, load_s=stage.claim_load_s()
        )
        self._remark(*asking.told)
        return record

    async def _unfit(self, stage: Stage, identity: Identity) -> tuple[str, ...]:
        """Samples that are longer than the context, before anything is generated."""
        bench = stage.bench()
        found: dict[str, None] = {}
        jobs = all_jobs(self._book)
        self._tell(ModelLoading(identity.name, "counting prompts"))
        while not self.stop.is_set() and (job := await asyncio.to_thread(next, jobs, None)) is not None:
            if job.epoch or self._book.is_answered(key_of(job, identity)):
                continue
            try:
                asked = first_prompt(job, bench.loaded)
                tokens = await bench.engine.count_prompt(
                    asked.counted, template=asked.template, thinking=asked.thinking
                )
            except ContextError:
                tokens = bench.loaded.context_size or 0
            except (TemplateError, EngineError, UsageError):
                if not bench.engine.alive:
                    raise
                continue
            if bench.loaded.context_size is not None and tokens >= bench.loaded.context_size:
                found[f"{job.set}/{job.sample.id}"] = None
        return tuple(found)

    def _remark(self, *texts: str) -> None:
        for text in texts:
            self._tell(Remark(text))

    def _tell_places(self, name: str, stage: Stage) -> None:
        """Say so when the server takes fewer samples at once than were asked for."""
        places = stage.places
        if places < self._parallel:
            told = "1 answer" if places == 1 else f"{places:,} answers"
            self._remark(f"{visible_line(name)} writes {told} at once, so no more are sent, not {self._parallel:,}")

    def _tell_problem(self) -> None:
        problem = self._book.problem
        if problem != self._told_problem:
            self._told_problem = problem
            told = f"the run cannot be saved: {problem}; it goes on" if problem else "the run is saved again"
            self._tell(Remark(told))


def _first_error(group: BaseExceptionGroup[LlmtuiError]) -> LlmtuiError:
    given_up, rest = group.split(GivenUpError)
    errors = (given_up or rest or group).exceptions
    first = errors[0]
    return first if isinstance(first, LlmtuiError) else _first_error(first)


def _memory_bandwidth(services: Services) -> float | None:
    from llmtui.probes.machine import cpu_name  # noqa: PLC0415 - read once a run
    from llmtui.store.machine import read_machine  # noqa: PLC0415 - the same

    with contextlib.suppress(OSError):
        return read_machine(services.folders, cpu_name()).memory_bandwidth
    return None
