"""The registry of actions: bindings, footer, command palette and help screen all come from here.

An action's `id` is the name of the method that runs it (`action_<id>`) and what users write in `[keymap]`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from textual.binding import Binding

from llmtui.errors import ConfigError

Group = Literal["Chat", "Model", "View", "Program"]
Scope = Literal["chat", "app"]

GROUPS: tuple[Group, ...] = ("Chat", "Model", "View", "Program")


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a user can do.

    Attributes:
        id: stable; what a keymap names.
        key: as Textual writes it, e.g. `ctrl+o`.
        label: two words at most, for the footer.
        help: one sentence, for palette and help screen.
        group: heading on the help screen.
        scope: where its method lives: the chat screen, or the program, where it works on every screen.
        footer: rank in the footer, 0 first; None keeps it out.
        priority: runs before the focused widget sees the key.
    """

    id: str
    key: str
    label: str
    help: str
    group: Group
    scope: Scope = "chat"
    footer: int | None = None
    priority: bool = True

    @property
    def key_name(self) -> str:
        """The key as people write it, e.g. `Ctrl+O`."""
        return "+".join(_KEY_NAMES.get(part, part.capitalize()) for part in self.key.split("+"))

    @property
    def key_short(self) -> str:
        """The key as a footer writes it, e.g. `^O`."""
        name = self.key_name
        return "^" + name.removeprefix("Ctrl+") if name.startswith("Ctrl+") and name.count("+") == 1 else name


_KEY_NAMES = {"escape": "Esc", "pageup": "PgUp", "pagedown": "PgDn", "delete": "Del"}

ACTIONS: tuple[Action, ...] = (
    Action(
        id="stop",
        key="escape",
        label="stop",
        help="Stop the answer; what has come so far stays.",
        group="Chat",
        footer=1,
        priority=False,
    ),
    Action(id="new_chat", key="ctrl+n", label="new", help="Start a new chat with this model.", group="Chat", footer=4),
    Action(
        id="open_history",
        key="ctrl+g",
        label="history",
        help="Reopen an earlier chat and go on with it.",
        group="Chat",
        footer=3,
    ),
    Action(
        id="copy_answer",
        key="ctrl+y",
        label="copy",
        help="Copy the last answer to the clipboard, also over SSH (OSC 52).",
        group="Chat",
        footer=8,
    ),
    Action(
        id="resend",
        key="f5",
        label="resend",
        help="Send the last question again when it has no answer.",
        group="Chat",
    ),
    Action(
        id="next_example",
        key="f6",
        label="example",
        help="Put an example question into the input line.",
        group="Chat",
    ),
    Action(
        id="pick_model",
        key="ctrl+o",
        label="model",
        help="Choose a model; the conversation goes on with it.",
        group="Model",
        footer=2,
    ),
    Action(
        id="reload_model",
        key="ctrl+l",
        label="reload",
        help="Load the model again after it has stopped.",
        group="Model",
    ),
    Action(
        id="toggle_profiler",
        key="f2",
        label="profiler",
        help="Show or hide the profiler.",
        group="View",
        footer=5,
    ),
    Action(id="scroll_up", key="pageup", label="up", help="Scroll the conversation up.", group="View"),
    Action(id="scroll_down", key="pagedown", label="down", help="Scroll the conversation down.", group="View"),
    Action(id="scroll_top", key="ctrl+home", label="top", help="Go to the start of the conversation.", group="View"),
    Action(
        id="scroll_end",
        key="ctrl+end",
        label="end",
        help="Go to the end of the conversation and follow it.",
        group="View",
    ),
    Action(
        id="command_palette",
        key="ctrl+p",
        label="commands",
        help="Find any command, or a theme, by typing.",
        group="Program",
        scope="app",
        footer=6,
    ),
    Action(id="show_help", key="f1", label="help", help="Show this help.", group="Program", scope="app", footer=0),
    Action(id="quit", key="ctrl+q", label="quit", help="Leave llmtui.", group="Program", scope="app", footer=7),
)

_BY_ID = {action.id: action for action in ACTIONS}


def resolve(keymap: Mapping[str, str]) -> tuple[Action, ...]:
    """The registry with the user's keys in it.

    Args:
        keymap: action id to key, as in the config file's `[keymap]`.

    Raises:
        ConfigError: an id is unknown, a key is empty, or two actions share a key.
    """
    for action_id, key in keymap.items():
        if action_id not in _BY_ID:
            raise ConfigError(
                f"The keymap names an unknown action: {action_id}",
                cause=f"config.toml, keymap.{action_id}",
                remedy=f"Use one of: {', '.join(sorted(_BY_ID))}",
            )
        if not key.strip():
            raise ConfigError(
                f"The keymap gives no key for {action_id}",
                cause=f"config.toml, keymap.{action_id}",
                remedy="Write a key such as ctrl+k or f8, or remove the line",
            )
    actions = tuple(
        msgspec.structs.replace(action, key=keymap.get(action.id, action.key).strip().lower()) for action in ACTIONS
    )
    taken: dict[str, str] = {}
    for action in actions:
        other = taken.setdefault(action.key, action.id)
        if other != action.id:
            raise ConfigError(
                f"The key {action.key} stands for two actions: {other} and {action.id}",
                cause="config.toml, keymap",
                remedy=f"Give {other} or {action.id} another key",
            )
    return actions


def bindings(actions: Sequence[Action], scope: Scope) -> list[Binding]:
    """Textual's bindings for the actions of one scope."""
    return [
        Binding(action.key, action.id, action.label, id=action.id, priority=action.priority, show=False)
        for action in actions
        if action.scope == scope
    ]


def footer_actions(actions: Sequence[Action]) -> list[Action]:
    """Those shown in the footer, most useful first."""
    return sorted((action for action in actions if action.footer is not None), key=lambda action: action.footer or 0)
