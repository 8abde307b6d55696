"""What the program and a worker say to each other: length-prefixed msgpack frames of tagged structs.

A frame is four bytes of length, big-endian, then one message. Pipes keep order and lose nothing, so a frame that
cannot be read means that the other side is broken: it is an `EngineError`, and the worker is given up.
"""

import struct
from typing import Generic, TypeVar

import msgspec

from llmtui.domain.events import (
    Delta,
    Failed,
    Finished,
    Loaded,
    LoadProgress,
    Notice,
    PrefillProgress,
    ReasoningDelta,
)
from llmtui.domain.messages import ChatMessage
from llmtui.domain.models import AttachedAdapter
from llmtui.domain.reasoning import NO_WISH, Reasoning
from llmtui.domain.rendered import Rendered
from llmtui.domain.settings import Adapter, Runtime
from llmtui.domain.templates import NamedTemplate
from llmtui.engines.base import GenerateRequest
from llmtui.errors import EngineError

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of the longest message: far above any prompt, far below what a garbled length would ask to be allocated."""

_LENGTH = struct.Struct(">I")
_encoder = msgspec.msgpack.Encoder()


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Open a model; the first command, sent once.

    Attributes:
        name: what the user calls it.
        path: the file, or the first of a split model.
        description: one line, or empty: then the worker describes it.
        runtime: how to load it.
        foreign_template: see `choose_template`.
    """

    name: str
    path: str
    description: str
    runtime: Runtime
    foreign_template: str | None = None


class Generate(msgspec.Struct, frozen=True, tag="generate"):
    """Generate one turn."""

    request: GenerateRequest


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Stop a turn; unknown ids are ignored."""

    id: str


class Count(msgspec.Struct, frozen=True, tag="count"):
    """Count the tokens of a rendered conversation, or of a text as it is; answered by `Counted` or `Refused`."""

    id: str
    messages: tuple[ChatMessage, ...] = ()
    prompt: str | None = None
    template: NamedTemplate | None = None
    answer_start: str = ""
    thinking: Reasoning = NO_WISH


class Tokenise(msgspec.Struct, frozen=True, tag="tokenise"):
    """Tokenise a plain text; answered by `Tokens` or `Refused`."""

    id: str
    text: str


class Explain(msgspec.Struct, frozen=True, tag="explain"):
    """Show the prompt of a request without working on it; answered by `Explained` or `Refused`."""

    id: str
    request: GenerateRequest


class SetAdapters(msgspec.Struct, frozen=True, tag="set_adapters"):
    """Attach exactly these once the running turns have ended; answered by `AdaptersSet` or `Refused`."""

    id: str
    adapters: tuple[Adapter, ...]


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    """Exit at once, also while a model is being opened."""


class LoadReply(msgspec.Struct, frozen=True, tag="loading"):
    """How the load goes; `Loaded` or `Failed` is the last."""

    event: LoadProgress | Loaded | Failed


class TurnReply(msgspec.Struct, frozen=True, tag="turn"):
    """An event of the turn `id`; `Finished` or `Failed` is its last."""

    id: str
    event: PrefillProgress | Delta | ReasoningDelta | Notice | Finished | Failed


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """Answer to `Count`."""

    id: str
    tokens: int


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """Answer to `Tokenise`."""

    id: str
    ids: list[int]


class Explained(msgspec.Struct, frozen=True, tag="explained"):
    """Answer to `Explain`."""

    id: str
    rendered: Rendered


class AdaptersSet(msgspec.Struct, frozen=True, tag="adapters_set"):
    """Answer to `SetAdapters`."""

    id: str
    adapters: tuple[AttachedAdapter, ...]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """`Count`, `Tokenise`, `Explain` or `SetAdapters` failed."""

    id: str
    failure: Failed


Command = Load | Generate | Cancel | Count | Tokenise | Explain | SetAdapters | Shutdown
Reply = LoadReply | TurnReply | Counted | Tokens | Explained | AdaptersSet | Refused

MessageT = TypeVar("MessageT")


def encode(message: Command | Reply) -> bytes:
    """One message as a frame.

    Raises:
        EngineError: the message is longer than `MAX_FRAME`.
    """
    body = _encoder.encode(message)
    if len(body) > MAX_FRAME:
        raise EngineError(
            "The message to the model process is too long",
            cause=f"{len(body):,} bytes, at most {MAX_FRAME:,} are possible",
            remedy="Shorten the conversation or the pasted text.",
        )
    return _LENGTH.pack(len(body)) + body


class FrameReader(Generic[MessageT]):
    """Bytes into messages, however the pipe cuts them.

    Args:
        decoder: of one message. `command_reader` and `reply_reader` give the two readers there are.
    """

    def __init__(self, decoder: "msgspec.msgpack.Decoder[MessageT]") -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[MessageT]:
        """Take what was read; return the messages that are complete now.

        Raises:
            EngineError: the bytes are not frames of this protocol.
        """
        buffer = self._buffer
        buffer += data
        messages: list[MessageT] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > MAX_FRAME:
                raise _garbled(f"a frame of {length:,} bytes was announced")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            messages.append(self._decode(bytes(buffer[start + _LENGTH.size : end])))
            start = end
        del buffer[:start]
        return messages

    def _decode(self, body: bytes) -> MessageT:
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _garbled(str(error)) from error


def command_reader() -> FrameReader[Command]:
    """Reads what the program sends."""
    return FrameReader(msgspec.msgpack.Decoder(Command))


def reply_reader() -> FrameReader[Reply]:
    """Reads what a worker sends."""
    return FrameReader(msgspec.msgpack.Decoder(Reply))


def _garbled(cause: str) -> EngineError:
    return EngineError(
        "The model process sent something unreadable",
        cause=cause,
        remedy="Reload the model; if it happens again, report it with the output of `llmtui doctor`.",
    )
