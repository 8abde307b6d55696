"""What the program and the process that renders say to each other: four bytes of length, big-endian, then msgpack."""

import struct

import msgspec

from llmtui.domain.reasoning import NO_WISH, Reasoning

LENGTH = struct.Struct(">I")
OUTPUT_CHARACTERS = 4 * 1024 * 1024
"""Of a rendered conversation: a million tokens of English, several of Chinese."""


class RenderRequest(msgspec.Struct, frozen=True):
    """A conversation to be rendered.

    Attributes:
        messages: dicts of role and content.
        thinking: put into variables that the template knows.
    """

    template: str
    messages: list[dict[str, str]]
    bos_token: str
    eos_token: str
    thinking: Reasoning = NO_WISH


class RenderReply(msgspec.Struct, frozen=True):
    """The rendered text, or what went wrong in one line; `refused` when it was the template that raised.

    Attributes:
        unheeded: wishes that the template has no variable for.
    """

    text: str | None = None
    problem: str | None = None
    refused: bool = False
    unheeded: tuple[str, ...] = ()
