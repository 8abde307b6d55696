"""The actions of the history, and of runs that are laid side by side."""

from functools import partial

from llmtui.app.action import Action

_history = partial(Action, group="Runs", scope="history")
_comparison = partial(Action, group="Runs", scope="comparison", priority=False)

HISTORY_ACTIONS: tuple[Action, ...] = (
    _history(
        id="history_mark",
        key="f2",
        label="mark run",
        help="Mark a run for comparing; the first one marked is the baseline.",
        footer=0,
    ),
    _history(
        id="history_compare",
        key="f4",
        label="compare",
        help="Lay the marked runs side by side: scores, speed, and what flips.",
        footer=1,
    ),
    _comparison(id="comparison_leave", key="escape,q", label="back", help="Go back to the history.", footer=0),
    _comparison(
        id="comparison_beside",
        key="enter,f4",
        label="answers",
        help="Lay the marked sample's answers of all runs side by side.",
        footer=1,
    ),
    _comparison(
        id="comparison_next",
        key="f",
        label="next flip",
        help="Go to the next sample that is better or worse than the baseline in the marked column.",
        footer=2,
    ),
    _comparison(
        id="comparison_baseline",
        key="b",
        label="baseline",
        help="Hold the others against the marked column's run.",
        footer=3,
    ),
    _comparison(
        id="comparison_export",
        key="x",
        label="export",
        help="Write the comparison as Markdown into a new file, and show its path.",
        footer=4,
    ),
    _comparison(id="comparison_epoch", key="e", label="epoch", help="Look at the sample's next epoch.", footer=5),
)
