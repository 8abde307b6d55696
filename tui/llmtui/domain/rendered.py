"""A prompt as the model is given it: its text, its tokens, which message each belongs to, and what of it is cached."""

import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal

import msgspec

from llmtui.domain.messages import ChatMessage, Role

SPECIAL, ADDED, ENDS = 1, 2, 4
"""What a token may be, as bits: special; put before the text by the tokeniser, so not part of it; an end of a turn."""

Owner = Role | Literal["template", "answer", "text"]
"""Whose tokens they are: a message's; of no message; the head of the answer to come; a text without messages."""

_OPEN, _CLOSE = "\ue000", "\ue001"
"""Around a message's number where its text will stand; for private use, so no template looks for them."""


class Segment(msgspec.Struct, frozen=True):
    """Tokens that belong together, from `start` to `end` (exclusive).

    Attributes:
        message: which of the request's messages it is; None for what is no message.
    """

    owner: Owner
    start: int
    end: int
    message: int | None = None

    @property
    def tokens(self) -> int:
        """How many."""
        return self.end - self.start


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt, token by token.

    Attributes:
        text: the rendered prompt, as the model's tokeniser gets it.
        sha256: of its UTF-8 bytes.
        ids: of the tokens; empty where the engine tells the text only.
        pieces: bytes that each token stands for, those of special tokens included. A character may be split.
        starts: where in the text's bytes each token begins, and the text's end: one more than tokens. Blanks that
            a special token swallows are its own. Empty when the tokeniser changes the text, so that its pieces do not
            add up to it.
        flags: of each token, see `SPECIAL`, `ADDED`, `ENDS`.
        segments: every token is in one of them, in order.
        cached: tokens at the head that need not be evaluated again if it were sent now; None where that is not told.
        miss: first token that differs from what the cache holds; None when nothing does, or it is not told.
        bos_count: begin tokens at the head.
        context_size: tokens that the context holds; None where unknown.
        notes: what cannot be told and why.
    """

    text: str
    sha256: str
    ids: tuple[int, ...] = ()
    pieces: tuple[bytes, ...] = ()
    starts: tuple[int, ...] = ()
    flags: bytes = b""
    segments: tuple[Segment, ...] = ()
    cached: int | None = None
    miss: int | None = None
    bos_count: int | None = None
    context_size: int | None = None
    notes: tuple[str, ...] = ()

    def slices(self) -> list[bytes]:
        """The text's bytes by token; together they are the text. The pieces where those do not add up to it."""
        if not self.starts:
            return list(self.pieces)
        data = self.text.encode()
        return [data[start:end] for start, end in zip(self.starts, self.starts[1:], strict=False)]


NORMALISED = "This model's tokeniser changes the text, so that its tokens do not add up to it."


def assemble(
    text: str,
    ids: Sequence[int],
    pieces: Sequence[bytes],
    flags: bytes,
    *,
    messages: Sequence[ChatMessage],
    frame: str | None,
    context_size: int | None,
    bos_count: int | None = None,
    notes: tuple[str, ...] = (),
) -> Rendered:
    """A prompt from its text and tokens; what the cache holds of it is not among them.

    Args:
        text: the rendered prompt.
        ids: of the tokens.
        pieces: bytes of each.
        flags: of each, see `SPECIAL`, `ADDED`, `ENDS`.
        messages: that were rendered; none when the text is continued as it is.
        frame: the rendering with `marked` texts, where there is one.
        context_size: tokens that the context holds.
        bos_count: begin tokens at the head.
        notes: what cannot be told and why.
    """
    starts = starts_of(text, pieces, flags)
    return Rendered(
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        ids=tuple(ids),
        pieces=tuple(pieces),
        starts=starts,
        flags=flags,
        segments=segments_of(text, messages, frame, starts, flags),
        bos_count=bos_count,
        context_size=context_size,
        notes=notes if starts or not ids else (*notes, NORMALISED),
    )


def starts_of(text: str, pieces: Sequence[bytes], flags: bytes) -> tuple[int, ...]:
    """Where each token begins in the text's bytes, see `Rendered.starts`.

    Some tokenisers put a space before a text, and some special tokens swallow the blanks beside them.
    """
    data = text.encode()
    at = 0
    starts: list[int] = []
    for piece, flag in zip(pieces, flags, strict=True):
        if flag & ADDED:
            starts.append(at)
            continue
        if not data.startswith(piece, at):
            found = _nearby(data, piece, at)
            if found is None:
                return ()
            begin, length = found
        else:
            begin, length = at, len(piece)
        starts.append(begin)
        at = begin + length
    if data[at:].strip():
        return ()
    return (*starts, len(data))


