"""The texts of the templates that come along."""

from functools import cache
from pathlib import Path

from llmtui.domain.template_families import FAMILIES, TemplateFamily
from llmtui.domain.templates import NamedTemplate

FOLDER = Path(__file__).resolve().parents[2] / "data" / "templates"


def family_of(name: str) -> TemplateFamily | None:
    """The family of this name; None when there is none."""
    return next((family for family in FAMILIES if family.name == name), None)


@cache
def shipped(family: TemplateFamily) -> NamedTemplate:
    """A family's template."""
    text = (FOLDER / f"{family.name}.jinja").read_text(encoding="utf-8")
    return NamedTemplate(name=family.name, text=text, stops=family.stops, source=f"shipped: {family.title}")
