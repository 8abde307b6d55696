"""A chat template that is chosen instead of the model's own."""

import hashlib

import msgspec

from llmtui.domain.text import well_formed

OWN = "model"
"""Source of a template that came with the model."""
FALLBACK = "fallback: "
"""Sources of a template that fits no more than by chance begin with it."""


class NamedTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template and how it is spoken of.

    Attributes:
        name: e.g. `chatml`, or the file it was read from.
        text: Jinja, as the Transformers library writes chat templates: `messages`, `add_generation_prompt`,
            `bos_token`, `eos_token`.
        stops: strings that end an answer besides the model's end tokens.
        source: where it comes from, in words, e.g. `shipped: ChatML`, `file: /x/my.jinja`.
    """

    name: str
    text: str
    stops: tuple[str, ...] = ()
    source: str = ""

    @property
    def sha256(self) -> str:
        """Of the template's UTF-8 bytes."""
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()


def encodable(template: NamedTemplate | None) -> NamedTemplate | None:
    """The template with nothing in it that UTF-8 cannot hold, as it came of a name or file that was read."""
    if template is None:
        return None
    return NamedTemplate(
        name=well_formed(template.name),
        text=well_formed(template.text),
        stops=tuple(map(well_formed, template.stops)),
        source=well_formed(template.source),
    )


def template_warning(source: str | None) -> str | None:
    """What a user must know of a template that is a guess; None where it is none."""
    if source is None or not source.startswith(FALLBACK):
        return None
    return f"Answers may be poor: the conversation is sent as {source.removeprefix(FALLBACK)}"
