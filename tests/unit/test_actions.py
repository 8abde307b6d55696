"""The registry of actions and the user's keymap."""

import importlib
import inspect
import pkgutil

import pytest

from llmtui.app import screens as package
from llmtui.app.actions import ACTIONS, GROUPS, SCREENS, bindings, footer_actions, resolve
from llmtui.app.app import LlmtuiApp
from llmtui.app.browsing import Browser
from llmtui.errors import ConfigError

FIXED = {
    "pick_model": "ctrl+o",
    "open_history": "ctrl+g",
    "new_chat": "ctrl+n",
    "command_palette": "ctrl+p",
    "copy_answer": "ctrl+y",
    "show_help": "f1",
    "toggle_profiler": "f2",
    "stop": "escape",
    "quit": "ctrl+q",
    "reload_model": "ctrl+l",
    "resend": "f5",
}
UNUSABLE = {"ctrl+m", "ctrl+i", "ctrl+h", "ctrl+[", "ctrl+left_square_bracket", "ctrl+b", "ctrl+c", "alt+b", "alt+f"}


def test_ids_and_keys_are_unique_and_complete():
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for scope in SCREENS:
        reached = [action.key for action in ACTIONS if action.scope in {scope, "app"}]
        assert len(set(reached)) == len(reached)
    assert all(action.label and action.help.endswith(".") and action.group in GROUPS for action in ACTIONS)


def test_default_keys_are_the_documented_ones_and_reach_every_terminal():
    keys = {action.id: action.key for action in ACTIONS}
    assert {name: keys[name] for name in FIXED} == FIXED
    assert not UNUSABLE & set(keys.values())


def screens() -> dict[str, type]:
    """Every screen that names a scope, by it; those that are derived from one share its."""
    modules = [
        importlib.import_module(f"{package.__name__}.{one.name}") for one in pkgutil.iter_modules(package.__path__)
    ]
    classes = {one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)}
    named = [one for one in classes if vars(one).get("SCOPE") is not None]
    found = {one.SCOPE: one for one in named}
    assert len(found) == len(named)
    return found


def test_every_scope_has_a_screen_whose_keys_are_its_own():
    for scope, screen in screens().items():
        assert set(bindings(ACTIONS, scope)) <= set(screen.BINDINGS)
    assert screens().keys() == set(SCREENS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_has_the_method_that_runs_it(action):
    owner = {"app": LlmtuiApp, "messages": Browser, **screens()}[action.scope]
    name = action.id if action.scope == "messages" else f"action_{action.call.partition('(')[0]}"
    assert callable(getattr(owner, name, None))


def test_keymap_replaces_keys():
    actions = {action.id: action for action in resolve({"pick_model": " Ctrl+K "})}
    assert actions["pick_model"].key == "ctrl+k"
    assert actions["pick_model"].key_name == "Ctrl+K"
    assert actions["pick_model"].key_short == "^K"
    assert actions["open_history"].key == "ctrl+g"


def test_keymap_gives_several_keys():
    actions = {action.id: action for action in resolve({"pick_model": "F10 , ctrl+k, alt+slash,f10"})}
    assert actions["pick_model"].key == "f10,ctrl+k,alt+slash"
    assert actions["pick_model"].key_name == "F10"


def test_the_default_keys_are_usable_in_a_keymap():
    assert resolve({action.id: action.key for action in ACTIONS}) == ACTIONS


def test_two_actions_may_swap_keys():
    actions = {action.id: action.key for action in resolve({"pick_model": "ctrl+g", "open_history": "ctrl+o"})}
    assert (actions["pick_model"], actions["open_history"]) == ("ctrl+g", "ctrl+o")


@pytest.mark.parametrize(
    ("keymap", "words"),
    [
        ({"fly": "f9"}, ["unknown action: fly", "keymap.fly", "pick_model"]),
        ({"pick_model": "ctrl+g"}, ["ctrl+g", "pick_model", "open_history"]),
        ({"pick_model": "  "}, ["no key for pick_model", "keymap.pick_model"]),
        ({"pick_model": "ctrl+k, ctrl+g"}, ["ctrl+g", "pick_model", "open_history"]),
        ({"pick_model": "x"}, ["x cannot stand for pick_model", "typing"]),
        ({"pick_model": "shift+x"}, ["typing"]),
        ({"pick_model": "Enter"}, ["enter cannot", "typing", "keymap.pick_model"]),
        ({"pick_model": "ctrl+j"}, ["typing"]),
        ({"pick_model": "f8,space"}, ["space", "typing"]),
        ({"pick_model": "ctrl+m"}, ["terminals send it as enter"]),
        ({"pick_model": "ctrl+c"}, ["how to leave"]),
        ({"pick_model": "ctr+k"}, ["no such key"]),
        ({"pick_model": "banana"}, ["no such key"]),
        ({"pick_model": "ctrl+"}, ["no such key"]),
    ],
)
def test_a_wrong_keymap_is_an_error_that_names_the_place(keymap, words):
    with pytest.raises(ConfigError) as caught:
        resolve(keymap)
    assert all(word in str(caught.value) for word in words)


def test_bindings_of_the_two_scopes_are_the_registry():
    made = {binding.id for scope in (*SCREENS, "app") for binding in bindings(ACTIONS, scope)}
    assert made == {action.id for action in ACTIONS if action.scope != "messages"}


def test_a_key_may_mean_another_thing_in_the_list_of_models_but_not_against_the_program():
    assert resolve({"pin_model": "ctrl+g"})
    with pytest.raises(ConfigError, match="ctrl\\+q"):
        resolve({"pin_model": "ctrl+q"})


def test_keys_of_the_mark_may_be_letters_and_stand_for_one_action_each():
    actions = {action.id: action for action in resolve({"message_edit": "d"})}
    assert actions["message_edit"].key_name == "d"
    with pytest.raises(ConfigError, match="two actions: message_edit and message_again"):
        resolve({"message_again": "e"})


@pytest.mark.parametrize("scope", ["chat", "models", "messages"])
def test_footer_keeps_its_order(scope):
    shown = footer_actions(ACTIONS, scope)
    assert [action.footer for action in shown] == sorted(action.footer for action in shown)
    assert all(action.scope in {scope, "app"} for action in shown)


def test_the_keys_of_the_model_list_fit_eighty_columns() -> None:
    shown = footer_actions(ACTIONS, "models")
    frame_and_margin = 80 * 4 // 100 + 4
    assert sum(len(action.key_short) + 1 + len(action.label) + 2 for action in shown) - 2 <= 80 - frame_and_margin


def test_the_keys_of_a_marked_message_fit_eighty_columns_and_the_way_back_comes_first() -> None:
    shown = footer_actions(ACTIONS, "messages")
    assert shown[0].id == "message_leave"
    assert sum(len(action.key_short) + 1 + len(action.label) + 2 for action in shown) - 2 <= 80 - 2
