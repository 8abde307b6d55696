"""Choosing a chat template."""

import asyncio
from typing import TYPE_CHECKING

from llmtui.app import format as fmt
from llmtui.app.screens.picker import PickerScreen
from llmtui.app.widgets.table import Column, Row
from llmtui.domain.template_families import FAMILIES
from llmtui.domain.templates import NamedTemplate
from llmtui.errors import LlmtuiError
from llmtui.services.templates import find_template, own_templates

if TYPE_CHECKING:
    from llmtui.services.wiring import Services

_COLUMNS = (Column(name="template", kept=True), Column(name="what it is", flexible=True))


class TemplatePicker(PickerScreen[NamedTemplate]):
    """The user's own templates and those that come along; it stays open, and says why, when one cannot be read.

    Args:
        services: know where the user's own are.
    """

    def __init__(self, services: "Services") -> None:
        super().__init__("Templates", "type to filter", _COLUMNS)
        self._folders = services.folders
        self._found: dict[str, NamedTemplate] = {}

    def on_mount(self) -> None:
        """List them without holding up the screen."""
        super().on_mount()
        self.run_worker(self._list(), exit_on_error=False)

    async def _list(self) -> None:
        own = await asyncio.to_thread(own_templates, self._folders)
        about = {name: f"yours: {path}" for name, path in own.items()}
        about |= {family.name: family.title for family in FAMILIES if family.name not in about}
        rows, choices = [], []
        for name, text in about.items():
            row, template = await asyncio.to_thread(self._row, name, text)
            rows.append(row)
            choices.append(template)
        self.fill(rows, choices)
        self.remark("Enter compares with one, Esc closes")

    def _row(self, name: str, text: str) -> tuple[Row, NamedTemplate]:
        problem, template = None, NamedTemplate(name=name, text="")
        try:
            template = find_template(self._folders, name)
        except LlmtuiError as error:
            problem = str(error)
        return Row(key=name, cells=(fmt.name(name), fmt.name(text)), search=f"{name} {text}", problem=problem), template
