"""Progress of long operations: what rate and time left are, and what the command line draws."""

import asyncio
import io
from collections.abc import AsyncGenerator

import pytest
from rich.console import Console

from llmtui.cli import output
from llmtui.cli.progress import Lines, bar, follow
from llmtui.domain.operations import Progress
from llmtui.domain.pace import Pace
from llmtui.domain.quantities import duration

MIB = 1 << 20


def at(done: int | None, total: int | None = 100 * MIB, **more: object) -> Progress:
    return Progress(**{"stage": "downloading", "done": done, "total": total, **more})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (float("inf"), "–"),
        (0, "0 s"),
        (0.1, "1 s"),
        (99, "99 s"),
        (100, "2 min"),
        (3540, "59 min"),
        (3600, "1 h 00 min"),
        (3901, "1 h 06 min"),
    ],
)
def test_times_are_rounded_up(seconds: float | None, text: str):
    assert duration(seconds) == text


def test_what_was_there_before_is_not_fast():
    pace = Pace()
    pace.note(at(50 * MIB), 0)
    assert pace.rate is None
    pace.note(at(60 * MIB), 2)
    assert pace.rate == 5 * MIB
    assert pace.left_s == 8
    assert str(pace) == "60 MiB of 100 MiB · 5.0 MiB/s · 8 s left"


def test_the_rate_is_of_the_last_seconds():
    pace = Pace()
    for second in range(10):
        pace.note(at(second * MIB), second)
    for second in range(10, 40):
        pace.note(at(10 * MIB), second)
    assert pace.rate == 0
    assert pace.left_s is None


def test_another_stage_begins_anew():
    pace = Pace()
    pace.note(at(0), 0)
    pace.note(at(100 * MIB), 1)
    pace.note(at(0, stage="checking"), 2)
    assert pace.rate is None


def test_what_is_not_known_is_not_said():
    pace = Pace()
    assert str(pace) == ""
    pace.note(at(None, None), 0)
    assert str(pace) == ""
    pace.note(at(3, None, unit="tensors"), 1)
    assert str(pace) == "3 tensors"


def test_without_a_terminal_a_line_comes_now_and_then(capsys: pytest.CaptureFixture[str]):
    clock = Clock()
    lines = Lines("m.gguf", clock)
    for second in range(26):
        clock.now = second
        lines.show(at(second * 4 * MIB))
    lines.show(at(0, stage="checking"))
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "downloading m.gguf · 0 % · 0 B of 100 MiB",
        "downloading m.gguf · 40 % · 40 MiB of 100 MiB · 4.0 MiB/s · 15 s left",
        "downloading m.gguf · 80 % · 80 MiB of 100 MiB · 4.0 MiB/s · 5 s left",
        "downloading m.gguf · 100 % · 100 MiB of 100 MiB · 4.0 MiB/s",
        "checking m.gguf · 0 % · 0 B of 100 MiB",
    ]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_in_a_terminal_the_bar_keeps_to_one_line(width: int):
    shown = io.StringIO()
    console = Console(file=shown, width=width, force_terminal=True, color_system=None, highlight=False)
    with bar("通义千问-" + "x" * 60 + "[red].gguf", console) as drawer:
        drawer.show(at(43 * MIB))
    painted = [line for line in shown.getvalue().replace("\r", "\n").splitlines() if "MiB" in line]
    assert painted
    assert all("43 %" in line and "43 MiB of 100 MiB" in line for line in painted)
    assert all(Console(width=200).measure(line).maximum <= 200 for line in painted)


async def of(*events: Progress) -> AsyncGenerator[Progress]:
    for event in events:
        yield event


def test_quiet_draws_nothing_and_the_path_comes_back(capsys: pytest.CaptureFixture[str]):
    path = asyncio.run(follow(of(at(1), at(2, path="/m.gguf")), "m.gguf", quiet=True))
    assert path == "/m.gguf"
    assert capsys.readouterr() == ("", "")


def test_names_and_stages_are_made_safe(capsys: pytest.CaptureFixture[str]):
    asyncio.run(follow(of(at(1, stage="down\x1b[2Jloading")), "m\x1b.gguf"))
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert output.safe_line("m\x1b.gguf") in told


def test_an_operation_that_is_left_is_closed():
    closed = []

    async def endless() -> AsyncGenerator[Progress]:
        try:
            while True:
                yield at(1)
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def cancelled() -> None:
        task = asyncio.create_task(follow(endless(), "m", quiet=True))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert closed
