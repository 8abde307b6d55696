"""The program's window: themes, screens on top of the chat, and leaving in order."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from llmtui.app import themes
from llmtui.app.actions import ACTIONS, Action, bindings, resolve
from llmtui.app.operations import Operation, Operations
from llmtui.app.screens.chat import ChatScreen
from llmtui.app.terminal_driver import TerminalDriver

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from textual.command import Provider

    from llmtui.services.wiring import Services

MINIMUM_SIZE = (40, 10)
"""Columns and rows below which the screen says so instead of breaking."""


def _palette() -> "type[Provider]":
    from llmtui.app.palette import ActionProvider  # noqa: PLC0415 - not needed for the first paint

    return ActionProvider


class LlmtuiApp(App[None], inherit_bindings=False):
    """The whole program.

    Args:
        services: the parts that do the work.
        model: what to load first, as on the command line; None takes the chat's last model, or the default one.
        chat: a transcript to go on with; None begins a new one.
        painted: called once, after the first paint.

    Attributes:
        interrupted: ids of runs that leaving has stopped.

    Raises:
        ConfigError: the keymap or the theme in the configuration is not valid.
    """

    TITLE = "llmtui"
    CSS = """
    CommandPalette SearchIcon { display: none; }
    ToastRack { margin-bottom: 4; }
    Toast { padding: 0 1; width: auto; max-width: 60; }
    CommandPalette CommandList { scrollbar-size-vertical: 1; }
    """
    COMMANDS: ClassVar["set[type[Provider] | Callable[[], type[Provider]]]"] = {_palette}
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS, "app"),
        Binding("ctrl+c", "help_quit", show=False, system=True),
    ]

    def __init__(
        self,
        services: "Services",
        *,
        model: str | None = None,
        chat: Path | None = None,
        painted: "Callable[[], None] | None" = None,
    ) -> None:
        self.actions: Sequence[Action] = resolve(services.config.keymap)
        super().__init__(driver_class=TerminalDriver)
        self.services = services
        self.operations = Operations(self._operation_began, self._operation_ended)
        self.animation_level = "none"
        self.interrupted: tuple[str, ...] = ()
        self._first = (model, chat)
        self._painted = painted
        for theme in themes.THEMES:
            self.register_theme(theme)
        self.theme = themes.chosen(services.config.theme, self.available_themes)
        self.set_keymap({action.id: action.key for action in self.actions if action.id in services.config.keymap})

    def get_default_screen(self) -> Screen[None]:
        """The chat is the first and lowest screen."""
        model, chat = self._first
        return ChatScreen(self.services, self.actions, model=model, chat=chat)

    @property
    def chat(self) -> ChatScreen:
        """The chat screen, whatever lies on top of it."""
        screen = self.screen_stack[0]
        if not isinstance(screen, ChatScreen):
            raise TypeError("the lowest screen is the chat")
        return screen

    def on_mount(self) -> None:
        """Leave in order when the system asks to, or when the terminal goes away."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # not on this system or thread
            loop.add_signal_handler(signal.SIGTERM, self._leave, self.leave)
            loop.add_signal_handler(signal.SIGHUP, self._leave, self._hang_up)

    def first_paint_done(self) -> None:
        """The chat screen stands."""
        if self._painted is not None:
            self._painted()

    def _operation_began(self) -> None:
        self.chat.state_changed()

    def _operation_ended(self, operation: Operation) -> None:
        """Tell the end of an operation that no screen shows; the chat is where the user is."""
        if not self.is_running:
            return
        self.chat.state_changed()
        if not operation.watched:
            self.chat.tell_end(operation)

    def _leave(self, way: "Callable[[], Coroutine[object, object, None]]") -> None:
        self.run_worker(way(), exit_on_error=False)

    async def _hang_up(self) -> None:
        """Put everything away, then end at once: restoring a terminal that is gone would wait for ever."""
        await self.chat.shut_down()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGHUP)

    def on_resize(self, event: events.Resize) -> None:
        """Cover the screen with a plain message while the terminal is too small for it."""
        from llmtui.app.screens.too_small import TooSmallScreen  # noqa: PLC0415 - rarely needed

        small = event.size.width < MINIMUM_SIZE[0] or event.size.height < MINIMUM_SIZE[1]
        covered = isinstance(self.screen, TooSmallScreen)
        if small and not covered:
            self.push_screen(TooSmallScreen(MINIMUM_SIZE))
        elif not small and covered:
            self.pop_screen()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While the terminal is too small only leaving is possible."""
        if action in {"command_palette", "show_help"} and self.screen.has_class("too-small"):
            return False
        return super().check_action(action, parameters)

    def action_show_help(self) -> None:
        """Show the keys and what the figures mean, or close that again."""
        from llmtui.app.screens.help import HelpScreen  # noqa: PLC0415 - not needed for the first paint

        if isinstance(self.screen, HelpScreen):
            self.pop_screen()
        else:
            self.push_screen(HelpScreen(self.actions))

    async def action_quit(self) -> None:
        """Leave; when that stops a run, at the second time."""
        if self.chat.may_leave():
            await self.leave()

    async def leave(self) -> None:
        """Stop the answer and what goes on behind the chat, put the chat away, unload the model, end."""
        await self.chat.shut_down()
        self.interrupted = tuple(self.chat.runs.interrupted)
        self.exit()