def _nearby(data: bytes, piece: bytes, at: int) -> tuple[int, int] | None:
    """Where a piece stands when blanks before it were swallowed, or its own first space was made up; and its length."""
    behind = at
    while data[behind : behind + 1].isspace():
        behind += 1
    bare = piece.removeprefix(b" ")
    for begin, wanted in ((behind, piece), (at, bare), (behind, bare)):
        if data.startswith(wanted, begin):
            return begin, len(wanted)
    return None


def marked(index: int) -> str:
    """What stands for the text of a message in a rendering made to see where messages begin."""
    return f"{_OPEN}{index}{_CLOSE}"


def marked_all(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """A conversation to be rendered as a `frame`."""
    return tuple(ChatMessage(message.role, marked(index), message.reasoning) for index, message in enumerate(messages))


def segments_of(
    text: str,
    messages: Sequence[ChatMessage],
    frame: str | None,
    starts: Sequence[int],
    flags: bytes,
) -> tuple[Segment, ...]:
    """Which tokens belong to which message.

    What a template writes between two messages belongs to the former up to the token that ends its turn, and then to
    the latter.

    Args:
        text: the rendered prompt.
        messages: that were rendered; none when a text is continued as it is.
        frame: the same prompt with `marked` texts; None when there is none.
        starts: of the tokens.
        flags: of the tokens.
    """
    total = len(flags)
    if not messages or not starts:
        return (Segment("template" if messages else "text", 0, total),) if total else ()
    spans = _spans(text, [message.content for message in messages], frame)
    edges = [(index, len(text[:begin].encode()), len(text[:end].encode())) for index, begin, end in spans]
    data = text.encode()
    cut = 0
    found: list[Segment] = []
    owner: tuple[Owner, int | None] = ("template", None)
    for index, begin, _ in [*edges, (-1, len(data), len(data))]:
        behind = _turn_end(data, cut, begin, starts, flags)
        new = bisect_left(starts, behind, hi=total)
        begun = found[-1].end if found else 0
        if new > begun:
            found.append(Segment(owner[0], begun, new, owner[1]))
        owner = ("answer", None) if index < 0 else (messages[index].role, index)
        cut = next((end for number, _, end in edges if number == index), len(data))
    begun = found[-1].end if found else 0
    return (*found, Segment(owner[0], begun, total, owner[1])) if total > begun else tuple(found)


def _turn_end(data: bytes, cut: int, begin: int, starts: Sequence[int], flags: bytes) -> int:
    """Where in the bytes between two messages the latter begins."""
    first, last = bisect_left(starts, cut), bisect_left(starts, begin)
    for token in range(min(last, len(flags)) - 1, first - 1, -1):
        if flags[token] & ENDS:
            behind = starts[token + 1]
            rest = data[behind:begin].lstrip()
            if rest or begin == len(data):
                return begin - len(rest)
            break
    between = data[cut:begin]
    rest = between.lstrip()
    blank = between[: len(between) - len(rest)]
    return begin - len(rest) if rest and b"\n" in blank else cut


def _spans(text: str, contents: Sequence[str], frame: str | None) -> list[tuple[int, int, int]]:
    """Of each message that is in the text: its number, and where its own text begins and ends."""
    return (_framed(text, contents, frame) if frame is not None else None) or _searched(text, contents)


def _framed(text: str, contents: Sequence[str], frame: str) -> list[tuple[int, int, int]] | None:
    gaps: list[str] = []
    indices: list[int] = []
    rest = frame
    while _OPEN in rest:
        gap, _, rest = rest.partition(_OPEN)
        number, _, rest = rest.partition(_CLOSE)
        if not number.isdecimal() or not (indices[-1] if indices else -1) < int(number) < len(contents):
            return None
        gaps.append(gap)
        indices.append(int(number))
    gaps.append(rest)
    if not text.startswith(gaps[0]):
        return None
    at = len(gaps[0])
    spans = []
    for index, gap in zip(indices, gaps[1:], strict=True):
        content = contents[index]
        forms = (content, content.strip(), content.rstrip(), content.lstrip())
        end = next((at + len(form) for form in forms if text.startswith(form + gap, at)), None)
        if end is None:  # the template changes the text: it goes as far as what comes next
            end = text.find(gap, at)
            if end < 0:
                return None
        spans.append((index, at, end))
        at = end + len(gap)
    return spans


def _searched(text: str, contents: Sequence[str]) -> list[tuple[int, int, int]]:
    at = 0
    spans = []
    for index, content in enumerate(contents):
        wanted = content.strip()
        begin = text.find(wanted, at)
        if begin >= 0:
            at = begin + len(wanted)
            spans.append((index, begin, at))
    return spans
