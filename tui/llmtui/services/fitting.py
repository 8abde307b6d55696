"""Whether a conversation fits into the context, and what is done when it does not.

Nothing is cut in silence: what is not sent is named in `Asked.dropped` and told in a notice.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from llmtui.domain.events import Delta, Failed, Notice
from llmtui.domain.messages import Message, Note
from llmtui.domain.profile import Profile
from llmtui.domain.settings import Sampling
from llmtui.engines.base import Engine
from llmtui.errors import ContextError, EngineError
from llmtui.services.prompting import Asked, whole_turns, without_head
from llmtui.services.sending import request_of
from llmtui.services.streams import turn_events
from llmtui.services.summarising import summary_asked

RESERVE = 512
"""Tokens an answer gets at least where nothing is set, in a context large enough."""
RESERVED_SHARE = 8
"""In a small context it gets one part in so many."""
NOTE_TOKENS = 256
FILLED = 0.6
"""A compacted conversation takes at most this share of the room, where it can: the next note is some turns away."""
_LINES = re.compile(r"\n+")
_WORDS = re.compile(r"[。！？；，、]+|\s+")
BEYOND = 1 << 30
"""Stands for a number of tokens that was too large to be counted."""


class Fitted(NamedTuple):
    """A conversation as it is sent.

    Attributes:
        asked: what is sent.
        notices: what the user is told.
        note: a new one, to be kept.
        refusal: why nothing is sent.
    """

    asked: Asked
    notices: tuple[Notice, ...] = ()
    note: Note | None = None
    refusal: Failed | None = None


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """A turn before it is sent.

    Attributes:
        context_size: tokens; None where nobody says.
        make: what is sent when so many of the oldest turns are left out and a note is used.
        count: tokens of what would be sent.
        note: that stands for the oldest messages so far.
        request_id: for having a note written.
        stopping: whether the user stopped the turn.
        compacting: called when the model begins to write a note.
    """

    engine: Engine
    context_size: int | None
    profile: Profile
    sampling: Sampling
    messages: Sequence[Message]
    make: Callable[[int, Note | None], Asked]
    count: Callable[[Asked], Awaitable[int]]
    note: Note | None
    request_id: str
    stopping: Callable[[], bool]
    compacting: Callable[[], None]


def reserve_of(profile: Profile, sampling: Sampling, context_size: int) -> int:
    """Tokens kept for an answer: as the profile says, else a share of the context; never more than it may have."""
    usual = max(1, min(RESERVE, context_size // RESERVED_SHARE))
    reserve = usual if profile.reserve is None else profile.reserve
    return min(reserve, sampling.max_tokens or reserve, max(1, context_size - 1))


async def fit(situation: Situation) -> Fitted:
    """What is sent of a conversation, as the profile's policy has it.

    With `stop` it is sent as it is, and the engine refuses what is too long before it evaluates anything.

    Raises:
        ContextError: not even the last turn fits, or no note could be made; with the numbers.
        LlmtuiError: it cannot be counted.
    """
    asked, size = situation.make(0, situation.note), situation.context_size
    policy = situation.profile.overflow
    if policy == "stop" or size is None or situation.profile.mode == "infill":
        return Fitted(asked)
    reserve = reserve_of(situation.profile, situation.sampling, size)
    tokens = await situation.count(asked)
    if tokens <= size - reserve:
        return Fitted(asked)
    fitter = _Fitter(situation, size, reserve)
    if policy == "compact" and situation.profile.mode != "text":
        return await fitter.compact(tokens)
    return await fitter.slide()


class _Fitter:
    def __init__(self, situation: Situation, size: int, reserve: int) -> None:
        self._at = situation
        self._size = size
        self._reserve = reserve
        self._limit = size - reserve
        self._turns = whole_turns(situation.messages)

    async def slide(self) -> Fitted:
        """Leave out as few of the oldest turns as can be."""
        note = self._at.note
        leave_out = await self._fewest(note, self._limit)
        if leave_out is None and self._at.profile.mode == "text":
            return await self._cut()
        if leave_out is None:
            raise self._too_long(await self._at.count(self._at.make(len(self._turns), note)))
        asked = self._at.make(leave_out, note)
        covered = set(note.covers) if note else set()
        return Fitted(asked, (self._told(len([each for each in asked.dropped if each not in covered])),))

    async def _cut(self) -> Fitted:
        """Leave out the head of the last turn's text, up to the first line, or else sentence or word, that will do."""
        asked = self._at.make(len(self._turns), None)
        text = "".join(message.content for message in self._turns[-1])
        last_line = text.rstrip("\n").rfind("\n") + 1
        lines = [place.end() for place in _LINES.finditer(text)]
        words = [place.end() for place in _WORDS.finditer(text, last_line)]
        for places in (lines, words):
            at = await self._first([place for place in places if place < len(text)], asked, text)
            if at is not None:
                return Fitted(without_head(asked, text, at), (self._told_cut(at),))
        raise self._too_long(await self._at.count(asked))

    async def _first(self, places: list[int], asked: Asked, text: str) -> int | None:
        """The first place from which on the text is short enough."""
        low, high, found = 0, len(places) - 1, None
        while low <= high:
            middle = (low + high) // 2
            if await self._at.count(without_head(asked, text, places[middle])) <= self._limit:
                found, high = places[middle], middle - 1
            else:
                low = middle + 1
        return found

    async def compact(self, tokens: int) -> Fitted:
        """Have the model put the oldest turns into a note, as often as it takes."""
        at, note = self._at, self._at.note
        covered = 0
        asked = at.make(0, note)
        while tokens > self._limit:
            known = set(note.covers) if note else set()
            done = sum(all(message.id in known for message in turn) for turn in self._turns[:-1])
            if done >= len(self._turns) - 1:
                raise self._too_long(tokens)
            upto = await self._chunk(note, done)
            text = await self._written(note, done, upto)
            if at.stopping():
                return Fitted(asked)
            ids = [message.id for turn in self._turns[:upto] for message in turn]
            note = Note(covers=tuple(ids), text=text)
            asked = at.make(0, note)
            tokens = await at.count(asked)
            covered = len(ids)
        return Fitted(asked, (_told_note(covered),), note)

    async def _fewest(self, note: Note | None, limit: int) -> int | None:
        """The fewest turns to leave out so that the rest takes at most `limit` tokens."""
        low, high, found = 1, len(self._turns) - 1, None
        while low <= high:
            middle = (low + high) // 2
            if await self._at.count(self._at.make(middle, note)) <= limit:
                found, high = middle, middle - 1
            else:
                low = middle + 1
        return found

    @property
    def _note_tokens(self) -> int:
        return max(8, min(NOTE_TOKENS, self._limit // 4))

    async def _chunk(self, note: Note | None, done: int) -> int:
        """How many turns the next note covers: as many as need be, and as the model can read at once."""
        wanted = await self._fewest(note, int(self._limit * FILLED) - self._note_tokens)
        upto = max(done + 1, wanted or len(self._turns) - 1)
        while (
            upto > done + 1 and await self._at.count(self._summary(note, done, upto)) + self._note_tokens > self._size
        ):
            upto = done + max(1, (upto - done) // 2)
        return upto

    def _summary(self, note: Note | None, done: int, upto: int) -> Asked:
        messages = [message for turn in self._turns[done:upto] for message in turn]
        template = self._at.make(0, note).template
        return summary_asked(self._at.profile, messages, note, self._note_tokens, template=template)

    async def _written(self, note: Note | None, done: int, upto: int) -> str:
        """The note in the model's words; empty when the user stopped it."""
        at = self._at
        asked = self._summary(note, done, upto)
        if await at.count(asked) + self._note_tokens > self._size:
            what = "the note and the turn behind it together are" if note and note.text else "the oldest turn alone is"
            raise self._failed(f"{what} longer than the model can read")
        at.compacting()
        sampling = Sampling(temperature=0, max_tokens=self._note_tokens, reasoning=asked.thinking.switch)
        request = request_of(at.request_id, asked, sampling)
        text = ""
        async with contextlib.aclosing(turn_events(at.engine, request, remedy="")) as events:
            async for event in events:
                if isinstance(event, Delta):
                    text += event.text
                elif isinstance(event, Failed):
                    raise self._failed(f"{event.title}: {event.cause}")
        if not text.strip() and not at.stopping():
            raise self._failed("the model wrote nothing")
        return text.strip()

    def _told_cut(self, characters: int) -> Notice:
        text = (
            f"The first {characters:,} characters of the text are not sent: with more, it would not fit into the "
            f"context of {self._size:,} tokens, {self._reserve:,} of which are kept for what the model writes"
        )
        return Notice("dropped", text, "Your text has them all.")

    def _told(self, messages: int) -> Notice:
        what = "1 older message is" if messages == 1 else f"{messages:,} older messages are"
        text = (
            f"{what} not sent: with more, the prompt would not fit into the context of {self._size:,} tokens, "
            f"{self._reserve:,} of which are kept for the answer"
        )
        return Notice("dropped", text, "The transcript has them all.")

    def _too_long(self, tokens: int) -> ContextError:
        counted = "more tokens than can be counted" if tokens >= BEYOND else f"{tokens:,} tokens"
        return ContextError(
            "The last message does not fit into the context",
            cause=f"{counted} with persona and system message, without the turns before it; the context holds "
            f"{self._size:,}, {self._reserve:,} of them kept for the answer",
            remedy="Shorten the message or the persona, or load the model with a larger context.",
        )

    def _failed(self, why: str) -> ContextError:
        return ContextError(
            "The conversation is longer than the context, and its older part could not be put into a note",
            cause=f"{why}; the context holds {self._size:,} tokens, {self._reserve:,} of them kept for the answer",
            remedy="Start a new chat, load the model with a larger context, or let the oldest turns slide out.",
        )


def _told_note(messages: int) -> Notice:
    text = f"The first {messages:,} messages no longer fit into the context; the model put them into a note"
    return Notice("dropped", text, "The note can be edited like a message; the transcript has them all.")


async def counted(engine: Engine, asked: Asked, estimate: Callable[[str], Awaitable[int]]) -> int:
    """Tokens of what would be sent: by the engine, else as estimated, with a margin.

    Raises:
        TemplateError: it cannot be rendered.
    """
    try:
        return await engine.count_prompt(
            asked.counted, template=asked.template, answer_start=asked.answer_start, thinking=asked.thinking
        )
    except ContextError:
        return BEYOND
    except EngineError:
        texts = [asked.counted] if isinstance(asked.counted, str) else [each.content for each in asked.counted]
        return sum([int(await estimate(text) * 1.1) + 8 for text in (*texts, asked.answer_start)])
