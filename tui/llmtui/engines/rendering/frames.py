"""What the program and the process that renders say to each other: four bytes of length, big-endian, then msgpack."""

import struct

import msgspec

LENGTH = struct.Struct(">I")
OUTPUT_CHARACTERS = 4 * 1024 * 1024
"""Of a rendered conversation: a million tokens of English, several of Chinese."""


class RenderRequest(msgspec.Struct, frozen=True):
    """A conversation to be rendered; `messages` are dicts of role and content."""

    template: str
    messages: list[dict[str, str]]
    bos_token: str
    eos_token: str


class RenderReply(msgspec.Struct, frozen=True):
    """The rendered text, or what went wrong in one line; `refused` when it was the template that raised."""

    text: str | None = None
    problem: str | None = None
    refused: bool = False
