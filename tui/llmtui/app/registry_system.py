"""The actions about the system message of a chat."""

from llmtui.app.action import Action

SYSTEM_ACTIONS: tuple[Action, ...] = (
    Action(
        id="edit_system",
        key="alt+s",
        label="system",
        help="Change the system message of this chat, from the next turn on.",
        group="Chat",
    ),
    Action(
        id="save_system",
        key="ctrl+s",
        label="save",
        help="Take the system message as it is written; an empty one sends none.",
        group="Messages",
        scope="system",
        footer=0,
    ),
    Action(
        id="own_system",
        key="ctrl+r",
        label="take back",
        help="Take back the change of the system message: the one before counts again.",
        group="Messages",
        scope="system",
        footer=1,
    ),
    Action(
        id="leave_system",
        key="escape",
        label="back",
        help="Leave the system message as it was.",
        group="Messages",
        scope="system",
        footer=2,
        listed=False,
    ),
)
