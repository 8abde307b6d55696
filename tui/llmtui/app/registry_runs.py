"""The actions on runs: beginning one, its grid, its answers, and the runs of the past."""

from functools import partial

from llmtui.app.action import Action

_grid = partial(Action, group="Runs", scope="grid", priority=False)
_answer = partial(Action, group="Runs", scope="answer", priority=False)

RUN_ACTIONS: tuple[Action, ...] = (
    Action(
        id="past_runs",
        key="ctrl+r",
        label="runs",
        help="Look at the runs of prompt sets: each answer with its scores, in a grid.",
        group="Runs",
        footer=4,
    ),
    Action(
        id="remove_run",
        key="ctrl+d",
        label="delete",
        help="Delete the marked run; it asks first.",
        group="Runs",
        scope="past_runs",
        footer=1,
    ),
    _grid(
        id="grid_leave",
        key="escape,q",
        label="back",
        help="Go back to the chat; a run goes on behind it.",
        footer=0,
    ),
    _grid(
        id="grid_answer",
        key="enter",
        label="answer",
        help="Open the marked sample's answer with its prompt, scores and figures.",
        footer=1,
    ),
    _grid(
        id="grid_next",
        key="f",
        label="next failed",
        help="Go to the next sample that failed or has no answer on the marked model.",
        footer=6,
    ),
    _answer(id="answer_leave", key="escape,q", label="back", help="Go back to the grid.", footer=0),
    _answer(id="answer_before", key="p", label="previous", help="Show the sample before.", footer=1),
    _answer(id="answer_after", key="n", label="next", help="Show the sample after.", footer=2),
    _answer(
        id="answer_left",
        key="left,h",
        label="model",
        help="Show the answer of the model to the left; → that of the one to the right.",
        footer=3,
    ),
    _answer(
        id="answer_right",
        key="right,l",
        label="model",
        help="Show the answer of the model to the right.",
        footer=4,
        listed=False,
    ),
    _answer(id="answer_epoch", key="e", label="epoch", help="Show the sample's next epoch.", footer=5),
    _answer(id="answer_thoughts", key="t", label="thoughts", help="Open or fold the model's thoughts.", footer=6),
    _answer(id="answer_settings", key="m", label="settings", help="Show or hide what the answer came from.", footer=7),
    _answer(id="answer_copy", key="y", label="copy", help="Copy the answer.", footer=8),
)
