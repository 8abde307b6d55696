"""Every action there is, once: bindings, footer, command palette, help screen and the README's table come from here.

An action's `id` is the name of the method that runs it (`action_<id>`) and what users write in `[keymap]`.
"""

from typing import Literal

import msgspec

Group = Literal["Chat", "Messages", "Model", "Model list", "View", "Program"]
Scope = Literal["chat", "messages", "models", "app"]

GROUPS: tuple[Group, ...] = ("Chat", "Messages", "Model", "Model list", "View", "Program")


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a user can do.

    Attributes:
        id: stable; what a keymap names.
        key: as Textual writes it, e.g. `ctrl+o`; several are separated by commas.
        label: two words at most, for the footer.
        help: one sentence, for palette and help screen.
        group: heading on the help screen.
        scope: where its method lives: the chat screen; the mark over its messages, whose keys are single letters
            because nothing is typed there; the list of models; or the program, where it works on every screen.
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
}

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
        help="Answer the last question again; an answer it has stays as another version.",
        group="Chat",
    ),
    Action(id="continue_answer", key="alt+c", label="continue", help="Have the last answer continued.", group="Chat"),
    Action(
        id="edit_draft", key="alt+e", label="editor", help="Write the question in $VISUAL or $EDITOR.", group="Chat"
    ),
    Action(
        id="browse_messages",
        key="alt+up",
        label="messages",
        help="Mark a message: edit it, answer again, go between versions.",
        group="Chat",
    ),
    Action(
        id="message_edit",
        key="e",
        label="edit",
        help="Change the marked message's text, as a new version.",
        group="Messages",
        scope="messages",
        footer=0,
    ),
    Action(
        id="message_again",
        key="r",
        label="again",
        help="Answer the marked question again.",
        group="Messages",
        scope="messages",
        footer=1,
    ),
    Action(
        id="version_before",
        key="left,h",
        label="older",
        help="Show the marked message's older version.",
        group="Messages",
        scope="messages",
        footer=2,
    ),
    Action(
        id="version_after",
        key="right,l",
        label="newer",
        help="Show its newer version.",
        group="Messages",
        scope="messages",
        footer=3,
    ),
    Action(
        id="message_continue",
        key="c",
        label="go on",
        help="Have the marked answer continued.",
        group="Messages",
        scope="messages",
        footer=4,
    ),
    Action(
        id="message_branch",
        key="b",
        label="fork",
        help="Let the conversation go on from the marked message.",
        group="Messages",
        scope="messages",
        footer=5,
    ),
    Action(
        id="message_remove",
        key="x,delete",
        label="remove",
        help="Remove the marked message and what follows.",
        group="Messages",
        scope="messages",
        footer=6,
    ),
    Action(
        id="message_copy",
        key="y",
        label="copy",
        help="Copy the marked message.",
        group="Messages",
        scope="messages",
        footer=7,
    ),
    Action(
        id="message_up",
        key="up,k,alt+up",
        label="up",
        help="Mark the message before.",
        group="Messages",
        scope="messages",
    ),
    Action(
        id="message_down",
        key="down,j,alt+down",
        label="down",
        help="Mark the message after; behind the last one, leave.",
        group="Messages",
        scope="messages",
    ),
    Action(
        id="message_leave",
        key="escape,q,enter",
        label="back",
        help="Go back to the input line.",
        group="Messages",
        scope="messages",
        footer=-1,
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
    Action(id="pull_model", key="f9", label="pull", help="Pull a model from a hub.", group="Model"),
    Action(
        id="adapters",
        key="f4",
        label="adapters",
        help="Attach LoRA adapters to the model, or change their scale.",
        group="Model",
    ),
    Action(
        id="show_operation",
        key="f8",
        label="progress",
        help="Show the download or quantisation under way.",
        group="Model",
    ),
    Action(
        id="swap_model",
        key="alt+0,ctrl+circumflex_accent",
        label="swap",
        help="Go back to the model used before this one; pressed again, return.",
        group="Model",
    ),
    *(
        Action(
            id=f"pinned_{number}",
            key=f"alt+{number}",
            label=f"pin {number}",
            help=f"Load the model pinned to {number}{'; Alt+2 to Alt+9 load the other pins' if number == 1 else ''}.",
            group="Model",
            pin=number,
            listed=number == 1,
        )
        for number in range(1, 10)
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
        label="info",
        help="Show or hide all that is known of the marked model.",
        group="Model list",
        scope="models",
        footer=2,
    ),
    Action(
        id="rescan_models",
        key="f5",
        label="scan",
        help="Look for models again, on disk and on servers.",
        group="Model list",
        scope="models",
        footer=3,
    ),
    Action(
        id="fetch_model",
        key="f6",
        label="pull",
        help="Pull a model from a hub, or through Ollama.",
        group="Model list",
        scope="models",
        footer=4,
    ),
    Action(
        id="quantise_model",
        key="f7",
        label="quant",
        help="Write a smaller file of the marked model.",
        group="Model list",
        scope="models",
        footer=5,
    ),
    Action(
        id="remove_model",
        key="f8",
        label="remove",
        help="Remove the marked model from the disk, after showing its files.",
        group="Model list",
        scope="models",
        footer=6,
    ),
    Action(
        id="model_adapters",
        key="f9",
        label="LoRA",
        help="Attach LoRA adapters to the model that answers, or change their scale.",
        group="Model list",
        scope="models",
        footer=7,
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
