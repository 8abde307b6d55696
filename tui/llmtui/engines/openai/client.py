"""The OpenAI-compatible engine: one model of one server."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from llmtui.domain.events import Finished, Loaded, LoadEvent, LoadProgress, Notice
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.reasoning import EFFORT, NO_WISH, Reasoning
from llmtui.domain.rendered import Rendered as RenderedPrompt
from llmtui.domain.settings import Server
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import estimate_tokens, well_formed
from llmtui.engines.base import GenerateRequest, unheeded_notice
from llmtui.engines.http.access import Patience
from llmtui.engines.http.engine import ServedEngine
from llmtui.engines.http.faults import NotFoundError, another_model, malformed, reported
from llmtui.engines.http.lenient import decode_json
from llmtui.engines.http.turn import ServedTurn
from llmtui.engines.openai.account import Account
from llmtui.engines.openai.connection import Connection
from llmtui.engines.openai.discovery import describe, explain_missing, find_model, full_name, loaded_model
from llmtui.engines.openai.explaining import explained
from llmtui.engines.openai.facts import LLAMA_SERVER, VLLM, Rendered, Tokenised
from llmtui.engines.openai.infill import ROUTE, InfillChunk, cut_text, ignored_suffix, infill_body, refused
from llmtui.engines.openai.sse import AnswerParser
from llmtui.engines.openai.thinking import Told, told
from llmtui.engines.openai.wire import Chunk, chat_messages, turn_body, unheeded
from llmtui.errors import EngineError

_DONE = b"[DONE]"


class OpenAIEngine(ServedEngine[Connection, "_Turn"]):
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
        super().__init__(name, server, server_name, model, patience=patience)
        self._names: tuple[str, ...] = ()
        self._remarks: tuple[Notice, ...] = ()
        self._template: str | None = None

    async def _connect(self) -> Connection:
        return Connection(self._server, self._server_name, self._patience)

    async def _open(self, connection: Connection) -> AsyncGenerator[LoadEvent]:
        offer = await find_model(connection, self._model or None)
        if offer.loaded is False:
            yield LoadProgress(f"{connection.name} loads it", None)
        found = await describe(connection, offer, may_load=True)
        name = self._name if self._model else full_name(self._name, offer.id)
        self._model = offer.id
        self._templates.eos_text = found.eos_text
        self._template = found.template
        if found.served_by == LLAMA_SERVER and offer.loaded is None:  # it has this one model and names it in answers
            self._names = (self._model, *offer.aliases)
        yield Loaded(loaded_model(connection, found, name))

    def _turn_of(self, request: GenerateRequest, loaded: LoadedModel, seed: int, *, templated: bool) -> "_Turn":
        raw = request.prompt is not None and not templated
        return _Turn(Account(request.sampling, seed, loaded.context_size, raw=raw), self._names, seed)

    async def count_prompt(
        self,
        prompt: Sequence[ChatMessage] | str,
        *,
        template: NamedTemplate | None = None,
        answer_start: str = "",
        thinking: Reasoning = NO_WISH,
    ) -> int:
        """Tokens of the rendered conversation, or of a text as it is, as the server counts them.

        Raises:
            TemplateError: the template cannot render it.
            EngineError: this server does not count, or is gone.
        """
        connection, kind = self._counting()
        prompt = await self._templates.text(prompt, template, thinking)
        if isinstance(prompt, str):
            return len(await self._tokens(connection, kind, prompt + answer_start, add_special=True))
        chat = {"messages": chat_messages(prompt, kind), **self._told(thinking, kind).body}
        if kind == VLLM:
            body = {"model": self._model, **chat, "add_generation_prompt": True}
            body.pop(EFFORT, None)  # counted as the template has it, by `chat_template_kwargs`
            told = await connection.post(f"{connection.root}/tokenize", body, Tokenised, model=None)
            return len(told.tokens) + (len(await self.tokenise(answer_start)) if answer_start else 0)
        question = {"model": self._model, **chat}
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
        connection, loaded = self._reached()
        if loaded.served_by != LLAMA_SERVER:
            raise EngineError(
                f"{connection.name} does not show its prompts",
                cause="only a llama-server renders a conversation without answering it",
                remedy="Use the model's file itself, or a llama-server.",
            )
        thinking = self._told(request.sampling.thinking, LLAMA_SERVER)
        return await explained(
            connection, self._templates, request, self._model, loaded.context_size, thinking=thinking
        )

    def _told(self, thinking: Reasoning, kind: str) -> Told:
        return told(thinking, kind, standard_only=self._server.standard_only, template=self._template)

    async def _tokens(self, connection: Connection, kind: str, text: str, *, add_special: bool) -> list[int]:
        text = well_formed(text)
        body: dict[str, object] = {"model": self._model}
        if kind == VLLM:
            body |= {"prompt": text, "add_special_tokens": add_special}
        else:
            body |= {"content": text, "add_special": add_special, "parse_special": True}
        return (await connection.post(f"{connection.root}/tokenize", body, Tokenised, model=None)).tokens

    def _counting(self) -> tuple[Connection, str]:
        connection, loaded = self._reached()
        kind = loaded.served_by
        if kind not in {LLAMA_SERVER, VLLM}:
            raise EngineError(
                f"{connection.name} does not count tokens", remedy="Go by the estimate, which is marked with ~."
            )
        return connection, kind

    def _asked(self, request: GenerateRequest, turn: "_Turn", connection: Connection) -> tuple[str, dict[str, Any]]:
        """The route of a turn, and the body that it takes."""
        loaded = self._reached()[1]
        kind = loaded.served_by or ""
        if turn.native:
            return connection.root + ROUTE, infill_body(request, self._model, seed=turn.seed, kind=kind)
        body = turn_body(
            request,
            self._model,
            kind=kind,
            seed=turn.seed,
            standard_only=self._server.standard_only,
            context_size=loaded.context_size,
            template=self._template,
        )
        return f"{connection.api}/{'chat/completions' if request.prompt is None else 'completions'}", body

    async def _answer(self, request: GenerateRequest, turn: "_Turn") -> None:
        connection, loaded = self._reached()
        turn.native = request.suffix is not None and loaded.served_by == LLAMA_SERVER
        route, body = self._asked(request, turn, connection)
        for remark in self._new_remarks(request, loaded.served_by or ""):
            turn.events.put_nowait(remark)
        try:
            await turn.read(connection, route, body, model=self._model)
        except NotFoundError as error:
            raw = request.prompt is not None
            found = await explain_missing(connection, self._model, error, route, raw=raw)
            raise (refused(found, connection.name) if request.suffix is not None else found) from error
        except (EngineError, TimeoutError) as error:
            if not turn.complete and request.suffix is not None and isinstance(error, EngineError):
                raise refused(error, connection.name) from error
            if not turn.complete:
                raise
        asked = "".join(message.content for message in request.messages) if request.prompt is None else request.prompt
        for notice in turn.account.notices(estimate_tokens(asked)):
            turn.events.put_nowait(notice)
        if request.suffix is not None and (notice_ := turn.gap_notice(request)) is not None:
            turn.events.put_nowait(notice_)
        turn.end(turn.stamped(turn.account.finished(time.perf_counter_ns())))

    def _new_remarks(self, request: GenerateRequest, kind: str) -> list[Notice]:
        """What this server cannot be asked for; what was told before and holds still is left out."""
        remarks = []
        if (options := unheeded(request.sampling, kind, standard_only=self._server.standard_only)) is not None:
            remarks.append(options)
        if request.prompt is None and (wishes := self._told(request.sampling.thinking, kind).unheeded):
            whose = "The server's chat template" if kind == LLAMA_SERVER else "This server"
            remarks.append(unheeded_notice(wishes, whose))
        new = [remark for remark in remarks if remark not in self._remarks]
        self._remarks = tuple(remarks)
        return new


class _Turn(ServedTurn):
    """A turn under way with its account.

    Args:
        account: of the answer.
        names: what the model may be called in it, its id first; empty where servers call it as they like.
        seed: for sampling.

    Attributes:
        native: asked by llama-server's own route for gaps.
    """

    def __init__(self, account: Account, names: tuple[str, ...], seed: int) -> None:
        super().__init__(account.rest)
        self.account = account
        self.seed = seed
        self.native = False
        self._names = names
        self._done = False
        self._prompt: str | None = None

    def cancelled(self) -> Finished:
        """How the turn ends when it is stopped now."""
        return self.account.finished(time.perf_counter_ns(), "cancelled")

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

    def gap_notice(self, request: GenerateRequest) -> Notice | None:
        """What of a text with a gap the server has not read."""
        if self.native:
            return cut_text(request, self._prompt)
        return ignored_suffix(request, self.account.timings().prompt_tokens)

    def stamped(self, event: Finished) -> Finished:
        """The end, with the digest of the prompt where the server told it."""
        if self._prompt is None:
            return event
        digest = hashlib.sha256(self._prompt.encode("utf-8", "replace")).hexdigest()
        return msgspec.structs.replace(event, timings=msgspec.structs.replace(event.timings, rendered_sha256=digest))

    def _native(self, chunk: InfillChunk) -> Chunk:
        self._prompt = chunk.prompt or self._prompt
        return chunk.as_chunk()

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
                chunk = self._native(decode_json(data, InfillChunk)) if self.native else decode_json(data, Chunk)
            except (msgspec.DecodeError, RecursionError) as error:
                raise malformed(data, where, str(error)) from error
            if chunk.failure:
                raise reported(chunk.failure, where, begun=self.account.begun)
            if self._names and chunk.model and chunk.model not in self._names:
                raise another_model(where, self._names[0], str(chunk.model))
            for event in self.account.take(chunk, now):
                self.events.put_nowait(event)
