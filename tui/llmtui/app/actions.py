"""What is made of the registry of actions: the user's keys, Textual's bindings, the footer."""

from collections.abc import Mapping, Sequence
from functools import cache

import msgspec
from textual.binding import Binding

from llmtui.app.action import SCREENS
from llmtui.app.registry import ACTIONS, GROUPS, Action, Scope
from llmtui.errors import ConfigError

__all__ = ["ACTIONS", "GROUPS", "SCREENS", "Action", "Scope", "bindings", "footer_actions", "key_of", "resolve"]

_BY_ID = {action.id: action for action in ACTIONS}

NEWLINE_KEYS = frozenset({"ctrl+j", "shift+enter", "alt+enter"})
"""They break the line in the input line."""
_TYPING_KEYS = NEWLINE_KEYS | {"enter", "space", "tab", "backspace", "delete", "up", "down", "left", "right"}
_SENT_AS_ANOTHER = {
    "ctrl+m": "enter",
    "ctrl+i": "tab",
    "ctrl+h": "backspace",
    "ctrl+[": "escape",
    "alt+f": "ctrl+right",
    "alt+b": "ctrl+left",
}
_MODIFIERS = frozenset({"ctrl", "alt", "shift", "super", "hyper", "meta"})
_WITHOUT_TYPING = frozenset({"comparison", "messages", "prompt", "grading", "side", "grid", "answer"})
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
        msgspec.structs.replace(action, key=",".join(_keys(action, keymap[action.id])))
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
    return SCREENS if scope == "app" else (scope,)


def _keys(action: Action, written: str) -> list[str]:
    """The keys of one line of the keymap, as Textual writes them."""
    keys = list(dict.fromkeys(key.strip().lower() for key in written.split(",") if key.strip()))
    problem = None if keys else f"The keymap gives no key for {action.id}"
    for key in keys:
        reason = _why_unusable(key, typing=action.scope not in _WITHOUT_TYPING)
        if reason is not None:
            problem = f"The key {key} cannot stand for {action.id}: {reason}"
    if problem is not None:
        raise ConfigError(
            problem,
            cause=f"config.toml, keymap.{action.id}",
            remedy="Write a key such as ctrl+k or f8, or remove the line",
        )
    return keys


def _why_unusable(key: str, *, typing: bool) -> str | None:
    *modifiers, last = key.split("+")
    if typing and (key in _TYPING_KEYS or (set(modifiers) <= {"shift"} and len(last) == 1)):
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
        Binding(action.key, action.call, action.label, id=action.id, priority=action.priority, show=False)
        for action in actions
        if action.scope == scope
    ]


def footer_actions(actions: Sequence[Action], scope: Scope = "chat") -> list[Action]:
    """Those shown in the footer of a screen, most useful first; the chat's has the program's among them."""
    scopes = {"chat", "app"} if scope == "chat" else {scope}
    shown = (action for action in actions if action.footer is not None and action.scope in scopes)
    return sorted(shown, key=lambda action: action.footer or 0)


def key_of(actions: Sequence[Action], action_id: str) -> str:
    """The key of an action, as people write it."""
    return next(action.key_name for action in actions if action.id == action_id)
