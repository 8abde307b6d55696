"""Chat templates to be looked at: which there are, which one a model gets, and a conversation in them."""

from typing import TYPE_CHECKING

import msgspec

from llmtui.domain.messages import ChatMessage
from llmtui.domain.template_families import FAMILIES
from llmtui.domain.templates import NamedTemplate, template_warning
from llmtui.engines.rendering.choice import choose_template
from llmtui.errors import LlmtuiError, UsageError
from llmtui.services.templates import find_template, own_templates
from llmtui.store.paths import Folders

if TYPE_CHECKING:
    from llmtui.services.model_files import ModelDetails
    from llmtui.services.models import Catalogue

SAMPLE = (
    ChatMessage("system", "Answer briefly."),
    ChatMessage("user", "你好"),
    ChatMessage("assistant", "你好！"),
    ChatMessage("user", "Which river runs through Wuhan?"),
)
_SYSTEM = {
    "role": "its own role",
    "first user": "in the first user message",
    "preamble": "in front of all",
    "none": "joins the first user message",
}


class TemplateRow(msgspec.Struct, frozen=True, kw_only=True):
    """A template in the list.

    Attributes:
        system: what happens to a system message, in words; None for a file, which is not looked into.
        path: of the user's own file; None for one that comes along.
    """

    name: str
    title: str
    stops: tuple[str, ...] = ()
    system: str | None = None
    path: str | None = None


class TemplateView(msgspec.Struct, frozen=True, kw_only=True):
    """A template looked at. Nothing of it is safe to show.

    Attributes:
        source: where it comes from and, for a model, why it is this one.
        note: how the sample had to be changed so that the template takes it.
        warning: that it is a guess.
        sample: a conversation rendered; None when it cannot be, for the reason in `problem`.
    """

    name: str
    source: str
    sha256: str
    stops: tuple[str, ...]
    text: str
    note: str | None = None
    warning: str | None = None
    sample: str | None = None
    problem: str | None = None


def list_templates(folders: Folders) -> list[TemplateRow]:
    """The user's own first, then those that come along and are not hidden by them."""
    own = own_templates(folders)
    rows = [TemplateRow(name=name, title="", path=str(path)) for name, path in own.items()]
    shipped = [family for family in FAMILIES if family.name not in own]
    return rows + [
        TemplateRow(name=family.name, title=family.title, stops=family.stops, system=_SYSTEM[family.system])
        for family in sorted(shipped, key=lambda family: family.name)
    ]


def template_of(found: "ModelDetails") -> NamedTemplate:
    """The template that a model file gets when nobody chooses one, with the reason."""
    from llmtui.store.gguf_vocabulary import read_tokens  # noqa: PLC0415 - for models without a template

    own = found.template
    tokens = frozenset[str]() if own and own.strip() else read_tokens(found.info.path)
    return choose_template(
        own,
        tokens.__contains__,
        names=(found.info.name, str(found.metadata.get("general.name") or "")),
        architecture=found.info.architecture,
        foreign=found.ollama.template if found.ollama else None,
    )


def view(folders: Folders, catalogue: "Catalogue", wanted: str | None, model: str | None) -> TemplateView:
    """A template by name or path, or the one that a model gets.

    Args:
        folders: the user's.
        catalogue: of models.
        wanted: a name or path; None takes the model's.
        model: whose begin and end tokens are written; None writes `<s>` and `</s>`.

    Raises:
        UsageError: there is no such template or model, or a server has the model.
        ConfigError: the file cannot be used.
        ModelError: the model's file cannot be read.
    """
    chosen = None if wanted is None else find_template(folders, wanted)
    bos, eos = "<s>", "</s>"
    if model is not None:
        info = catalogue.resolve(model)
        if info.server is not None:
            raise UsageError(
                "The model's template lies on its server", cause=info.path, remedy=f"See `llmtui models show {model}`."
            )
        details = catalogue.details(info)
        bos, eos = details.special_tokens.get("bos", ""), details.special_tokens.get("eos", "")
        chosen = chosen or template_of(details)
    if chosen is None:
        raise UsageError("No template is named", remedy="See `llmtui templates list`.")
    return _rendered(chosen, bos, eos)


def _rendered(template: NamedTemplate, bos: str, eos: str) -> TemplateView:
    from llmtui.engines.rendering.renderer import Renderer  # noqa: PLC0415 - starts a process

    seen = TemplateView(
        name=template.name,
        source=template.source,
        sha256=template.sha256,
        stops=template.stops,
        text=template.text,
        warning=template_warning(template.source),
    )
    renderer = Renderer()
    try:
        rendered = renderer.render(template, SAMPLE, bos_text=bos, eos_text=eos)
    except LlmtuiError as error:
        return msgspec.structs.replace(seen, problem=error.cause)
    finally:
        renderer.close()
    return msgspec.structs.replace(seen, sample=rendered.text, note=rendered.note)
