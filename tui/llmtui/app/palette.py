"""The command palette: every action of the registry, and the themes."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from llmtui.app.actions import Action, Scope
from llmtui.domain.text import visible_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtui.app.app import LlmtuiApp
    from llmtui.services.bookmarks import Pin


class ActionProvider(Provider):
    """Offers the actions that can run on the present screen, and every theme."""

    def _commands(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        app = cast("LlmtuiApp", self.app)
        scope: Scope | None = getattr(self.screen, "SCOPE", None)
        for action in app.actions:
            if action.id == "command_palette" or action.scope not in {scope, "app"}:
                continue
            title = _title(action, app.chat.controller.bookmarks.pins)
            if title is not None:
                node = app if action.scope == "app" else self.screen
                yield f"{title}  ({action.key_name})", action.group, partial(node.run_action, action.call)
        for name in sorted(app.available_themes):
            yield f"Theme: {name}", "Colours", partial(setattr, app, "theme", name)

    async def discover(self) -> Hits:
        """Everything, in the registry's order, themes last."""
        for title, group, run in self._commands():
            yield DiscoveryHit(title, run, help=group)

    async def search(self, query: str) -> Hits:
        """What matches fuzzily."""
        matcher = self.matcher(query)
        for title, group, run in self._commands():
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), run, help=group)


def _title(action: Action, pins: "Mapping[int, Pin]") -> str | None:
    """What an action does; one that loads a pin names the model, and is none where nothing is pinned."""
    if action.pin is None:
        return action.help.rstrip(".")
    pin = pins.get(action.pin)
    return f"Load {visible_line(pin.name)}" if pin is not None else None
