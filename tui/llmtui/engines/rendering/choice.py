"""Which template a model gets that nobody chose one for, and why."""

import re
from collections.abc import Callable

import msgspec

from llmtui.domain.template_families import FAMILIES, TemplateFamily
from llmtui.domain.templates import FALLBACK, OWN, NamedTemplate
from llmtui.engines.rendering.shipped import family_of, shipped

_PLAIN = "dialogue"


def choose_template(
    own: str | None,
    has_token: Callable[[str], bool],
    *,
    names: tuple[str, ...] = (),
    architecture: str | None = None,
    foreign: str | None = None,
) -> NamedTemplate:
    """The model's own template; else a shipped one that the model is recognised by; else a plain dialogue.

    Args:
        own: the template in the model's file.
        has_token: whether a text is one token of its vocabulary.
        names: what the model is called, here and by its file.
        architecture: as GGUF files name it.
        foreign: a template in another language than Jinja, which cannot be rendered here: Ollama's.
    """
    if own and own.strip():
        return NamedTemplate(name=OWN, text=own, source=OWN)
    family, reason = _written_in(foreign, names)
    if family is None:
        family, reason = recognise(has_token, names, architecture)
    if family is None:
        plain = family_of(_PLAIN)
        if plain is None:
            raise LookupError(_PLAIN)
        why = f"{FALLBACK}a plain dialogue, because the model brings no chat template and is not recognised"
        return msgspec.structs.replace(shipped(plain), source=why)
    chosen = shipped(family)
    return msgspec.structs.replace(chosen, source=f"{chosen.source}, because {reason}")


def recognise(
    has_token: Callable[[str], bool], names: tuple[str, ...], architecture: str | None
) -> tuple[TemplateFamily | None, str]:
    """The family of a model, by its special tokens, then its name, then its architecture; and the reason in words."""
    marked = [family for family in FAMILIES if family.markers and all(map(has_token, family.markers))]
    usable = [family for family in FAMILIES if not family.markers or family in marked]
    named = [family for family in usable if _is_named(family, names)]
    if marked:
        agreed = [family for family in marked if family in named]
        agreed = agreed or [family for family in marked if architecture in family.architectures]
        most = max(len(family.markers) for family in marked)
        best = (agreed or [family for family in marked if len(family.markers) == most])[0]
        tokens = " and ".join(best.markers[:2])
        also = ""
        if agreed:
            also = ", and its name says so" if best in named else f", and its architecture is {architecture}"
        return best, f"the vocabulary has the tokens {tokens}{also}"
    if named:
        return named[0], "the model's name says so"
    built = [family for family in usable if architecture in family.architectures]
    if built:
        return built[0], f"the model's architecture is {architecture}"
    return None, ""


def _written_in(text: str | None, names: tuple[str, ...]) -> tuple[TemplateFamily | None, str]:
    """The family that a template of Ollama's is of: it has all the texts that the family's have."""
    if not text:
        return None, ""
    signs = {family.name: family.written or family.markers for family in FAMILIES}
    fitting = [family for family in FAMILIES if signs[family.name] and all(sign in text for sign in signs[family.name])]
    if not fitting:
        return None, ""
    most = max(len(signs[family.name]) for family in fitting)
    best = [family for family in fitting if len(signs[family.name]) == most]
    chosen = next((family for family in best if _is_named(family, names)), best[0])
    return chosen, f"Ollama's template for the model has {' and '.join(signs[chosen.name][:2])}"


def _is_named(family: TemplateFamily, names: tuple[str, ...]) -> bool:
    return any(re.search(pattern, name.casefold()) for pattern in family.names for name in names)
