"""Families of chat templates that come along: how each is called, and what a model of it can be known by."""

from typing import Literal

import msgspec

SystemRole = Literal["role", "first user", "preamble", "none"]


class TemplateFamily(msgspec.Struct, frozen=True, kw_only=True):
    """One shipped template.

    Attributes:
        name: what the user types; the text is in `data/templates/NAME.jinja`.
        title: how people call it.
        stops: strings that end an answer, beside the model's end tokens.
        markers: special tokens that a vocabulary of this family has, every one of them; empty where it has none of
            its own.
        names: regular expressions, searched in a model's name and title, small letters.
        architectures: as GGUF files name them, where all chat models of one use this template.
        system: what happens to a system message: it has a `role` of its own, stands in the `first user` message or
            in front of all as a `preamble`; `none` where the format says nothing, so that it joins the first user
            message.
    """

    name: str
    title: str
    stops: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    system: SystemRole = "role"


FAMILIES: tuple[TemplateFamily, ...] = (
    TemplateFamily(
        name="chatml",
        title="ChatML",
        stops=("<|im_end|>",),
        markers=("<|im_start|>", "<|im_end|>"),
        names=("chatml", "hermes", "dolphin", "causallm"),
    ),
)
