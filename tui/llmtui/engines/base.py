"""What every engine does, whichever process or server does the work."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from llmtui.domain.events import Failed, FailureKind, LoadEvent, Notice, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import AttachedAdapter, LoadedModel
from llmtui.domain.reasoning import NO_WISH, Reasoning, unheeded_text
from llmtui.domain.rendered import Rendered
from llmtui.domain.settings import Adapter, Sampling
from llmtui.domain.templates import NamedTemplate
from llmtui.errors import (
    ContextError,
    EngineError,
    LlmtuiError,
    ModelError,
    OutOfMemoryError,
    TemplateError,
    UsageError,
)

_ERRORS: dict[FailureKind, type[LlmtuiError]] = {
    "memory": OutOfMemoryError,  # before the kind of error that it is one of
    "model": ModelError,
    "engine": EngineError,
    "context": ContextError,
    "template": TemplateError,
    "usage": UsageError,
}


def failure_of(error: LlmtuiError) -> Failed:
    """The event that carries an error through a stream of events."""
    kinds: list[FailureKind] = [kind for kind, type_ in _ERRORS.items() if isinstance(error, type_)]
    return Failed(kinds[0] if kinds else "engine", error.title, error.cause, error.remedy)


def error_of(failure: Failed) -> LlmtuiError:
    """The error that a `Failed` event stands for, to be raised where a call, not a stream, has failed."""
    return _ERRORS[failure.kind](failure.title, cause=failure.cause, remedy=failure.remedy)


def not_loaded() -> EngineError:
    """The engine has no model any more."""
    return EngineError("The model is not loaded", cause="it was unloaded", remedy="Load a model.")


def no_infill(engine: str) -> UsageError:
    """The engine cannot have a gap filled."""
    return UsageError(
        "This model cannot fill a gap here",
        cause=f"{engine} takes no text behind the gap",
        remedy="Run the model's file itself, or use the mode `text`.",
    )


def prompt_too_long(tokens: int, context_size: int, *, at_least: bool = False) -> ContextError:
    """The prompt leaves no room for an answer; both counts are tokens, the first a lower bound if `at_least`."""
    counted = f"at least {tokens:,}" if at_least else f"{tokens:,}"
    return ContextError(
        "The prompt is longer than the context",
        cause=f"{counted} tokens of prompt; the context holds {context_size:,}, the answer included",
        remedy="Shorten the message, start a new chat, or load the model with a larger context.",
    )


def template_notice(note: str) -> Notice:
    """Tells that a conversation was changed so that its template takes it."""
    return Notice("template", note[:1].upper() + note[1:], "Where that reads badly, choose another template.")


def unheeded_notice(wishes: tuple[str, ...], whose: str = "The chat template") -> Notice:
    """Tells that what was asked of the model's thinking has no effect; see `unheeded_text`."""
    return Notice("options", unheeded_text(wishes, whose), "Choose a model or a template that can be told.")


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One turn to generate: the answer to a conversation, or what follows a text.

    Attributes:
        id: unique among the requests of an engine; `cancel` takes it.
        messages: the conversation, the last one to be answered; the engine puts it into the model's chat template.
        prompt: a text to be continued as it is, without a template; `messages` is empty then. Special tokens written
            in it are recognised, and the begin token is added where the tokenizer adds one.
        template: to put the conversation into instead of the model's own.
        suffix: what follows the gap behind `prompt`, for servers that put the two together themselves; where the
            engine tells a model's fill-in-the-middle tokens, they are written into `prompt`.
        sampling: how tokens are drawn.
        answer_start: what the answer begins with: put behind the prompt, so that the model goes on from there. It is
            not part of the events' text.
        slot: the sequence whose KV cache is reused, 0 to slots - 1.
        conversation: the same for requests that go on from each other: of several servers that share the work, the
            one that answered before has their beginning in its cache. None goes to whichever has least to do.
    """

    id: str
    messages: tuple[ChatMessage, ...] = ()
    prompt: str | None = None
    template: NamedTemplate | None = None
    suffix: str | None = None
    sampling: Sampling
    answer_start: str = ""
    slot: int = 0
    conversation: str | None = None

    def __post_init__(self) -> None:
        """Refuse a request that is both."""
        if self.prompt is not None and self.messages:
            raise ValueError("a request has messages or a prompt, not both")
        if self.suffix is not None and self.prompt is None:
            raise ValueError("a suffix follows a prompt")

    @property
    def asked(self) -> tuple[ChatMessage, ...] | str:
        """Whichever of conversation and text there is, as `Engine.count_prompt` takes it."""
        return self.messages if self.prompt is None else self.prompt


class Engine(Protocol):
    """One model, opened by one engine.

    `load` first; it is repeated never: a new load is a new engine. `close` is safe at any time and twice.
    """

    @property
    def loaded(self) -> LoadedModel | None:
        """What `load` granted; None before."""

    @property
    def alive(self) -> bool:
        """Whether a turn can be sent now."""

    def load(self) -> AsyncGenerator[LoadEvent]:
        """Open the model; the last event is `Loaded`.

        Raises:
            ModelError: the file is missing, damaged, unsupported, or does not fit.
            EngineError: the engine itself failed.
        """

    def generate(self, request: GenerateRequest) -> AsyncGenerator[TurnEvent]:
        """Generate one turn. The last event is `Finished` or `Failed`; nothing is raised for a turn that fails.

        A prompt longer than the context fails before anything is evaluated. Closing the iterator cancels.
        """

    async def cancel(self, request_id: str) -> None:
        """Stop a turn; its stream ends with `Finished("cancelled")`. Unknown ids are ignored."""

    async def count_prompt(
        self,
        prompt: Sequence[ChatMessage] | str,
        *,
        template: NamedTemplate | None = None,
        answer_start: str = "",
        thinking: Reasoning = NO_WISH,
    ) -> int:
        """Tokens of what `generate` would evaluate: of a conversation rendered for an answer, or of a text as it is.

        Args:
            prompt: the conversation or text.
            template: to put a conversation into instead of the model's own.
            answer_start: what the answer is begun with; it counts.
            thinking: what is asked of the model's thinking, which templates may write into the prompt.

        Raises:
            TemplateError, EngineError: it cannot be rendered; the engine is gone.
        """

    async def tokenise(self, text: str) -> list[int]:
        """Token ids of a plain text; special tokens written in it are recognised, none is added.

        Raises:
            EngineError: the engine is gone.
        """

    def last_log(self) -> list[str]:
        """The last lines of the engine's own log, oldest first, safe to show."""

    async def close(self) -> None:
        """Unload the model and give back its memory; a turn that still runs ends with `Failed`."""


@runtime_checkable
class TakesAdapters(Protocol):
    """An engine that can put LoRA adapters on its loaded model; the others leave that to their servers."""

    async def set_adapters(self, adapters: Sequence[Adapter]) -> tuple[AttachedAdapter, ...]:
        """Attach exactly these, none to detach all, once the running turns have ended; requests sent later wait.

        What the caches hold is forgotten.

        Raises:
            ModelError: one is damaged or not made for this model; everything is as before.
            EngineError: the engine is gone.
        """


@runtime_checkable
class SharesWork(Protocol):
    """An engine with several servers behind it."""

    @property
    def answering(self) -> int:
        """How many of them answer, as far as is known."""


@runtime_checkable
class ExplainsPrompts(Protocol):
    """An engine that can show what it would send, without generating."""

    async def explain(self, request: GenerateRequest) -> Rendered:
        """The prompt of a request as `generate` would make it now; nothing is evaluated, no cache is changed.

        Raises:
            TemplateError, ContextError: it cannot be rendered; it is far longer than the context.
            EngineError: the engine is gone, or its server does not show prompts.
        """
