"""The command palette: every action of the registry, and the themes."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

if TYPE_CHECKING:
    from llmtui.app.app import LlmtuiApp


class ActionProvider(Provider):
    """Offers the actions that can run on the present screen, and every theme."""

    def _commands(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        app = cast("LlmtuiApp", self.app)
        on_chat = self.screen is app.chat
        for action in app.actions:
            here = action.scope == "app" or (action.scope == "chat" and on_chat)
            if action.id == "command_palette" or not here:
                continue
            node = self.screen if action.scope == "chat" else app
            yield f"{action.help.rstrip('.')}  ({action.key_name})", action.group, partial(node.run_action, action.id)
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
