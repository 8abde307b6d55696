"""A profile: how a model is talked to. Persona, mode, template, sampling and runtime, in one file."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from llmtui.domain.limits import MAX_INT
from llmtui.domain.settings import Runtime, Sampling
from llmtui.domain.templates import NamedTemplate

Mode = Literal["instruct", "chat", "chat-instruct", "text", "infill"]
Overflow = Literal["stop", "slide", "compact"]
RAW_MODES: frozenset[Mode] = frozenset({"text", "infill"})
"""Of raw text: without turns, template and persona."""
MAX_PROSE = 1 << 20
"""Characters of a profile's longest text: more than any context holds."""

Prose = Annotated[str, Meta(max_length=MAX_PROSE)]
NAME_PATTERN = r"^\w[\w.-]{0,79}$"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Speaker = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")]
"""Of one line: it stands before what is said, and ends answers."""


class Character(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who speaks, in the modes `chat` and `chat-instruct`.

    `{{char}}` and `{{user}}` in the texts stand for the two names.

    Attributes:
        name: of the model's side.
        user_name: of the user's side.
        context: what the character is; the prompt begins with it.
        greeting: what the character says first.
        example_dialogue: put behind the context, to show the tone.
    """

    name: Speaker = "AI"
    user_name: Speaker = "You"
    context: Prose = ""
    greeting: Prose = ""
    example_dialogue: Prose = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One profile file. What it does not say is left to the model, the configuration and the defaults.

    Attributes:
        name: what the user types; the file's name without its ending.
        description: one line.
        language: BCP 47, e.g. `zh`; None for any.
        mode: `instruct` uses a chat template; `chat` a plain dialogue of names, for base models; `chat-instruct` the
            whole dialogue within one instruct turn; `text` continues what is written; `infill` fills a gap.
        template: a shipped template's name, or a path of a Jinja file; None takes the model's own.
        system: the system message.
        character: who speaks.
        command: in `chat-instruct`, what the model is told to do with the dialogue; None takes the usual words.
        generation: fields of `Sampling`; only those that are set.
        runtime: fields of `Runtime`; only those that are set. They count from the next load.
        overflow: what happens when the conversation does not fit: `stop` refuses and says the numbers, `slide` leaves
            out the oldest turns, `compact` has the model put them into a note.
        reserve: tokens of the context that are then kept for the answer; None keeps an eighth of it, at most 512.
    """

    name: Name = "default"
    description: Prose = ""
    language: str | None = None
    mode: Mode = "instruct"
    template: str | None = None
    system: Prose | None = None
    character: Character | None = None
    command: Prose | None = None
    generation: dict[str, Any] = {}
    runtime: dict[str, Any] = {}
    overflow: Overflow = "stop"
    reserve: Annotated[int, Meta(ge=1, le=MAX_INT)] | None = None

    def __post_init__(self) -> None:
        """Refuse settings that `Sampling` or `Runtime` would refuse."""
        for kind, values in ((Sampling, self.generation), (Runtime, self.runtime)):
            try:
                msgspec.convert(values, kind)
            except msgspec.ValidationError as error:
                where = "generation" if kind is Sampling else "runtime"
                raise ValueError(f"{where}: {error}") from error


class Layer(msgspec.Struct, frozen=True):
    """Settings from one place.

    Attributes:
        origin: in words: `default`, `model`, `config`, `profile NAME`, `flag`, `edit`.
        values: fields of `Sampling` or of `Runtime` that are set there.
    """

    origin: str
    values: Mapping[str, Any]


class Effective(NamedTuple):
    """What is used, and where each value came from.

    Attributes:
        sampling: the settings.
        origins: of every field that is not a default.
    """

    sampling: Sampling
    origins: dict[str, str]


_EXCLUDED = {
    "grammar": ("json_schema", "ignore_eos"),
    "json_schema": ("grammar", "ignore_eos"),
    "ignore_eos": ("grammar", "json_schema"),
}
"""A setting displaces these of the layers below it: both together are not possible."""


def lay_over(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of the layers, the last one on top, and the origin of each."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        for name in [
            name for key, value in layer.values.items() if value not in (None, False) for name in _EXCLUDED.get(key, ())
        ]:
            if name not in layer.values:
                values.pop(name, None)
                origins.pop(name, None)
        values |= layer.values
        origins |= dict.fromkeys(layer.values, layer.origin)
    return values, origins


def effective(layers: Sequence[Layer]) -> Effective:
    """Lay settings over one another, the last one on top.

    A grammar displaces a JSON schema below it, and the other way round.

    Raises:
        ValueError: a value is out of its range, or two of one layer exclude each other; the text names the field.
    """
    values, origins = lay_over(layers)
    try:
        return Effective(msgspec.convert(values, Sampling), origins)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def set_fields(sampling: Sampling) -> dict[str, Any]:
    """Fields that differ from their defaults: what a whole `Sampling` says as a layer."""
    plain = Sampling()
    return {
        name: getattr(sampling, name)
        for name in sampling.__struct_fields__
        if getattr(sampling, name) != getattr(plain, name)
    }


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asks of every turn, whichever model answers.

    Attributes:
        profile: in use.
        layers: the user's settings of sampling, the lowest first; a model's own go below them.
        system: the system message; an empty one sends none; None leaves it to the model's publisher.
        system_origin: where it comes from, as `Layer.origin`.
        template: chosen in place of the model's own.
        publishers: whether the settings of a model's publisher count at all.
    """

    profile: Profile = Profile()
    layers: tuple[Layer, ...] = ()
    system: str | None = None
    system_origin: str = "config"
    publishers: bool = True
    template: NamedTemplate | None = None

    @classmethod
    def plain(cls, sampling: Sampling) -> "Wanted":
        """These settings and no others, also not those of a model's publisher."""
        return cls(layers=(Layer("config", set_fields(sampling)),), publishers=False)

    @property
    def sampling(self) -> Sampling:
        """The settings without those of a model."""
        return effective(self.layers).sampling
