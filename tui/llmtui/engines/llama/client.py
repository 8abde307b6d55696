"""The llama.cpp engine as the program sees it: commands to a worker process, its events to whoever waits for them."""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeVar

import msgspec

from llmtui.domain.events import Failed, Finished, Loaded, LoadEvent, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import AttachedAdapter, LoadedModel
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.rendered import Rendered
from llmtui.domain.settings import Adapter, Runtime
from llmtui.domain.templates import NamedTemplate, encodable
from llmtui.domain.text import visible_line, well_formed
from llmtui.engines.base import GenerateRequest, error_of, failure_of, no_infill, not_loaded
from llmtui.engines.llama.deaths import describe_death, load_remedy
from llmtui.engines.llama.process import WorkerProcess
from llmtui.engines.llama.wire import (
    AdaptersSet,
    Cancel,
    Count,
    Counted,
    Explain,
    Explained,
    Generate,
    Load,
    LoadReply,
    Refused,
    Reply,
    SetAdapters,
    Tokenise,
    Tokens,
    TurnReply,
)
from llmtui.errors import EngineError, LlmtuiError, ModelError, OutOfMemoryError

Answer = Counted | Tokens | Explained | AdaptersSet
AnswerT = TypeVar("AnswerT")


class LlamaEngine:
    """One GGUF model in one worker process.

    Args:
        name: what the user calls the model.
        path: the file, or the first of a split model.
        runtime: how to load it.
        description: one line; without it the worker describes the model.
        foreign_template: run in a thread too: Ollama's template for the model, by which its family is known when its
            file has none.
        check: run in a thread before the worker starts; what it raises comes out of `load`.
        python: the worker's interpreter.
    """

    def __init__(
        self,
        name: str,
        path: str,
        runtime: Runtime,
        *,
        description: str = "",
        foreign_template: Callable[[], str | None] | None = None,
        check: Callable[[], None] | None = None,
        python: str = sys.executable,
    ) -> None:
        self._load_command = Load(well_formed(name), path, description, runtime)
        self._worker = WorkerProcess(python, self._on_reply, self._on_end)
        self._check = check
        self._foreign_template = foreign_template
        self._loaded: LoadedModel | None = None
        self._loading: asyncio.Queue[LoadEvent | Failed] = asyncio.Queue()
        self._turns: dict[str, asyncio.Queue[TurnEvent]] = {}
        self._questions: dict[str, asyncio.Future[Answer]] = {}
        self._numbers = itertools.count()
        self._started = False
        self._closed = False
        self._end: Failed | None = None

    @property
    def loaded(self) -> LoadedModel | None:
        """What the worker granted; None before."""
        return self._loaded

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent now."""
        return self._loaded is not None and self._end is None and not self._closed

    def last_log(self) -> list[str]:
        """The last lines of llama.cpp's log, oldest first, safe to show."""
        return self._worker.log()

    async def load(self) -> AsyncGenerator[LoadEvent]:
        """Start the worker and open the model; the last event is `Loaded`.

        Raises:
            ModelError: the file is missing, damaged, unsupported, or does not fit.
            EngineError: the worker cannot be started, or `close` was called meanwhile.
        """
        if self._started:
            raise EngineError("The model was loaded before", cause="an engine loads once", remedy="Open a new one.")
        self._check_open()
        for path in (self._load_command.path, *(adapter.path for adapter in self._load_command.runtime.adapters)):
            _check_path(path)
        self._started = True
        if self._check is not None:
            await asyncio.to_thread(self._check)
        if self._foreign_template is not None:
            found = await asyncio.to_thread(self._foreign_template)
            self._load_command = msgspec.structs.replace(
                self._load_command, foreign_template=found and well_formed(found)
            )
        await self._worker.start()
        try:
            self._check_open()
        except EngineError:
            await self._worker.stop()
            raise
        self._worker.send(self._load_command)
        while True:
            event = await self._loading.get()
            if isinstance(event, Failed):
                await self.close()
                raise error_of(event)
            if isinstance(event, Loaded):
                self._loaded = event.model
            yield event
            if isinstance(event, Loaded):
                return

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        """Generate one turn. The last event is `Finished` or `Failed`; closing the iterator cancels."""
        if not self.alive:
            yield self._end or failure_of(not_loaded())
            return
        if request.suffix is not None:
            yield failure_of(no_infill("this engine"))
            return
        events: asyncio.Queue[TurnEvent] = asyncio.Queue()
        self._turns[request.id] = events
        ended = False
        try:
            self._worker.send(Generate(_encodable(request)))
            while not ended:
                event = await events.get()
                ended = isinstance(event, Finished | Failed)
                yield event
        except EngineError as error:
            ended = True
            yield failure_of(error)
        finally:
            self._turns.pop(request.id, None)
            if not ended:
                self._worker.send(Cancel(request.id))

    async def cancel(self, request_id: str) -> None:
        """Stop a turn; its stream ends with `Finished("cancelled")`. Unknown ids are ignored."""
        if request_id in self._turns:
            self._worker.send(Cancel(request_id))

    async def count_prompt(
        self,
        prompt: Sequence[ChatMessage] | str,
        *,
        template: NamedTemplate | None = None,
        answer_start: str = "",
        thinking: Reasoning = NO_WISH,
    ) -> int:
        """Tokens of the conversation rendered, by the model's template or the one given, or of a text as it is.

        Raises:
            TemplateError, EngineError: it cannot be rendered; the worker is gone.
        """
        id_ = f"count-{next(self._numbers)}"
        start = well_formed(answer_start)
        if isinstance(prompt, str):
            command = Count(id_, prompt=well_formed(prompt), answer_start=start)
        else:
            command = Count(id_, _clean(prompt), template=encodable(template), answer_start=start, thinking=thinking)
        return (await self._ask(command, id_, Counted)).tokens

    async def tokenise(self, text: str) -> list[int]:
        """Token ids of a plain text.

        Raises:
            EngineError: the worker is gone.
        """
        id_ = f"tokenise-{next(self._numbers)}"
        return (await self._ask(Tokenise(id_, well_formed(text)), id_, Tokens)).ids

    async def explain(self, request: GenerateRequest) -> Rendered:
        """The prompt of a request, token by token, and what of it the request's slot holds between two decodes.

        Raises:
            TemplateError, ContextError, EngineError: it cannot be rendered; it is far too long; the worker is gone.
        """
        id_ = f"explain-{next(self._numbers)}"
        return (await self._ask(Explain(id_, _encodable(request)), id_, Explained)).rendered

    async def set_adapters(self, adapters: Sequence[Adapter]) -> tuple[AttachedAdapter, ...]:
        """Attach exactly these LoRA adapters once the running turns have ended; none detaches all.

        Raises:
            ModelError: one is damaged or not made for this model; everything is as before.
            EngineError: the worker is gone.
        """
        for adapter in adapters:
            _check_path(adapter.path)
        id_ = f"adapters-{next(self._numbers)}"
        return (await self._ask(SetAdapters(id_, tuple(adapters)), id_, AdaptersSet)).adapters

    async def close(self) -> None:
        """End the worker, also while it loads; a turn that still runs ends with `Failed`."""
        self._closed = True
        await self._worker.stop()
        self._fail_all(failure_of(not_loaded()))

    def _check_open(self) -> None:
        if self._closed:
            raise not_loaded()

    async def _ask(self, command: Count | Tokenise | Explain | SetAdapters, id_: str, answer: type[AnswerT]) -> AnswerT:
        if not self.alive:
            raise error_of(self._end) if self._end else not_loaded()
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._questions[id_] = future
        try:
            self._worker.send(command)
            reply = await future
        finally:
            self._questions.pop(id_, None)
        if not isinstance(reply, answer):
            raise EngineError("The model process gave the wrong answer", remedy="Reload the model.")
        return reply

    def _on_reply(self, reply: Reply) -> None:
        match reply:
            case LoadReply(event=event):
                self._loading.put_nowait(event)
            case TurnReply(id=id_, event=turn_event):
                if id_ in self._turns:
                    self._turns[id_].put_nowait(turn_event)
            case Counted() | Tokens() | Explained():
                self._answer(reply)
            case AdaptersSet(adapters=adapters):
                if self._loaded is not None:  # also when whoever asked for them has gone
                    self._loaded = msgspec.structs.replace(self._loaded, adapters=adapters)
                self._answer(reply)
            case Refused(id=id_, failure=failure):
                self._refuse(id_, error_of(failure))

    def _answer(self, reply: Answer) -> None:
        future = self._questions.get(reply.id)
        if future is not None and not future.done():
            future.set_result(reply)

    def _on_end(self, code: int | None, out_of_memory: bool, problem: EngineError | None) -> None:  # noqa: FBT001
        if self._closed:
            failure = failure_of(not_loaded())
        elif problem is not None:
            failure = failure_of(problem)
        else:
            title, cause, remedy = describe_death(code, self._worker.log(), out_of_memory=out_of_memory)
            failure = Failed("engine", title, cause, remedy)
        self._end = failure
        if self._loaded is None and not self._closed:
            killed_for_memory = out_of_memory and code == -signal.SIGKILL
            error = (OutOfMemoryError if killed_for_memory else ModelError)(
                "The model process ended while it opened the model",
                cause=f"{failure.title}: {failure.cause}",
                remedy=load_remedy(code if problem is None else None, failure.remedy),
            )
            self._loading.put_nowait(failure_of(error))
        self._fail_all(failure)

    def _fail_all(self, failure: Failed) -> None:
        for events in self._turns.values():
            events.put_nowait(failure)
        for id_ in list(self._questions):
            self._refuse(id_, error_of(failure))
        if self._loaded is None:
            self._loading.put_nowait(failure)

    def _refuse(self, id_: str, error: LlmtuiError) -> None:
        future = self._questions.get(id_)
        if future is not None and not future.done():
            future.set_exception(error)


def _check_path(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ModelError(
            "The name of the file is not UTF-8",
            cause=visible_line(path),
            remedy="Rename the file, or the folder it is in.",
        ) from None


def _clean(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    return tuple(message.well_formed() for message in messages)


def _encodable(request: GenerateRequest) -> GenerateRequest:
    stop = tuple(well_formed(text) for text in request.sampling.stop)
    return msgspec.structs.replace(
        request,
        messages=_clean(request.messages),
        prompt=None if request.prompt is None else well_formed(request.prompt),
        template=encodable(request.template),
        answer_start=well_formed(request.answer_start),
        sampling=msgspec.structs.replace(request.sampling, stop=stop),
    )
