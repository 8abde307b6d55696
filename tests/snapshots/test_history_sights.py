"""What the history looks like, runs that are laid side by side, and a turn that is forked."""

import os

import pytest
from pilot.conftest import Stage
from snapshots.test_screens import SIZES, Sight, a_chat, after, sight
from unit.comparison_bench import two_runs, write_run
from unit.grid_bench import write_grid

from llmtui.app.forking import Forking
from llmtui.app.screens.fork import ForkScreen
from llmtui.services.answers import ShownAnswer

__all__ = ["sight"]

LONG = "锦瑟无端五十弦一弦一柱思华年庄生晓梦迷蝴蝶望帝春心托杜鹃沧海月明珠有泪蓝田日暖玉生烟"


def runs(stage: Stage) -> None:
    stage.folders.chats_dir.mkdir(parents=True)
    os.utime(a_chat(stage.folders.chats_dir), (1_767_600_000,) * 2)
    two_runs(stage.folders)
    write_run(stage.folders, "0f0f", {LONG: (0.5,)}, models=("llama-3.1-8b-instruct-abliterated",), day=3)
    os.utime(write_grid(stage.folders, name="20260105-120000-9e9e"), (1_767_700_000,) * 2)


@pytest.mark.parametrize("size", SIZES)
def test_history(snap_compare, stage: Stage, sight: Sight, size: str):
    runs(stage)
    async def marked(pilot):
        await after(words="未经烹煮")(pilot)
        await after("ctrl+g", words="Enter opens one")(pilot)
        await pilot.press("f2", "down", "f2")

    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=marked)


@pytest.mark.parametrize("size", SIZES)
def test_comparison(snap_compare, stage: Stage, sight: Sight, size: str):
    two_runs(stage.folders)

    async def ready(pilot):
        await after("ctrl+g", words="Enter opens one")(pilot)
        await pilot.press(*"run")
        await after("down", "f2", "up", "f2", "f4", words="静夜思")(pilot)
        await after("right", "right", "right", words="▲1")(pilot)

    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("size", SIZES)
def test_fork_under_way(snap_compare, sight: Sight, size: str, monkeypatch: pytest.MonkeyPatch):
    async def never(self: Forking) -> None:
        pass

    def shown(self: Forking) -> ShownAnswer:
        return ShownAnswer(
            label="通义千问-72b",
            prompt=self.answers[-1].prompt,
            content="床前看月光，疑是地上霜。\n举头望",
            running=True,
        )

    monkeypatch.setattr(Forking, "run", never)
    monkeypatch.setattr(Forking, "shown", shown)

    async def ready(pilot):
        await after(words="未经烹煮")(pilot)
        chat = pilot.app.chat
        session = chat.controller.session
        question = next(each for each in reversed(session.messages) if each.role == "user")
        forking = Forking(chat.controller.services, session, question, chat.controller.model, None, slow=print)
        pilot.app.push_screen(ForkScreen(forking, chat.spawn))
        await after(words="举头望")(pilot)

    assert snap_compare(sight.app(), terminal_size=SIZES[size], run_before=ready)
