"""The OpenAI-compatible engine: one model of one server."""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from llmtui.domain.events import Loaded, LoadEvent, LoadProgress, Notice, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.rendered import Rendered as RenderedPrompt
from llmtui.domain.settings import Server
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import estimate_tokens, visible_line, well_formed
from llmtui.engines.base import GenerateRequest, failure_of, not_loaded
from llmtui.engines.http.access import Patience
from llmtui.engines.http.faults import NotFoundError, another_model, malformed, reported
from llmtui.engines.http.lenient import decode_json
from llmtui.engines.http.turn import ServedTurn
from llmtui.engines.openai.account import Account
from llmtui.engines.openai.connection import Connection
from llmtui.engines.openai.discovery import describe, explain_missing, find_model, full_name, loaded_model
from llmtui.engines.openai.explaining import explained
from llmtui.engines.openai.facts import LLAMA_SERVER, VLLM, Rendered, Tokenised
from llmtui.engines.openai.sse import AnswerParser
from llmtui.engines.openai.wire import Chunk, chat_messages, turn_body, unheeded
from llmtui.engines.rendering.served import ServedTemplates
from llmtui.errors import EngineError, LlmtuiError

_DONE = b"[DONE]"
_LOG_LINES = 50


class OpenAIEngine:
    """One model of a server that speaks the OpenAI-compatible API.

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
        self._names: tuple[str, ...] = ()
        self._remark: Notice | None = None
        self._patience = patience
        self._connection: Connection | None = None
        self._loaded: LoadedModel | None = None
        self._started = False
        self._closed = False
        self._turns: dict[str, _Turn] = {}
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
        """Find the server and the model; the last event is `Loaded`.

        Raises:
            ModelError: the server has no such model.
            EngineError: the server cannot be reached or refuses us.
        """
        if self._started:
            raise EngineError("The model was loaded before", cause="an engine loads once", remedy="Open a new one.")
        self._started = True
        self._check_open()
        yield LoadProgress(f"asking {visible_line(self._server_name)}", None)
        self._check_open()
        self._connection = connection = Connection(self._server, self._server_name, self._patience)
        try:
            offer = await find_model(connection, self._model or None)
            if offer.loaded is False:
                yield LoadProgress(f"{connection.name} loads it", None)
            found = await describe(connection, offer, may_load=True)
        except (LlmtuiError, asyncio.CancelledError, GeneratorExit):
            await self.close()
            raise
        self._check_open()
        name = self._name if self._model else full_name(self._name, offer.id)
        self._model, self._loaded = offer.id, loaded_model(connection, found, name)
        self._templates.eos_text = found.eos_text
        if found.served_by == LLAMA_SERVER and offer.loaded is None:  # it has this one model and names it in answers
            self._names = (self._model, *offer.aliases)
        yield Loaded(self._loaded)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        """Generate one turn. The last event is `Finished` or `Failed`; closing the iterator closes the connection."""
        if not self.alive or self._loaded is None:
            yield failure_of(not_loaded())
            return
        try:
            put = await self._templates.put(request)
        except LlmtuiError as error:
            yield failure_of(error)
            return
        request = put.request
        seed = request.sampling.seed
        seed = secrets.randbelow(0x7FFFFFFF) if seed is None else seed
        turn = _Turn(Account(request.sampling, seed, self._loaded.context_size), self._names)
        self._turns[request.id] = turn
        turn.begin(self._run(request, turn, seed))
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
        """Tokens of the rendered conversation, or of a text as it is, as the server counts them.

        Raises:
            TemplateError: the template cannot render it.
            EngineError: this server does not count, or is gone.
        """
        connection, kind = self._counting()
        prompt = await self._templates.text(prompt, template)
        if isinstance(prompt, str):
            return len(await self._tokens(connection, kind, prompt + answer_start, add_special=True))
        chat = chat_messages(prompt)
        if kind == VLLM:
            body = {"model": self._model, "messages": chat, "add_generation_prompt": True}
            told = await connection.post(f"{connection.root}/tokenize", body, Tokenised, model=None)
            return len(told.tokens) + (len(await self.tokenise(answer_start)) if answer_start else 0)
        question = {"model": self._model, "messages": chat}
        rendered = await connection.post(f"{connection.root}/apply-template", question, Rendered, model=None)
        return len(await self._tokens(connection, kind, rendered.prompt + answer_start, add_special=True))

    async def tokenise(self, text: str) -> list[int]:
        """Token ids of a plain text.

        Raises:
            EngineError: this server does not tell, or is gone.
        """
        connection, kind = self._counting()
        return await self._tokens(connection, kind, text, add_special=False)

    async def explain(self, request: GenerateRequest) -> RenderedPrompt:
        """The prompt of a request as a llama-server shows it; others do not.

        Raises:
            LlmtuiError: it cannot be rendered; this server does not show prompts, or is gone.
        """
        if not self.alive or self._connection is None or self._loaded is None:
            raise not_loaded()
        if self._loaded.served_by != LLAMA_SERVER:
            raise EngineError(
                f"{self._connection.name} does not show its prompts",
                cause="only a llama-server renders a conversation without answering it",
                remedy="Use the model's file itself, or a llama-server.",
            )
        return await explained(self._connection, self._templates, request, self._model, self._loaded.context_size)

    async def _tokens(self, connection: Connection, kind: str, text: str, *, add_special: bool) -> list[int]:
        text = well_formed(text)
        body: dict[str, object] = {"model": self._model}
        if kind == VLLM:
            body |= {"prompt": text, "add_special_tokens": add_special}
        else:
            body |= {"content": text, "add_special": add_special, "parse_special": True}
        return (await connection.post(f"{connection.root}/tokenize", body, Tokenised, model=None)).tokens

    async def close(self) -> None:
        """Close every connection; a turn that still runs ends with `Failed`."""
        self._closed = True
        turns = list(self._turns.values())
        for turn in turns:
            turn.end(failure_of(not_loaded()))
        for turn in turns:
            await turn.settle()
        if self._connection is not None:
            await self._connection.close()
        await self._templates.close()

    def _check_open(self) -> None:
        if self._closed:
            raise not_loaded()

    def _counting(self) -> tuple[Connection, str]:
        if not self.alive or self._connection is None or self._loaded is None:
            raise not_loaded()
        kind = self._loaded.served_by
        if kind not in {LLAMA_SERVER, VLLM}:
            raise EngineError(
                f"{self._connection.name} does not count tokens", remedy="Go by the estimate, which is marked with ~."
            )
        return self._connection, kind

    async def _run(self, request: GenerateRequest, turn: "_Turn", seed: int) -> None:
        try:
            await self._answer(request, turn, seed)
        except LlmtuiError as error:
            self._log.append(visible_line(str(error)))
            turn.end(failure_of(error))

    async def _answer(self, request: GenerateRequest, turn: "_Turn", seed: int) -> None:
        connection, loaded = self._connection, self._loaded
        if connection is None or loaded is None:
            raise not_loaded()
        body = turn_body(
            request,
            self._model,
            kind=loaded.served_by or "",
            seed=seed,
            standard_only=self._server.standard_only,
            context_size=loaded.context_size,
        )
        raw = request.prompt is not None
        route = f"{connection.api}/{'completions' if raw else 'chat/completions'}"
        remark = unheeded(request.sampling, loaded.served_by or "", standard_only=self._server.standard_only)
        if remark is not None and remark != self._remark:
            self._remark = remark
            turn.events.put_nowait(remark)
        try:
            await turn.read(connection, route, body, model=self._model)
        except NotFoundError as error:
            raise await explain_missing(connection, self._model, error, route, raw=raw) from error
        except (EngineError, TimeoutError):
            if not turn.complete:
                raise
        asked = "".join(message.content for message in request.messages) if request.prompt is None else request.prompt
        for notice in turn.account.notices(estimate_tokens(asked)):
            turn.events.put_nowait(notice)
        turn.end(turn.account.finished(time.perf_counter_ns()))


class _Turn(ServedTurn):
    """A turn under way with its account.

    Args:
        account: of the answer.
        names: what the model may be called in it, its id first; empty where servers call it as they like.
    """

    def __init__(self, account: Account, names: tuple[str, ...]) -> None:
        super().__init__()
        self.account = account
        self._names = names
        self._done = False

    @property
    def complete(self) -> bool:
        """Whether the server has said that the answer ends, by a reason or by the end marker."""
        return self._done or self.account.finish_reason is not None

    async def read(self, connection: Connection, route: str, body: dict[str, Any], *, model: str) -> None:
        """Read the answer to its end. Behind a finish reason only counts can come: they are not waited for long.

        Raises:
            LlmtuiError: there is no answer, or it broke off.
            TimeoutError: the counts did not come.
        """
        parser = AnswerParser(connection.name)
        async with (
            asyncio.timeout(None) as limit,
            contextlib.aclosing(connection.stream(route, body, model=model)) as stream,
        ):
            async for data in stream:
                self._take(parser.feed(data), connection.name)
                if self._done:
                    return
                if self.complete and limit.when() is None:
                    limit.reschedule(asyncio.get_running_loop().time() + connection.patience.question_s)
            self._take(parser.end(), connection.name)
        if parser.is_whole and not self.account.begun:
            raise malformed(parser.head, connection.name, "it holds no answer")
        self._done = self._done or parser.is_whole
        if not self.complete:
            raise EngineError(
                f"{connection.name} stopped in the middle of the answer",
                cause="the stream ended without an end marker",
                remedy="What had come is kept. See whether the server still runs, then ask again.",
            )

    def _take(self, payloads: Sequence[bytes], where: str) -> None:
        """Pass on the events of chunks that arrived together.

        Raises:
            LlmtuiError: a chunk is not understood, or is the server's word that it failed.
        """
        now = time.perf_counter_ns()
        for data in payloads:
            if data.strip() == _DONE:
                self._done = True
                return
            try:
                chunk = decode_json(data, Chunk)
            except (msgspec.DecodeError, RecursionError) as error:
                raise malformed(data, where, str(error)) from error
            if chunk.failure:
                raise reported(chunk.failure, where, begun=self.account.begun)
            if self._names and chunk.model and chunk.model not in self._names:
                raise another_model(where, self._names[0], str(chunk.model))
            for event in self.account.take(chunk, now):
                self.events.put_nowait(event)
