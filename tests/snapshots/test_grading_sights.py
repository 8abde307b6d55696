"""What grading looks like: a Chinese riddle with a note, and the end of a sitting."""

import pytest
from pilot.conftest import Stage
from snapshots.test_screens import SIZES, Sight, after, sight
from unit.grading_bench import judged, waiting, write_run

__all__ = ["sight"]
CODE = """\
“生”有两个意思：

| 词 | 意思 |
|---|---|
| 生鱼片 | 没有煮熟 |
| 生死 | 活着 |

所以**鱼确实已经死了**，但“生”和“死”在这里不是一对。
"""


def answers(stage: Stage) -> None:
    parts = {"sample": "shengyupian", "references": ("鱼死了，肉是生的。",), "reasoning": "先看“生”字。"}
    write_run(
        stage.folders,
        [waiting("a", content=CODE, **parts), waiting("b", "llama-8b", **parts), judged("b"), waiting("c", "llama-8b")],
    )


@pytest.mark.parametrize("size", SIZES)
def test_grading(snap_compare, stage: Stage, sight: Sight, size: str):
    answers(stage)
    ready = after("alt+g", "n", *"说清楚了", "enter", words="changed since")
    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


def test_the_end_of_grading(snap_compare, stage: Stage, sight: Sight):
    answers(stage)
    ready = after("alt+g", "2", "s", words="That was the last one")
    assert snap_compare(sight.app(), terminal_size=(80, 24), run_before=ready)
