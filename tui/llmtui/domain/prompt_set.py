"""Prompt sets: what a file holds (`Header`, `Entry`), and what is put to a model (`Sample`).

An entry with lists among its variables is a matrix; `llmtui.domain.prompt_fill` makes its samples.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from llmtui.domain.limits import MAX_FACTOR, MAX_INT, MAX_SEED
from llmtui.domain.messages import Role
from llmtui.domain.scorers import AnyScorer

SCHEMA = "llmtui.promptset/1"
Mode = Literal["instruct", "chat", "chat-instruct", "text", "infill"]
"""How a sample reaches the model: its own template, a persona's dialogue, that wrapped, raw text, or a gap to fill."""
NAME_PATTERN = r"^\w[\w.-]{0,79}$"
Epochs = Annotated[int, Meta(ge=1, le=1000)]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of the file: an unknown key is an error, and defaults are not written."""


class Generation(_Strict, frozen=True, kw_only=True):
    """Sampling settings that a set asks for; None leaves a setting as it is. Meanings as in `Sampling`."""

    temperature: Annotated[float, Meta(ge=0, le=MAX_FACTOR)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=MAX_INT)] | None = None
    top_p: Fraction | None = None
    min_p: Fraction | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=MAX_FACTOR)] | None = None
    repeat_last_n: Annotated[int, Meta(ge=0, le=MAX_INT)] | None = None
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_INT)] | None = None
    stop: tuple[str, ...] | None = None

    @property
    def given(self) -> dict[str, Any]:
        """The settings that are set, by name."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}

    def over(self, other: "Generation") -> "Generation":
        """These settings, and those of another where this has none."""
        return msgspec.structs.replace(other, **self.given)


class Needle(_Strict, frozen=True, kw_only=True):
    """A sentence to be found.

    Attributes:
        depth: where in the text it goes: 0 before the first paragraph, 1 after the last.
    """

    text: str
    depth: Fraction


class Haystack(_Strict, frozen=True, kw_only=True):
    """A variable's value that is made: filler repeated to a length, with needles put between its paragraphs.

    Attributes:
        haystack: the filler, paragraphs separated by a blank line; usually `file://`.
        characters: length of the text without the needles, reached to within a paragraph.
    """

    haystack: str
    characters: Annotated[int, Meta(ge=1, le=20_000_000)]
    needles: tuple[Needle, ...]


Value = str | int | Haystack
Values = Value | list[str | int]


class Turn(_Strict, frozen=True, kw_only=True):
    """One message of a sample.

    Attributes:
        content: None, for the assistant only, leaves this turn to the model.
    """

    role: Role
    content: str | None = None


class Defaults(_Strict, frozen=True, kw_only=True):
    """What holds for every sample that does not say otherwise; `tags` and `vars` are added to the sample's own.

    Attributes:
        epochs: how often each sample is asked.
    """

    mode: Mode = "instruct"
    system: str | None = None
    tags: tuple[str, ...] = ()
    vars: dict[str, Values] = {}
    generation: Generation = Generation()
    epochs: Epochs = 1
    rubric: str | None = None
    scorers: tuple[AnyScorer, ...] = ()


class Header(_Strict, frozen=True, kw_only=True):
    """A prompt set without its samples.

    Attributes:
        title: by language code, or one for all.
        source: where the samples came from, when they were imported.
    """

    schema: Literal["llmtui.promptset/1"]
    name: Annotated[str, Meta(pattern=NAME_PATTERN)]
    title: dict[str, str] | str = ""
    description: dict[str, str] | str = ""
    license: str | None = None
    source: str | None = None
    defaults: Defaults = Defaults()


class Entry(_Strict, frozen=True, kw_only=True):
    """A sample as it is written. Exactly one of `input`, `messages` and `prefix` is given.

    Attributes:
        input: one message of the user, or in mode `text` the raw text.
        messages: a conversation; where the user speaks twice in a row, the model answers in between.
        prefix, suffix: what stands before and behind the gap of an infill sample.
        vars: values for `{{name}}`; a list makes a sample of each of its values.
        targets: right answers, any of which will do.
        rubric: how a person or a judge model should grade.
        reference: a model answer; never shown to the model that is asked.
    """

    id: Annotated[str, Meta(min_length=1, max_length=200)]
    tags: tuple[str, ...] = ()
    mode: Mode | None = None
    system: str | None = None
    input: str | None = None
    messages: Annotated[tuple[Turn, ...], Meta(min_length=1)] | None = None
    prefix: str | None = None
    suffix: str | None = None
    vars: dict[str, Values] = {}
    targets: tuple[str, ...] = ()
    rubric: str | None = None
    reference: str | None = None
    generation: Generation = Generation()
    epochs: Epochs | None = None
    scorers: tuple[AnyScorer, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse an entry that asks nothing, or two things at once."""
        given = [name for name in ("input", "messages", "prefix") if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(f"`{name}`" for name in given) if given else "none"
            raise ValueError(f"give exactly one of `input`, `messages` and `prefix`; here: {told}")
        if (self.prefix is None) != (self.suffix is None):
            raise ValueError("`prefix` and `suffix` belong together")
        if self.messages is not None:
            _check_turns(self.messages)


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is put to a model once an epoch: every variable filled, every default applied.

    Attributes:
        id: unique in its set.
        turns: the conversation with its system message; None as content is left to the model. Empty in the modes
            `text` and `infill`.
        text: the raw prompt in mode `text`.
        prefix, suffix: around the gap in mode `infill`.
    """

    id: str
    tags: tuple[str, ...] = ()
    mode: Mode = "instruct"
    turns: tuple[Turn, ...] = ()
    text: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    targets: tuple[str, ...] = ()
    rubric: str | None = None
    reference: str | None = None
    generation: Generation = Generation()
    epochs: int = 1
    scorers: tuple[AnyScorer, ...] = ()

    @property
    def prompt(self) -> str:
        """What is asked, for people: the last message of the user, the raw text, or the text around the gap."""
        if self.text is not None:
            return self.text
        if self.prefix is not None:
            return f"{self.prefix}…{self.suffix}"
        return next((turn.content or "" for turn in reversed(self.turns) if turn.role == "user"), "")


def _check_turns(turns: tuple[Turn, ...]) -> None:
    for number, turn in enumerate(turns):
        if turn.content is None and turn.role != "assistant":
            raise ValueError(f"message {number} has no `content`; only the assistant's may be left to the model")
        if turn.role == "system" and number:
            raise ValueError(f"message {number} is a system message; only the first may be one")
    if turns[-1].role != "user":
        raise ValueError("the last message must be the user's: it is the one to be answered")
