"""The registry of actions: bindings, footer, command palette and help screen all come from here.

An action's `id` is the name of the method that runs it (`action_<id>`) and what users write in `[keymap]`.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

import msgspec
from textual.binding import Binding

from llmtui.errors import ConfigError

Group = Literal["Chat", "Model", "Model list", "View", "Program"]
Scope = Literal["chat", "models", "app"]

GROUPS: tuple[Group, ...] = ("Chat", "Model", "Model list", "View", "Program")


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a user can do.

    Attributes:
        id: stable; what a keymap names.
        key: as Textual writes it, e.g. `ctrl+o`; several are separated by commas.
        label: two words at most, for the footer.
        help: one sentence, for palette and help screen.
        group: heading on the help screen.
        scope: where its method lives: the chat screen, the list of models, or the program, where it works on every
            screen.
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
        """The key as people write it, e.g. `Ctrl+O`; the first of several."""
        first = self.key.partition(",")[0]
        return "+".join(_KEY_NAMES.get(part, part.capitalize()) for part in first.split("+"))

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
        id="pull_model",
        key="f9",
        label="pull",
        help="Pull a model from a hub.",
        group="Model",
    ),
    Action(
        id="show_operation",
        key="f8",
        label="progress",
        help="Show the download or quantisation under way.",
        group="Model",
        scope="app",
    ),
    Action(
        id="pin_model",
        key="f2",
        label="pin",
        help="Pin the marked model to the next free number, or take its pin away.",
        group="Model list",
        scope="models",
        footer=0,
    ),
    Action(
        id="sort_models",
        key="f3",
        label="sort",
        help="Sort by name, size, parameters, source, or last use.",
        group="Model list",
        scope="models",
        footer=1,
    ),
    Action(
        id="model_details",
        key="f4",
        label="details",
        help="Show or hide all that is known of the marked model.",
        group="Model list",
        scope="models",
        footer=2,
    ),
    Action(
        id="rescan_models",
        key="f5",
        label="rescan",
        help="Look for models again, on disk and on servers.",
        group="Model list",
        scope="models",
        footer=3,
    ),
    Action(
        id="details_down",
        key="ctrl+down,shift+down",
        label="more",
        help="Scroll the details down; Ctrl+Up scrolls them up.",
        group="Model list",
        scope="models",
    ),
    Action(
        id="details_up",
        key="ctrl+up,shift+up",
        label="less",
        help="Scroll the details up.",
        group="Model list",
        scope="models",
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

NEWLINE_KEYS = frozenset({"ctrl+j", "shift+enter", "alt+enter"})
"""They break the line in the input line."""
_TYPING_KEYS = NEWLINE_KEYS | {"enter", "space", "tab", "backspace", "delete", "up", "down", "left", "right"}
_SENT_AS_ANOTHER = {"ctrl+m": "enter", "ctrl+i": "tab", "ctrl+h": "backspace", "ctrl+[": "escape"}
_MODIFIERS = frozenset({"ctrl", "alt", "shift", "super", "hyper", "meta"})
_FIXED_KEYS = {"ctrl+c": "tells how to leave"}


def resolve(keymap: Mapping[str, str]) -> tuple[Action, ...]:
    """The registry with the user's keys in it.

    Args:
        keymap: action id to key, or to several with commas between them, as in the config file's `[keymap]`.

    Raises:
        ConfigError: an id or a key is unknown, a key is empty or needed for typing, or two actions share a key.
    """
    for action_id in keymap:
        if action_id not in _BY_ID:
            raise ConfigError(
                f"The keymap names an unknown action: {action_id}",
                cause=f"config.toml, keymap.{action_id}",
                remedy=f"Use one of: {', '.join(sorted(_BY_ID))}",
            )
    actions = tuple(
        msgspec.structs.replace(action, key=",".join(_keys(action.id, keymap[action.id])))
        if action.id in keymap
        else action
        for action in ACTIONS
    )
    taken: dict[tuple[str, str], str] = {}
    for action in actions:
        for place in ((scope, key) for scope in _reached(action.scope) for key in action.key.split(",")):
            other, key = taken.setdefault(place, action.id), place[1]
            if other != action.id:
                raise ConfigError(
                    f"The key {key} stands for two actions: {other} and {action.id}",
                    cause="config.toml, keymap",
                    remedy=f"Give {other} or {action.id} another key",
                )
    return actions


def _reached(scope: Scope) -> tuple[Scope, ...]:
    """Screens on which an action's key counts: one key may mean another thing on another screen."""
    return ("chat", "models") if scope == "app" else (scope,)


def _keys(action_id: str, written: str) -> list[str]:
    """The keys of one line of the keymap, as Textual writes them."""
    keys = list(dict.fromkeys(key.strip().lower() for key in written.split(",") if key.strip()))
    problem = None if keys else f"The keymap gives no key for {action_id}"
    for key in keys:
        reason = _why_unusable(key)
        if reason is not None:
            problem = f"The key {key} cannot stand for {action_id}: {reason}"
    if problem is not None:
        raise ConfigError(
            problem,
            cause=f"config.toml, keymap.{action_id}",
            remedy="Write a key such as ctrl+k or f8, or remove the line",
        )
    return keys


def _why_unusable(key: str) -> str | None:
    *modifiers, last = key.split("+")
    if key in _TYPING_KEYS or (set(modifiers) <= {"shift"} and len(last) == 1):
        return "it is needed for typing"
    if key in _FIXED_KEYS:
        return f"it {_FIXED_KEYS[key]}"
    if key in _SENT_AS_ANOTHER:
        return f"terminals send it as {_SENT_AS_ANOTHER[key]}"
    if not last or not set(modifiers) <= _MODIFIERS:
        return "there is no such key"
    if len(last) > 1 and last not in _named_keys():
        return "there is no such key"
    return None


@cache
def _named_keys() -> frozenset[str]:
    """Names of keys that are not one character: `f8`, `pageup`, `slash`."""
    from textual.keys import ASCII_KEY_NAMES, KEY_NAME_REPLACEMENTS, KEY_TO_UNICODE_NAME, Keys  # noqa: PLC0415 - rare

    named = {key.value.rpartition("+")[2] for key in Keys}
    return frozenset(named | {*ASCII_KEY_NAMES.values(), *KEY_NAME_REPLACEMENTS.values(), *KEY_TO_UNICODE_NAME})


def bindings(actions: Sequence[Action], scope: Scope) -> list[Binding]:
    """Textual's bindings for the actions of one scope."""
    return [
        Binding(action.key, action.id, action.label, id=action.id, priority=action.priority, show=False)
        for action in actions
        if action.scope == scope
    ]


def footer_actions(actions: Sequence[Action], scope: Scope = "chat") -> list[Action]:
    """Those shown in the footer of a screen, most useful first; the chat's has the program's among them."""
    scopes = {"chat", "app"} if scope == "chat" else {scope}
    shown = (action for action in actions if action.footer is not None and action.scope in scopes)
    return sorted(shown, key=lambda action: action.footer or 0)
