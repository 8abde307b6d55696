"""What an action of the program is: a key, words for it, and where it counts."""

from typing import Literal, get_args

import msgspec

Group = Literal[
    "Chat",
    "Messages",
    "Model",
    "Model list",
    "Profile",
    "View",
    "Prompt inspector",
    "Grading",
    "Notebook",
    "Side by side",
    "Runs",
    "Program",
]
Scope = Literal[
    "chat",
    "messages",
    "models",
    "profiles",
    "editor",
    "prompt",
    "grading",
    "notebook",
    "system",
    "side",
    "history",
    "comparison",
    "run_setup",
    "past_runs",
    "grid",
    "answer",
    "app",
]
SCREENS: tuple[Scope, ...] = tuple(scope for scope in get_args(Scope) if scope not in {"messages", "app"})
"""Scopes with a screen of their own."""

GROUPS: tuple[Group, ...] = get_args(Group)


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a user can do.

    Attributes:
        id: stable; what a keymap names.
        key: as Textual writes it, e.g. `ctrl+o`; several are separated by commas.
        label: two words at most, for the footer.
        help: one sentence, for palette and help screen.
        group: heading on the help screen.
        scope: where its method lives: the chat screen; the mark over its messages, whose keys are single letters
            because nothing is typed there; the list of models; that of profiles; the editor of one; the prompt
            inspector; grading; the notebook; the editor of the system message; answers side by side; the history; runs
            side by side; the beginning of a run; the list of past runs; a run's grid; an answer; or the program, where
            it works on every screen.
        footer: rank in the footer, the lowest first; None keeps it out.
        priority: runs before the focused widget sees the key.
        pin: number of the pinned model that it loads; None for all other actions.
        listed: whether help and docs have a line for it; one of a series has, for all of them.
    """

    id: str
    key: str
    label: str
    help: str
    group: Group
    scope: Scope = "chat"
    footer: int | None = None
    priority: bool = True
    pin: int | None = None
    listed: bool = True

    @property
    def call(self) -> str:
        """What Textual runs, e.g. `stop` or `load_pinned(1)`."""
        return self.id if self.pin is None else f"load_pinned({self.pin})"

    @property
    def key_name(self) -> str:
        """The key as people write it, e.g. `Ctrl+O`; the first of several."""
        first = self.key.partition(",")[0]
        return "+".join(
            _KEY_NAMES.get(part, part if len(first) == 1 else part.capitalize()) for part in first.split("+")
        )

    @property
    def key_short(self) -> str:
        """The key as a footer writes it, e.g. `^O`."""
        name = self.key_name
        return "^" + name.removeprefix("Ctrl+") if name.startswith("Ctrl+") and name.count("+") == 1 else name


_KEY_NAMES = {
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "delete": "Del",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}
