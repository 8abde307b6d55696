"""What the engines of all servers have in common: one connection, one load, each turn read in a task of its own."""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncGenerator
from typing import Generic, Protocol, TypeVar

from llmtui.domain.events import Loaded, LoadEvent, LoadProgress, TurnEvent
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Server
from llmtui.domain.text import visible_line
from llmtui.engines.base import GenerateRequest, failure_of, not_loaded
from llmtui.engines.http.access import Patience
from llmtui.engines.http.turn import ServedTurn
from llmtui.engines.rendering.served import ServedTemplates
from llmtui.errors import EngineError, LlmtuiError

_LOG_LINES = 50
_SEEDS = 0x7FFFFFFF
"""All servers take a seed below this."""


class Closable(Protocol):
    """A connection, as far as it is known here."""

    async def close(self) -> None:
        """Let go of it."""


ConnectionT = TypeVar("ConnectionT", bound=Closable)
TurnT = TypeVar("TurnT", bound=ServedTurn)


class ServedEngine(Generic[ConnectionT, TurnT]):
    """One model of one server. What the API decides is left to `_connect`, `_open`, `_turn_of` and `_answer`.

    Args:
        name: what the user calls the model.
        server: where it is served.
        server_name: what the user calls the server.
        model: its id on the server; None takes the only one.
        patience: time limits.
    """

    def __init__(
        self, name: str, server: Server, server_name: str, model: str | None, *, patience: Patience | None = None
    ) -> None:
        self._name = name
        self._server = server
        self._server_name = server_name
        self._model = model or ""
        self._patience = patience
        self._connection: ConnectionT | None = None
        self._loaded: LoadedModel | None = None
        self._started = False
        self._closed = False
        self._turns: dict[str, TurnT] = {}
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._templates = ServedTemplates()

    @property
    def loaded(self) -> LoadedModel | None:
        """What the server says of the model; None before `load`."""
        return self._loaded

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent; whether the server is there shows only then."""
        return self._loaded is not None and not self._closed

    def last_log(self) -> list[str]:
        """The last errors, oldest first, safe to show."""
        return list(self._log)

    async def load(self) -> AsyncGenerator[LoadEvent]:
        """Find the server and the model, and have it loaded; the last event is `Loaded`.

        Raises:
            ModelError: the server has no such model, or cannot load it.
            EngineError: the server cannot be reached or refuses us.
        """
        if self._started:
            raise EngineError("The model was loaded before", cause="an engine loads once", remedy="Open a new one.")
        self._started = True
        self._check_open()
        yield LoadProgress(f"asking {visible_line(self._server_name)}", None)
        self._check_open()
        self._connection = connection = await self._connect()
        try:
            async with contextlib.aclosing(self._open(connection)) as events:
                async for event in events:
                    if isinstance(event, Loaded):
                        self._check_open()
                        self._loaded = event.model
                    yield event
        except (LlmtuiError, asyncio.CancelledError, GeneratorExit):
            if self._loaded is None:
                await self.close()
            raise

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        """Generate one turn. The last event is `Finished` or `Failed`.

        Closing the iterator closes the connection, which ends the server's work.
        """
        if not self.alive or self._loaded is None:
            yield failure_of(not_loaded())
            return
        try:
            put = await self._templates.put(request)
        except LlmtuiError as error:
            yield failure_of(error)
            return
        seed = put.request.sampling.seed
        seed = secrets.randbelow(_SEEDS) if seed is None else seed
        turn = self._turn_of(put.request, self._loaded, seed, templated=put.request is not request)
        self._turns[request.id] = turn
        turn.begin(self._run(put.request, turn))
        try:
            for remark in put.remarks:
                yield remark
            async with contextlib.aclosing(turn.until_end()) as events:
                async for event in events:
                    yield put.stamped(event)
        finally:
            self._turns.pop(request.id, None)
            await turn.settle()

    async def cancel(self, request_id: str) -> None:
        """Stop a turn by closing its connection; unknown ids are ignored."""
        if turn := self._turns.get(request_id):
            turn.end(turn.cancelled())

    async def close(self) -> None:
        """Close every connection; a turn that still runs ends with `Failed`. The server keeps or drops the model."""
        self._closed = True
        turns = list(self._turns.values())
        for turn in turns:
            turn.end(failure_of(not_loaded()))
        for turn in turns:
            await turn.settle()
        if self._connection is not None:
            await self._connection.close()
        await self._templates.close()

    async def _connect(self) -> ConnectionT:
        """A client for the server; nothing is sent yet."""
        raise NotImplementedError

    def _open(self, connection: ConnectionT) -> AsyncGenerator[LoadEvent]:
        """Find the model and have it loaded; the last event is `Loaded`."""
        raise NotImplementedError

    def _turn_of(self, request: GenerateRequest, loaded: LoadedModel, seed: int, *, templated: bool) -> TurnT:
        """A turn for a request, not begun; `templated` when it was put into a template on this side."""
        raise NotImplementedError

    async def _answer(self, request: GenerateRequest, turn: TurnT) -> None:
        """Ask, and put the answer's events into the turn, its end included; errors are raised."""
        raise NotImplementedError

    def _check_open(self) -> None:
        if self._closed:
            raise not_loaded()

    def _reached(self) -> tuple[ConnectionT, LoadedModel]:
        """Connection and model.

        Raises:
            EngineError: there are none any more.
        """
        if not self.alive or self._connection is None or self._loaded is None:
            raise not_loaded()
        return self._connection, self._loaded

    async def _run(self, request: GenerateRequest, turn: TurnT) -> None:
        try:
            await self._answer(request, turn)
        except LlmtuiError as error:
            self._log.append(visible_line(str(error)))
            turn.end(failure_of(error))
