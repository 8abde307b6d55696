"""The Ollama engine: one model of one server."""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from llmtui.domain.defaults import ollama_defaults
from llmtui.domain.events import Loaded, LoadEvent, LoadProgress, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.rendered import Rendered as RenderedPrompt
from llmtui.domain.rendered import assemble
from llmtui.domain.settings import Server
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import estimate_tokens, visible_line
from llmtui.domain.vocabulary import BPE_MODEL, BpeVocabulary
from llmtui.engines.base import GenerateRequest, failure_of, not_loaded
from llmtui.engines.http.access import Patience
from llmtui.engines.http.alarms import truncation
from llmtui.engines.http.turn import ServedTurn
from llmtui.engines.ollama.account import Account
from llmtui.engines.ollama.connection import Connection
from llmtui.engines.ollama.describe import described, find_model, open_model
from llmtui.engines.ollama.explaining import TEXT_ONLY, rendered_only
from llmtui.engines.ollama.vocabulary import vocabulary as told_vocabulary
from llmtui.engines.ollama.wire import Options, Part, Shown, options_of, parameters_of, turn_body, unheeded
from llmtui.engines.rendering.served import ServedTemplates
from llmtui.errors import ContextError, EngineError, LlmtuiError

_LOG_LINES = 50


class OllamaEngine:
    """One model of an Ollama server.

    Args:
        name: what the user calls the model.
        server: where it is served.
        server_name: what the user calls the server.
        model: its name there; None takes the only one.
        context: tokens asked for; None leaves them to the server and the model's own parameters.
        patience: time limits.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        server_name: str,
        model: str | None,
        *,
        context: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._name = name
        self._server = server
        self._server_name = server_name
        self._model = model or ""
        self._context = context
        self._patience = patience
        self._connection: Connection | None = None
        self._loaded: LoadedModel | None = None
        self._stops: tuple[str, ...] = ()
        self._fresh = False
        self._started = False
        self._closed = False
        self._turns: dict[str, _Turn] = {}
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._templates = ServedTemplates()

    @property
    def loaded(self) -> LoadedModel | None:
        """What the server granted; None before `load`."""
        return self._loaded

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent; whether the server is there shows only then."""
        return self._loaded is not None and not self._closed

    def last_log(self) -> list[str]:
        """The last errors, oldest first, safe to show."""
        return list(self._log)

    async def load(self) -> AsyncGenerator[LoadEvent]:
        """Find the server and the model and have it loaded; the last event is `Loaded`.

        Raises:
            ModelError: the server has no such model, or cannot load it.
            EngineError: the server cannot be reached or refuses us.
        """
        if self._started:
            raise EngineError("The model was loaded before", cause="an engine loads once", remedy="Open a new one.")
        self._started = True
        self._check_open()
        yield LoadProgress(f"asking {visible_line(self._server_name)}", None)
        connection, model, shown = await self._find()
        try:
            yield LoadProgress(f"{connection.name} loads {visible_line(model)}", None)
            opened = await open_model(connection, model, shown, self._load_body(model))
        except (LlmtuiError, asyncio.CancelledError, GeneratorExit):
            await self.close()
            raise
        self._check_open()
        own = parameters_of(shown.parameters)
        context = self._context or next((int(each) for each in own.get("num_ctx", ()) if each.isdecimal()), None)
        self._stops = tuple(own.get("stop", ()))
        self._fresh = opened.load_s is not None
        taken = ollama_defaults({**own, "num_ctx": None, "stop": None}, None)
        name = self._name if self._model else visible_line(f"{self._name}/{model}")
        self._model, self._loaded = model, described(opened, connection, name, context, taken)
        yield Loaded(self._loaded)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        """Generate one turn. The last event is `Finished` or `Failed`; closing the iterator closes the connection.

        Closing the connection ends the server's work.
        """
        if not self.alive or self._loaded is None:
            yield failure_of(not_loaded())
            return
        try:
            put = await self._templates.put(request)
        except LlmtuiError as error:
            yield failure_of(error)
            return
        own = self._stops if put.request is request else ()  # they belong to the model's own template
        request = put.request
        seed = request.sampling.seed
        seed = secrets.randbelow(0x7FFFFFFF) if seed is None else seed
        options = options_of(request.sampling, seed=seed, context=self._context, stops=own)
        account = Account(request.sampling, seed, options, self._loaded.context_size, fresh=self._fresh)
        turn = self._turns[request.id] = _Turn(account)
        turn.begin(self._run(request, turn, options))
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
            turn.end(turn.account.finished(time.perf_counter_ns(), "cancelled"))

    async def count_prompt(
        self, prompt: Sequence[ChatMessage] | str, *, template: NamedTemplate | None = None, answer_start: str = ""
    ) -> int:
        """Ollama has no route that counts.

        Raises:
            EngineError: always.
        """
        del prompt, template, answer_start
        raise self._uncounted()

    async def tokenise(self, text: str) -> list[int]:
        """Ollama has no route that tokenises.

        Raises:
            EngineError: always.
        """
        del text
        raise self._uncounted()

    async def explain(self, request: GenerateRequest) -> RenderedPrompt:
        """The text of a request's prompt, where the server shows it; its tokens it does not tell.

        Raises:
            LlmtuiError: it cannot be rendered; this server does not show prompts, or is gone.
        """
        if not self.alive or self._connection is None or self._loaded is None:
            raise not_loaded()
        put = (await self._templates.put(request)).request
        options = options_of(put.sampling, seed=0, context=self._context, stops=self._stops)
        body = turn_body(put, self._model, options, self._server.keep_alive)
        text = await rendered_only(self._connection, self._model, body)
        size = self._loaded.context_size
        return assemble(text, (), (), b"", messages=request.messages, frame=None, context_size=size, notes=(TEXT_ONLY,))

    async def find(self) -> None:
        """Find the server and the model, and have nothing loaded: enough for `vocabulary`. `load` is not possible then.

        Raises:
            ModelError: the server has no such model.
            EngineError: the server cannot be reached or refuses us.
        """
        self._started = True
        _, self._model, _ = await self._find()

    async def _find(self) -> tuple[Connection, str, Shown]:
        self._check_open()
        self._connection = connection = await asyncio.to_thread(
            Connection, self._server, self._server_name, self._patience
        )
        try:
            model, shown = await find_model(connection, self._model or None)
        except (LlmtuiError, asyncio.CancelledError):
            await self.close()
            raise
        return connection, model, shown

    async def vocabulary(self) -> BpeVocabulary | None:
        """The model's vocabulary, from which its tokens can be counted; None when it is of another kind.

        Raises:
            LlmtuiError: the server does not tell it, or does not answer.
        """
        if self._connection is None:
            return None
        told = await told_vocabulary(self._connection, self._model)
        if told.model != BPE_MODEL:
            return None
        return BpeVocabulary(
            tokens=told.tokens,
            merges=told.merges,
            token_types=told.token_types,
            pre=told.pre or "",
            add_bos=told.add_bos,
            bos_id=told.bos,
            eos_id=told.eos,
        )

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

    def _load_body(self, model: str) -> dict[str, object]:
        body: dict[str, object] = {"model": model, "stream": False}
        if self._context is not None:
            body["options"] = {"num_ctx": self._context}
        return body if self._server.keep_alive is None else body | {"keep_alive": self._server.keep_alive}

    def _check_open(self) -> None:
        if self._closed:
            raise not_loaded()

    def _uncounted(self) -> EngineError:
        if not self.alive:
            return not_loaded()
        return EngineError("Ollama does not count tokens", remedy="Go by the estimate, which is marked with ~.")

    async def _run(self, request: GenerateRequest, turn: "_Turn", options: Options) -> None:
        try:
            await self._answer(request, turn, options)
        except LlmtuiError as error:
            self._log.append(visible_line(str(error)))
            turn.end(failure_of(error))

    async def _answer(self, request: GenerateRequest, turn: "_Turn", options: Options) -> None:
        connection, loaded, account = self._connection, self._loaded, turn.account
        if connection is None or loaded is None:
            raise not_loaded()
        if request.sampling.grammar is not None:
            raise _no_grammar()
        if remark := unheeded(request.sampling):
            turn.events.put_nowait(remark)
        route = "/api/chat" if request.prompt is None else "/api/generate"
        body = turn_body(request, self._model, options, self._server.keep_alive)
        try:
            stream = connection.stream(route, body, Part, model=self._model)
            async with contextlib.aclosing(stream) as parts:
                async for part in parts:
                    self._fresh = False
                    for event in account.take(part, time.perf_counter_ns()):
                        turn.events.put_nowait(event)
                    if account.done:
                        break
        except ContextError as error:
            raise _with_context(error, loaded.context_size) from error
        if not account.done:
            raise EngineError(
                f"{connection.name} stopped in the middle of the answer",
                cause="the stream ended without an end marker",
                remedy="What had come is kept. See whether the server still runs, then ask again.",
            )
        asked = request.prompt
        if asked is None:
            asked = "".join(message.content for message in request.messages)
        sent = estimate_tokens(asked)
        alarm = truncation(sent, account.prompt_tokens, loaded.context_size)
        if alarm is not None:
            turn.events.put_nowait(alarm)
        turn.end(account.finished(time.perf_counter_ns()))


class _Turn(ServedTurn):
    """A turn under way with its account."""

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.account = account


def _no_grammar() -> EngineError:
    return EngineError(
        "Ollama takes no grammar",
        cause="it knows JSON schemas only",
        remedy="Give a JSON schema, or run the model's file itself.",
    )


def _with_context(error: ContextError, context_size: int | None) -> ContextError:
    """The refusal with the context's size, where the server did not say it."""
    if context_size is None or f"{context_size:,}" in error.cause:
        return error
    cause = f"{error.cause.rstrip('.')}; the context holds {context_size:,} tokens, the answer included"
    return ContextError(error.title, cause=cause, remedy=error.remedy)
