"""How much of the context a draft takes: by the engine, by the model's vocabulary, or estimated."""

import contextlib
from collections.abc import Sequence

from llmtui.domain.messages import Message, Note
from llmtui.domain.models import ModelInfo
from llmtui.domain.text import well_formed
from llmtui.engines.base import Engine
from llmtui.errors import LlmtuiError
from llmtui.services.conversation import DraftCount, prompt_of
from llmtui.services.planning import Terms
from llmtui.services.prompting import Asked
from llmtui.services.tokens.counting import Encodings, encoded

WAIT_S = 0.5
"""For an encoding to be made; the draft is estimated until then."""


class DraftCounter:
    """Counts drafts; the conversation before them is counted once for each state of it."""

    def __init__(self, encodings: Encodings) -> None:
        self._encodings = encodings
        self._engine: Engine | None = None
        self._asked = Asked()
        self._base = 0

    async def count(
        self,
        text: str,
        *,
        info: ModelInfo | None,
        engine: Engine | None,
        can_count: bool,
        terms: Terms,
        messages: Sequence[Message],
        note: Note | None,
        used: int | None,
    ) -> DraftCount:
        """Count a draft.

        Args:
            text: the draft.
            info: the model that is used, or is being loaded.
            engine: of the loaded model.
            can_count: False while it is busy with an answer; the model's vocabulary counts then.
            terms: how the conversation is put.
            messages: the conversation before the draft.
            note: sent in place of the oldest of them.
            used: tokens of the conversation as last reported, for an estimate.
        """
        text = well_formed(text)
        if can_count and engine is not None and engine.alive:
            with contextlib.suppress(LlmtuiError):
                return await self._counted(engine, text, terms, messages, note)
        encoding = await self._encodings.of(info, engine, wait_s=WAIT_S) if info is not None else None
        draft = await encoded(encoding, text)
        if used is None:
            prompt = prompt_of(terms.system, messages)
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
        terms: Terms,
        messages: Sequence[Message],
        note: Note | None,
    ) -> DraftCount:
        base = await self._count_base(engine, terms.asked(messages, note)) if messages else 0
        total = base
        if text.strip():
            draft = Message(id="", parent_id=None, role="user", content=text, created_at="")
            total = await _count(engine, terms.asked((*messages, draft), note))
        return DraftCount(
            draft_tokens=max(0, total - base), total_tokens=total, context_size=_size(engine), source="engine"
        )

    async def _count_base(self, engine: Engine, asked: Asked) -> int:
        if self._engine is not engine or self._asked != asked:
            self._base = await _count(engine, asked)
            self._engine, self._asked = engine, asked
        return self._base


async def _count(engine: Engine, asked: Asked) -> int:
    return await engine.count_prompt(
        asked.counted, template=asked.template, answer_start=asked.answer_start, thinking=asked.thinking
    )


def _size(engine: Engine | None) -> int | None:
    loaded = engine.loaded if engine else None
    return loaded.context_size if loaded else None
