"""One model of several servers that share the work; each has an engine of its own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from typing import TypeVar, cast

import httpx
import msgspec

from llmtui.domain.events import (
    Delta,
    Failed,
    Finished,
    Loaded,
    LoadEvent,
    LoadProgress,
    Notice,
    ReasoningDelta,
    Timings,
    TurnEvent,
)
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.rendered import Rendered
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import Engine, ExplainsPrompts, GenerateRequest, error_of, failure_of, not_loaded
from llmtui.engines.replicas.choice import Chooser, Replica
from llmtui.engines.replicas.facts import is_fault, may_be_the_request
from llmtui.engines.replicas.roll import Roll
from llmtui.errors import EngineError

AnswerT = TypeVar("AnswerT")
REST_S = 5.0
GRACE_S = 3.0
"""Once one server has answered, the others are waited for this long; later ones join when they answer."""


class ReplicatedEngine:
    """One model of several servers. A server that fails is left out for a while; the others go on.

    A request that fails before anything of its answer has come is put to another server at once. An answer that
    breaks off fails: what had come was seen, and whoever asked again is sent elsewhere.

    Args:
        server_name: what the user calls the servers together.
        replicas: the servers.
        model: its id; None takes the only one, which must be the same on all.
        rest_s: until a server that failed is looked at again, the first time; twice as long each time it fails.
        grace_s: see `GRACE_S`.
    """

    def __init__(
        self,
        server_name: str,
        replicas: Sequence[Replica],
        model: str | None,
        *,
        rest_s: float = REST_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self._server_name = server_name
        self._roll = Roll(server_name, replicas, model, rest_s=rest_s)
        self._chooser = Chooser(replicas)
        self._grace_s = grace_s
        self._started = False
        self._closed = False
        self._stopped: dict[str, bool] = {}

    @property
    def loaded(self) -> LoadedModel | None:
        """What the servers that answer say of the model together; None before `load`."""
        return self._roll.loaded

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent; whether a server is there shows only then."""
        return self._roll.loaded is not None and not self._closed

    @property
    def answering(self) -> int:
        """How many servers answer, as far as is known."""
        return sum(replica.up for replica in self._roll.replicas)

    def last_log(self) -> list[str]:
        """The last errors of every server, safe to show."""
        return [line for replica in self._roll.replicas if replica.engine for line in replica.engine.last_log()]

    async def load(self) -> AsyncGenerator[LoadEvent]:
        """Ask all servers for the model, all at once; the last event is `Loaded`. One that answers is enough.

        Raises:
            ModelError, EngineError: none has it; the first one's reason.
        """
        if self._started:
            raise EngineError("The model was loaded before", cause="an engine loads once", remedy="Open a new one.")
        self._started = True
        stages: asyncio.Queue[LoadProgress | None] = asyncio.Queue()
        work = asyncio.create_task(self._roll.call(self._grace_s, stages.put_nowait))
        work.add_done_callback(lambda _: stages.put_nowait(None))
        try:
            yield LoadProgress(f"asking {len(self._roll.replicas)} replicas of {self._server_name}", None)
            while (stage := await stages.get()) is not None:
                yield stage
            yield Loaded(await work)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            if self._roll.loaded is None:
                await self.close()

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        """Generate one turn, on another server when one fails before its answer begins."""
        if not self.alive:
            yield failure_of(not_loaded())
            return
        self._stopped[request.id] = False
        try:
            async for event in self._anywhere(request):
                yield event
        finally:
            self._stopped.pop(request.id, None)

    async def cancel(self, request_id: str) -> None:
        """Stop a turn wherever it runs; unknown ids are ignored."""
        if request_id in self._stopped:
            self._stopped[request_id] = True
        for replica in self._roll.replicas:
            if replica.engine is not None:
                await replica.engine.cancel(request_id)

    async def count_prompt(
        self,
        prompt: Sequence[ChatMessage] | str,
        *,
        template: NamedTemplate | None = None,
        answer_start: str = "",
        thinking: Reasoning = NO_WISH,
    ) -> int:
        """As the server with least to do counts; the next one when it cannot.

        Raises:
            TemplateError: the template cannot render it.
            EngineError: none counts.
        """
        return await self._first_of(
            lambda engine: engine.count_prompt(prompt, template=template, answer_start=answer_start, thinking=thinking)
        )

    async def tokenise(self, text: str) -> list[int]:
        """Token ids, as `count_prompt`.

        Raises:
            EngineError: none tells.
        """
        return await self._first_of(lambda engine: engine.tokenise(text))

    async def explain(self, request: GenerateRequest) -> Rendered:
        """The prompt as one of the servers shows it; all of them render it alike where they do not differ.

        Raises:
            LlmtuiError: it cannot be rendered, or none shows prompts.
        """
        return await self._first_of(lambda engine: cast("ExplainsPrompts", engine).explain(request))

    async def close(self) -> None:
        """Close every connection; turns that still run end with `Failed`."""
        self._closed = True
        await self._roll.close()

    async def _anywhere(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        tried: dict[Replica, Failed] = {}
        seen: set[Notice] = set()
        while not self._stopped[request.id]:
            for told in self._roll.news():
                yield told
            replica = self._chooser.choose(request.conversation, tried)
            if replica is None:
                yield self._of_all(tried)
                return
            async with contextlib.aclosing(self._on(replica, request, tried)) as events:
                async for event in events:
                    if isinstance(event, Notice):
                        if event in seen:  # the server asked before has said the same
                            continue
                        seen.add(event)
                    yield event
                    if isinstance(event, Finished | Failed):
                        return
        yield Finished("cancelled", Timings(), time.perf_counter_ns())

    async def _on(
        self, replica: Replica, request: GenerateRequest, tried: dict[Replica, Failed]
    ) -> AsyncGenerator[TurnEvent]:
        """The turn on one server; ends without a last event when another one should be asked, and notes it as tried."""
        begun = False
        engine = replica.reached()
        with _counted(replica):
            async with contextlib.aclosing(engine.generate(request)) as events:
                async for event in events:
                    if isinstance(event, Failed):
                        fault = is_fault(event) and not self._closed
                        tried[replica] = event
                        if fault and (begun or not may_be_the_request(event)):
                            self._roll.leave_out(replica, event)
                        if begun or not fault:
                            for told in self._roll.news():
                                yield told
                            yield event
                        return
                    if isinstance(event, Finished):
                        if event.reason != "cancelled":
                            self._answered(replica, tried)
                        for told in self._roll.news():
                            yield told
                        yield _signed(event, engine.loaded)
                        return
                    begun = begun or isinstance(event, Delta | ReasoningDelta)
                    yield event

    def _answered(self, replica: Replica, tried: dict[Replica, Failed]) -> None:
        """A server has answered: those that had refused the same request are to blame."""
        self._roll.welcome(replica)
        for other, failure in tried.items():
            self._roll.leave_out(other, failure)

    def _of_all(self, tried: dict[Replica, Failed]) -> Failed:
        """Why nobody answers, in the words of the last one."""
        if not tried:
            return failure_of(not_loaded())
        last = list(tried.values())[-1]
        if len(tried) == 1:
            return last
        told = f"none of the {len(tried)} replicas asked answers"
        return msgspec.structs.replace(last, cause=f"{last.cause}; {told}" if last.cause else told)

    async def _first_of(self, ask: Callable[[Engine], Awaitable[AnswerT]]) -> AnswerT:
        tried: dict[Replica, Failed] = {}
        while (replica := self._chooser.choose(None, tried)) is not None:
            try:
                with _counted(replica):
                    return await ask(replica.reached())
            except EngineError as error:
                tried[replica] = failure_of(error)
                if isinstance(error.__cause__, OSError | httpx.HTTPError):
                    self._roll.leave_out(replica, tried[replica])
        raise error_of(self._of_all(tried))


def _signed(event: Finished, loaded: LoadedModel | None) -> Finished:
    """With who answered."""
    where = loaded.path if loaded is not None else None
    return msgspec.structs.replace(event, timings=msgspec.structs.replace(event.timings, replica=where))


@contextlib.contextmanager
def _counted(replica: Replica) -> Iterator[None]:
    replica.in_flight += 1
    try:
        yield
    finally:
        replica.in_flight -= 1
