"""How much of the context a draft takes: by the engine, by the model's vocabulary, or estimated."""

import contextlib
from collections.abc import Sequence

from llmtui.domain.messages import ChatMessage, Message
from llmtui.domain.models import ModelInfo
from llmtui.domain.text import well_formed
from llmtui.engines.base import Engine
from llmtui.errors import LlmtuiError
from llmtui.services.conversation import DraftCount, prompt_of
from llmtui.services.tokens.counting import Encodings, encoded

WAIT_S = 0.5
"""For an encoding to be made; the draft is estimated until then."""


class DraftCounter:
    """Counts drafts; the conversation before them is counted once for each state of it."""

    def __init__(self, encodings: Encodings) -> None:
        self._encodings = encodings
        self._engine: Engine | None = None
        self._prompt: tuple[ChatMessage, ...] = ()
        self._base = 0

    async def count(
        self,
        text: str,
        *,
        info: ModelInfo | None,
        engine: Engine | None,
        can_count: bool,
        system: str | None,
        messages: Sequence[Message],
        used: int | None,
    ) -> DraftCount:
        """Count a draft.

        Args:
            text: the draft.
            info: the model that is used, or is being loaded.
            engine: of the loaded model.
            can_count: False while it is busy with an answer; the model's vocabulary counts then.
            system: the system message.
            messages: the conversation before the draft.
            used: tokens of the conversation as last reported, for an estimate.
        """
        text = well_formed(text)
        prompt = prompt_of(system, messages)
        if can_count and engine is not None and engine.alive:
            with contextlib.suppress(LlmtuiError):
                return await self._counted(engine, text, system, messages, prompt)
        encoding = await self._encodings.of(info, engine, wait_s=WAIT_S) if info is not None else None
        draft = await encoded(encoding, text)
        if used is None:
            used = (await encoded(encoding, "\n".join(message.content for message in prompt))).tokens
        return DraftCount(
            draft_tokens=draft.tokens,
            total_tokens=used + draft.tokens,
            context_size=_size(engine),
            source=draft.source,
        )

    async def _counted(
        self,
        engine: Engine,
        text: str,
        system: str | None,
        messages: Sequence[Message],
        prompt: tuple[ChatMessage, ...],
    ) -> DraftCount:
        base = await self._count_base(engine, prompt) if messages else 0
        total = base
        if text.strip():
            draft = Message(id="", parent_id=None, role="user", content=text, created_at="")
            total = await engine.count_prompt(prompt_of(system, (*messages, draft)))
        return DraftCount(
            draft_tokens=max(0, total - base), total_tokens=total, context_size=_size(engine), source="engine"
        )

    async def _count_base(self, engine: Engine, prompt: tuple[ChatMessage, ...]) -> int:
        if self._engine is not engine or self._prompt != prompt:
            self._base = await engine.count_prompt(prompt)
            self._engine, self._prompt = engine, prompt
        return self._base


def _size(engine: Engine | None) -> int | None:
    loaded = engine.loaded if engine else None
    return loaded.context_size if loaded else None
