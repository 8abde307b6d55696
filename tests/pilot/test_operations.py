"""Long operations on the screen: shown, cancelled, and going on behind the chat."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from pilot.conftest import Screen, Stage

from llmtui.app.screens.progress import ProgressScreen
from llmtui.domain.operations import Progress
from llmtui.errors import ModelError

MIB = 1 << 20


class Steps:
    """An operation whose steps a test gives."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Progress | Exception | None] = asyncio.Queue()
        self.closed = False

    async def events(self) -> AsyncGenerator[Progress]:
        try:
            while (step := await self.queue.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            self.closed = True

    def at(self, done: int, path: str | None = None) -> None:
        self.queue.put_nowait(Progress(stage="downloading", done=done * MIB, total=100 * MIB, path=path))


async def shown(screen: Screen, steps: Steps) -> list[str | None]:
    """The operation begins and is shown; what the screen was dismissed with comes into the list."""
    ends: list[str | None] = []
    operation = screen.app.operations.start("Pull 通义千问.gguf", steps.events())
    screen.app.push_screen(ProgressScreen(operation), ends.append)
    steps.at(43)
    await screen.see("43 MiB of 100 MiB")
    return ends


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (140, 40)])
async def test_a_bar_shows_how_far_it_is(stage: Stage, size: tuple[int, int]):
    async with stage.run(size=size) as screen:
        steps = Steps()
        ends = await shown(screen, steps)
        assert "Pull 通义千问.gguf" in screen.text
        assert "43 %" in screen.text
        steps.at(100, "/m.gguf")
        steps.queue.put_nowait(None)
        await screen.until(lambda: ends == ["/m.gguf"])
        assert screen.app.screen is screen.chat


async def test_escape_cancels(stage: Stage):
    async with stage.run() as screen:
        steps = Steps()
        ends = await shown(screen, steps)
        await screen.pilot.press("escape")
        await screen.until(lambda: ends == [None])
        assert steps.closed
        assert screen.app.operations.running == ()


async def test_it_goes_on_behind_the_chat(stage: Stage):
    async with stage.run() as screen:
        steps = Steps()
        await shown(screen, steps)
        await screen.pilot.press("enter")
        await screen.until(lambda: screen.app.screen is screen.chat)
        await screen.see("Pull 通义千问.gguf 43 %")
        await screen.ask("hello")
        await screen.answered(1)
        await screen.pilot.press("f8")
        await screen.see("43 MiB of 100 MiB")
        await screen.pilot.press("enter")
        steps.at(100, "/m.gguf")
        steps.queue.put_nowait(None)
        await screen.see("Done: Pull 通义千问.gguf")
        await screen.pilot.press("f8")
        await screen.see("Nothing is being pulled or made")


async def test_an_error_is_told_where_the_user_looks(stage: Stage):
    error = ModelError("The disk is full", cause="3 MiB are left", remedy="Free some")
    async with stage.run() as screen:
        steps = Steps()
        ends = await shown(screen, steps)
        steps.queue.put_nowait(error)
        await screen.see("The disk is full")
        assert "3 MiB are left" in screen.text
        await screen.pilot.press("escape")
        await screen.until(lambda: ends == [None])
        behind = Steps()
        screen.app.operations.start("Pull other", behind.events())
        behind.queue.put_nowait(error)
        await screen.until(lambda: screen.kinds[-1:] == ["error"])


async def test_what_nobody_foresaw_is_told(stage: Stage):
    async with stage.run() as screen:
        steps = Steps()
        screen.app.operations.start("Pull other", steps.events())
        steps.queue.put_nowait(ZeroDivisionError("nobody foresaw this"))
        await screen.see("nobody foresaw this")


async def test_leaving_the_program_cancels(stage: Stage):
    async with stage.run() as screen:
        steps = Steps()
        await shown(screen, steps)
        await screen.pilot.press("ctrl+q")
        await screen.until(lambda: steps.closed)
