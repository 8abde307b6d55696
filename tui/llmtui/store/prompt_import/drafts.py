"""What importers make of a row: a sample as a prompt-set file spells it, or a note on what was left out."""

from collections.abc import Iterator
from typing import Any

import msgspec

from llmtui.domain.prompt_fill import escaped

Draft = dict[str, Any]
"""A sample in the terms of the file format; `id` may be missing."""


class Left(msgspec.Struct, frozen=True):
    """Something that has no counterpart here and was left out."""

    what: str


Drafts = Iterator[Draft | Left]


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked of an import.

    Attributes:
        mode: how code tasks are asked: `text` continues the prompt, `instruct` asks for the whole function.
        prompt_field, target_field: of a generic table, where they have unusual names.
    """

    mode: str | None = None
    prompt_field: str | None = None
    target_field: str | None = None


def literal(text: str) -> str:
    """Text in which nothing is taken for a variable, nor for the name of a file."""
    text = escaped(text)
    return f" {text}" if text.startswith("file://") else text


def has_han(text: str) -> bool:
    """Whether a text has Chinese characters."""
    return any("\u4e00" <= char <= "\u9fff" for char in text)
