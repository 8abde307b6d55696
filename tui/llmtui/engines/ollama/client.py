"""The Ollama engine: one model of one server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence

from llmtui.domain.defaults import ollama_defaults
from llmtui.domain.events import Finished, Loaded, LoadEvent, LoadProgress
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.reasoning import NO_WISH, Reasoning, unheeded_text
from llmtui.domain.rendered import Rendered as RenderedPrompt
from llmtui.domain.rendered import assemble
from llmtui.domain.settings import Server
from llmtui.domain.templates import NamedTemplate
from llmtui.domain.text import estimate_tokens, visible_line
from llmtui.domain.vocabulary import BPE_MODEL, BpeVocabulary
from llmtui.engines.base import GenerateRequest, not_loaded, unheeded_notice
from llmtui.engines.http.access import Patience
from llmtui.engines.http.alarms import truncation
from llmtui.engines.http.engine import ServedEngine
from llmtui.engines.http.turn import ServedTurn
from llmtui.engines.ollama.account import Account
from llmtui.engines.ollama.connection import Connection
from llmtui.engines.ollama.describe import described, find_model, open_model
from llmtui.engines.ollama.explaining import TEXT_ONLY, rendered_only
from llmtui.engines.ollama.vocabulary import vocabulary as told_vocabulary
from llmtui.engines.ollama.wire import Options, Part, Thinker, options_of, parameters_of, turn_body, unheeded
from llmtui.errors import ContextError, EngineError, LlmtuiError


class OllamaEngine(ServedEngine[Connection, "_Turn"]):
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
        super().__init__(name, server, server_name, model, patience=patience)
        self._context = context
        self._stops: tuple[str, ...] = ()
        self._fresh = False
        self._thinker = Thinker()
        self._unheeded: tuple[str, ...] = ()

    async def _connect(self) -> Connection:
        return await asyncio.to_thread(Connection, self._server, self._server_name, self._patience)

    async def _open(self, connection: Connection) -> AsyncGenerator[LoadEvent]:
        model, shown = await find_model(connection, self._model or None)
        yield LoadProgress(f"{connection.name} loads {visible_line(model)}", None)
        opened = await open_model(connection, model, shown, self._load_body(model))
        self._thinker = Thinker.of(shown)
        own = parameters_of(shown.parameters)
        context = self._context or next((int(each) for each in own.get("num_ctx", ()) if each.isdecimal()), None)
        self._stops = tuple(own.get("stop", ()))
        self._fresh = opened.load_s is not None
        taken = ollama_defaults({**own, "num_ctx": None, "stop": None}, None)
        name = self._name if self._model else visible_line(f"{self._name}/{model}")
        self._model = model
        yield Loaded(described(opened, connection, name, context, taken))

    def _turn_of(self, request: GenerateRequest, loaded: LoadedModel, seed: int, *, templated: bool) -> "_Turn":
        own = () if templated else self._stops  # they belong to the model's own template
        options = options_of(request.sampling, seed=seed, context=self._context, stops=own)
        raw = request.prompt is not None and not templated
        account = Account(request.sampling, seed, options, loaded.context_size, fresh=self._fresh, raw=raw)
        return _Turn(account, options)

    async def count_prompt(
        self,
        prompt: Sequence[ChatMessage] | str,
        *,
        template: NamedTemplate | None = None,
        answer_start: str = "",
        thinking: Reasoning = NO_WISH,
    ) -> int:
        """Ollama has no route that counts.

        Raises:
            EngineError: always.
        """
        del prompt, template, answer_start, thinking
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
        connection, loaded = self._reached()
        put = (await self._templates.put(request)).request
        options = options_of(put.sampling, seed=0, context=self._context, stops=self._stops)
        body = turn_body(put, self._model, options, self._server.keep_alive, self._thinker)
        text = await rendered_only(connection, self._model, body)
        size = loaded.context_size
        notes: tuple[str, ...] = (TEXT_ONLY,)
        if put.prompt is None and (wishes := self._thinker.asked(put.sampling.thinking)[1]):
            notes = (unheeded_text(wishes, "This model"), *notes)
        return assemble(text, (), (), b"", messages=request.messages, frame=None, context_size=size, notes=notes)

    async def find(self) -> None:
        """Find the server and the model, and have nothing loaded: enough for `vocabulary`. `load` is not possible then.

        Raises:
            ModelError: the server has no such model.
            EngineError: the server cannot be reached or refuses us.
        """
        self._started = True
        self._check_open()
        self._connection = connection = await self._connect()
        try:
            self._model, _ = await find_model(connection, self._model or None)
        except (LlmtuiError, asyncio.CancelledError):
            await self.close()
            raise

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

    def _load_body(self, model: str) -> dict[str, object]:
        body: dict[str, object] = {"model": model, "stream": False}
        if self._context is not None:
            body["options"] = {"num_ctx": self._context}
        return body if self._server.keep_alive is None else body | {"keep_alive": self._server.keep_alive}

    def _uncounted(self) -> EngineError:
        if not self.alive:
            return not_loaded()
        return EngineError("Ollama does not count tokens", remedy="Go by the estimate, which is marked with ~.")

    async def _answer(self, request: GenerateRequest, turn: "_Turn") -> None:
        (connection, loaded), account = self._reached(), turn.account
        if request.sampling.grammar is not None:
            raise _no_grammar()
        if remark := unheeded(request.sampling):
            turn.events.put_nowait(remark)
        route = "/api/chat" if request.prompt is None else "/api/generate"
        wishes = self._thinker.asked(request.sampling.thinking)[1] if request.prompt is None else ()
        if wishes and wishes != self._unheeded:
            turn.events.put_nowait(unheeded_notice(wishes, "This model"))
        self._unheeded = wishes
        body = turn_body(request, self._model, turn.options, self._server.keep_alive, self._thinker)
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
    """A turn under way with its account and what is sent with it."""

    def __init__(self, account: Account, options: Options) -> None:
        super().__init__(account.rest)
        self.account = account
        self.options = options

    def cancelled(self) -> Finished:
        """How the turn ends when it is stopped now."""
        return self.account.finished(time.perf_counter_ns(), "cancelled")


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
