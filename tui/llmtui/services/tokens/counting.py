"""Encodings of the models in use, and the count of a text by whoever can count it."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import msgspec

from llmtui.domain.models import ModelInfo
from llmtui.domain.text import estimate_tokens, well_formed
from llmtui.domain.vocabulary import BpeVocabulary, TokenSource
from llmtui.engines.base import Engine
from llmtui.errors import LlmtuiError
from llmtui.services.tokens.encoding import TextEncoding, TooLongError
from llmtui.services.tokens.ranks import InexpressibleError

MOST_KEPT = 2
"""Encodings held at once: 50 MB each for a vocabulary of 150,000 tokens."""

Key = tuple[str, int, int | None]


@runtime_checkable
class TellsVocabulary(Protocol):
    """An engine that cannot count, but tells the model's vocabulary."""

    async def vocabulary(self) -> BpeVocabulary | None:
        """The vocabulary; None when the model has none of this kind."""


@runtime_checkable
class FindsModel(Protocol):
    """An engine whose `load` would have its server load the model, and which can be asked for less."""

    async def find(self) -> None:
        """See that server and model are there.

        Raises:
            LlmtuiError: they are not.
        """


class TextCount(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of a text.

    Attributes:
        source: who counted.
        ids: the tokens; None for an estimate.
    """

    tokens: int
    source: TokenSource
    ids: tuple[int, ...] | None = None


class Encodings:
    """Encodings by model, made in threads when first asked for. It lives on one event loop."""

    def __init__(self) -> None:
        self._made: OrderedDict[Key, asyncio.Task[TextEncoding | None]] = OrderedDict()

    async def of(self, info: ModelInfo, engine: object = None, *, wait_s: float | None = None) -> TextEncoding | None:
        """The encoding of a model's vocabulary; None when it has none that we know, or is not made in `wait_s`.

        Args:
            info: a model whose file can be read, or that `engine` serves.
            engine: an engine; asked, if it can tell, for the vocabulary of a model that has no file here.
            wait_s: None waits until it is made; it goes on being made all the same.
        """
        key = (info.path, info.modified_ns, info.size_bytes)
        task = self._made.get(key)
        if task is None:
            if info.server is not None and not isinstance(engine, TellsVocabulary):
                return None
            task = self._made[key] = asyncio.create_task(_made(info, engine))
            while len(self._made) > MOST_KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        await asyncio.wait({task}, timeout=wait_s)
        if not task.done() or task.cancelled():
            return None
        return task.result()


async def count_text(info: ModelInfo, text: str, open_engine: Callable[[ModelInfo], Engine]) -> TextCount:
    """Count a text for a model that is not loaded: by its vocabulary, by its server, or by the rule of thumb.

    Nothing is loaded for it, not by a server either.

    Raises:
        LlmtuiError: the server cannot be reached, or has no such model.
    """
    text = well_formed(text)
    encodings = Encodings()
    if info.server is None:
        return await encoded(await encodings.of(info), text)
    engine = open_engine(info)
    try:
        if isinstance(engine, FindsModel):
            await engine.find()
            return await encoded(await encodings.of(info, engine), text)
        async for _ in engine.load():
            pass
        with contextlib.suppress(LlmtuiError):
            ids = tuple(await engine.tokenise(text))
            return TextCount(tokens=len(ids), source="engine", ids=ids)
        return await encoded(await encodings.of(info, engine), text)
    finally:
        await engine.close()


async def encoded(encoding: TextEncoding | None, text: str) -> TextCount:
    """Count with an encoding in a thread; without one, or for a text beyond measure, estimate."""
    if encoding is not None:
        with contextlib.suppress(TooLongError):
            ids = tuple(await asyncio.to_thread(encoding.encode, text))
            return TextCount(tokens=len(ids), source="vocabulary", ids=ids)
    return TextCount(tokens=estimate_tokens(text), source="estimate")


async def _made(info: ModelInfo, engine: object) -> TextEncoding | None:
    """The encoding; None when there is none, for whatever reason: a count is never worth an error."""
    try:
        if info.server is None:
            return await asyncio.to_thread(_from_file, info.path)
        vocabulary = await engine.vocabulary() if isinstance(engine, TellsVocabulary) else None
        return await asyncio.to_thread(TextEncoding, vocabulary) if vocabulary else None
    except (LlmtuiError, InexpressibleError):
        return None


def _from_file(path: str) -> TextEncoding | None:
    from llmtui.store.gguf_vocabulary import read_vocabulary  # noqa: PLC0415 - in the thread that needs it

    vocabulary = read_vocabulary(path)
    return TextEncoding(vocabulary) if vocabulary else None
