"""The roll of the servers that share the work: who answers, who is left out, and when one is looked at again."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from llmtui.domain.events import Failed, LoadProgress, Notice
from llmtui.domain.models import LoadedModel
from llmtui.domain.text import visible_line
from llmtui.engines.base import Engine, error_of, failure_of, not_loaded
from llmtui.engines.replicas.choice import Replica
from llmtui.engines.replicas.facts import BACK, SAME, SHARES, difference, notice, reason, served_id, united
from llmtui.errors import EngineError, LlmtuiError, ModelError

LONGEST_REST_S = 60.0
OnStage = Callable[[LoadProgress], None]


class Roll:
    """Keeps the state of every server, and what is to be told of it. All of it runs on one event loop.

    Args:
        server_name: what the user calls the servers together.
        replicas: the servers.
        model: its id; None takes the only one, which must be the same on all.
        rest_s: until a server that failed is looked at again, the first time.

    Attributes:
        loaded: the model as those that answer have it; None before one has.
    """

    def __init__(self, server_name: str, replicas: Sequence[Replica], model: str | None, *, rest_s: float) -> None:
        self.replicas = tuple(replicas)
        self.loaded: LoadedModel | None = None
        self._server_name = visible_line(server_name)
        self._model = model
        self._rest_s = rest_s
        self._news: list[Notice] = []
        self._looking: dict[Replica, asyncio.Task[None]] = {}
        self._engines: set[Engine] = set()
        for replica in replicas:
            replica.rest_s = rest_s

    async def call(self, grace_s: float, on_stage: OnStage) -> LoadedModel:
        """Ask all servers for the model.

        Args:
            grace_s: how long the others are waited for once one has answered.
            on_stage: given the stages of the loads.

        Raises:
            ModelError, EngineError: none has it; the first one's reason.
        """
        opening = {one: asyncio.create_task(self._open(one, on_stage)) for one in self.replicas}
        pending = set(opening.values())
        try:
            while pending and not any(task.done() and task.exception() is None for task in opening.values()):
                _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if pending:
                await asyncio.wait(pending, timeout=grace_s)
            return self._admit({one: task for one, task in opening.items() if task.done()})
        finally:
            for task in opening.values():
                task.cancel()
            await asyncio.gather(*opening.values(), return_exceptions=True)

    def news(self) -> Iterator[Notice]:
        """What has not been told yet."""
        while self._news:
            yield self._news.pop(0)

    def leave_out(self, replica: Replica, failure: Failed) -> None:
        """Send a server nothing until it answers again."""
        if replica.up:
            replica.up = False
            self._tell_left_out(reason(failure))
            self._unite()
            self._look_again(replica)

    def welcome(self, replica: Replica) -> None:
        """A server has answered a turn."""
        replica.rest_s = self._rest_s
        if not replica.up:
            if replica in self._looking:
                self._looking.pop(replica).cancel()
            self._put_back(replica)

    async def close(self) -> None:
        """Look at nobody any more, and close every engine."""
        looking = list(self._looking.values())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        await asyncio.gather(*(engine.close() for engine in self._engines))

    async def _open(self, replica: Replica, on_stage: OnStage) -> Engine:
        """An engine of a server with the model.

        Raises:
            ModelError, EngineError: the server has no such model, or does not answer.
        """
        engine = replica.open(self._model)
        self._engines.add(engine)
        try:
            async with contextlib.aclosing(engine.load()) as events:
                async for event in events:
                    if isinstance(event, LoadProgress):
                        on_stage(event)
        except LlmtuiError:
            self._engines.discard(engine)
            await engine.close()
            raise
        if engine.loaded is None:
            raise EngineError(f"{self._named(replica)} did not tell of its model", remedy=BACK)
        return engine

    def _admit(self, opened: Mapping[Replica, "asyncio.Task[Engine]"]) -> LoadedModel:
        """Take in those that have the model, in their order; where no id was given, the first one's is meant.

        Raises:
            ModelError, EngineError: there are none; the first one's reason.
        """
        refused: dict[Replica, LlmtuiError] = {}
        meant = self._model
        for replica in self.replicas:
            try:
                engine = self._opened(replica, opened, meant)
            except LlmtuiError as error:
                refused[replica] = error
            else:
                replica.engine, replica.up = engine, True
                meant = meant or served_id_of(engine)
        if not any(one.up for one in self.replicas):
            raise self._of_all(list(refused.values()))
        self._model = meant
        loaded = self._unite()
        for replica, why in refused.items():
            self._tell_left_out(reason(failure_of(why)))
            self._look_again(replica)
        for replica in self.replicas:
            self._tell_difference(replica)
        return loaded

    def _opened(self, replica: Replica, opened: Mapping[Replica, "asyncio.Task[Engine]"], meant: str | None) -> Engine:
        task = opened.get(replica)
        if task is None:
            raise EngineError(f"{self._named(replica)} has not answered yet", remedy=BACK)
        engine = task.result()
        if self._model is None and meant is not None and served_id_of(engine) != meant:
            raise ModelError(
                f"{self._named(replica)} serves another model",
                cause=f"{visible_line(served_id_of(engine))!r} instead of {visible_line(meant)!r}",
                remedy="Name the model: SERVER/MODEL.",
            )
        return engine

    def _look_again(self, replica: Replica) -> None:
        if replica not in self._looking:
            self._looking[replica] = asyncio.create_task(self._look(replica))

    async def _look(self, replica: Replica) -> None:
        """Ask a server from time to time, ever more seldom, until it has the model."""
        engine: Engine | None = None
        while engine is None:
            await asyncio.sleep(replica.rest_s)
            replica.rest_s = min(2 * replica.rest_s, LONGEST_REST_S)
            with contextlib.suppress(LlmtuiError):
                engine = await self._open(replica, lambda _: None)
        replica.engine = engine  # the old one may be in the middle of an answer still
        self._looking.pop(replica, None)
        self._put_back(replica)

    def _put_back(self, replica: Replica) -> None:
        replica.up = True
        self._unite()
        self._news.append(notice(f"{self._named(replica)} answers again", SHARES))
        self._tell_difference(replica)

    def _unite(self) -> LoadedModel:
        """Bring `loaded` up to date; with nobody left it stays as it was."""
        known = [one.loaded for one in self.replicas if one.up and one.loaded is not None]
        if known:
            self.loaded = united(self._server_name, known, len(self.replicas))
        if self.loaded is None:
            raise not_loaded()
        return self.loaded

    def _tell_left_out(self, why: str) -> None:
        up = sum(one.up for one in self.replicas)
        rest = f"{up} of {len(self.replicas)} replicas of {self._server_name} go on" if up else "none is left"
        self._news.append(notice(f"{why}; it is left out, {rest}", BACK))

    def _tell_difference(self, replica: Replica) -> None:
        """Say in what a server is not like the first of those that answer."""
        first = next(one for one in self.replicas if one.up)
        if replica.up and replica is not first and first.loaded is not None and replica.loaded is not None:
            found = difference(first.loaded, replica.loaded)
            if found:
                self._news.append(notice(f"{self._named(replica)} differs from {first.address}: {found}", SAME))

    def _named(self, replica: Replica) -> str:
        return f"{self._server_name} ({replica.address})"

    def _of_all(self, reasons: Sequence[LlmtuiError]) -> LlmtuiError:
        """Why none answers: the first one's reason."""
        first = failure_of(reasons[0])
        told = f"none of the {len(reasons)} replicas answers"
        return error_of(msgspec.structs.replace(first, cause=f"{first.cause}; {told}" if first.cause else told))


def served_id_of(engine: Engine) -> str:
    """What its server calls an engine's model."""
    return served_id(engine.loaded) if engine.loaded is not None else ""
