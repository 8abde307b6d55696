"""The actions on runs: beginning one, its grid, its answers, and the runs of the past."""

from functools import partial

from llmtui.app.action import Action

_setup = partial(Action, group="Runs", scope="run_setup")
_grid = partial(Action, group="Runs", scope="grid", priority=False)
_answer = partial(Action, group="Runs", scope="answer", priority=False)

RUN_ACTIONS: tuple[Action, ...] = (
    Action(
        id="run_sets",
        key="ctrl+r",
        label="run",
        help="Put prompt sets to several models, or look at the run that goes on.",
        group="Runs",
        footer=4,
    ),
    Action(
        id="run_chat",
        key="alt+r",
        label="to models",
        help="Put the draft, or this chat up to its last question, to several models.",
        group="Runs",
    ),
    _setup(id="setup_start", key="ctrl+r", label="start", help="Begin the run.", footer=0),
    _setup(
        id="setup_code",
        key="ctrl+x",
        label="run code",
        help="Run the code in answers to score it, in a sandbox, or leave it.",
        footer=3,
    ),
    _setup(
        id="setup_past",
        key="ctrl+g",
        label="past runs",
        help="Look at the runs of the past: open one in the grid, go on with it, or delete it.",
        footer=4,
    ),
    _setup(id="setup_leave", key="escape", label="back", help="Go back to the chat without a run.", footer=5),
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
    _grid(
        id="grid_again",
        key="r",
        label="ask again",
        help="Ask the marked sample again, next or now; the later answer counts.",
        footer=2,
    ),
    _grid(
        id="grid_skip",
        key="s",
        label="skip",
        help="Leave the marked sample out until the run is taken up again, or take it in again.",
        footer=3,
    ),
    _grid(
        id="grid_stop",
        key="x",
        label="stop",
        help="Stop the run, at the second press; what has come is kept.",
        footer=4,
    ),
    _grid(
        id="grid_resume",
        key="c",
        label="go on",
        help="Take the run up again: what has no answer is asked.",
        footer=5,
    ),
    _grid(
        id="grid_compare",
        key="f4",
        label="side by side",
        help="Lay the answers of all models to the marked sample side by side.",
        footer=7,
    ),
    _grid(id="grid_runs", key="l", label="runs", help="Look at the runs of the past.", footer=9),
    _grid(id="grid_grade", key="g", label="grade", help="Grade answers of this run that wait for a person.", footer=8),
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
