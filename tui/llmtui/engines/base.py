"""What every engine does, whichever process or server does the work."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from llmtui.domain.events import LoadEvent, TurnEvent
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import LoadedModel
from llmtui.domain.settings import Sampling


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One turn to generate.

    Attributes:
        id: unique among the requests of an engine; `cancel` takes it.
        messages: the conversation, the last one to be answered.
        sampling: how tokens are drawn.
        slot: the sequence whose KV cache is reused, 0 to slots - 1.
    """

    id: str
    messages: tuple[ChatMessage, ...]
    sampling: Sampling
    slot: int = 0


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

    def load(self) -> AsyncIterator[LoadEvent]:
        """Open the model; the last event is `Loaded`.

        Raises:
            ModelError: the file is missing, damaged, unsupported, or does not fit.
            EngineError: the engine itself failed.
        """

    def generate(self, request: GenerateRequest) -> AsyncIterator[TurnEvent]:
        """Generate one turn. The last event is `Finished` or `Failed`; nothing is raised for a turn that fails.

        A prompt longer than the context fails before anything is evaluated. Closing the iterator cancels.
        """

    async def cancel(self, request_id: str) -> None:
        """Stop a turn; its stream ends with `Finished("cancelled")`. Unknown ids are ignored."""

    async def count_prompt(self, messages: Sequence[ChatMessage]) -> int:
        """Tokens of the rendered prompt, generation prompt included.

        Raises:
            TemplateError, EngineError: it cannot be rendered; the engine is gone.
        """

    async def close(self) -> None:
        """Unload the model and give back its memory."""
