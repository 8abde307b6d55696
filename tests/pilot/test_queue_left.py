"""A question that waits for an answer which is then left behind."""

from pathlib import Path

import pytest
from pilot.conftest import Stage, answer


@pytest.mark.parametrize("leave", ["new", "reopen"])
async def test_it_comes_back_to_the_input_line_and_goes_into_no_other_chat(stage: Stage, leave: str):
    stage.script = [answer("one"), answer("…" * 200, delay_s=0.05)]
    async with stage.run(size=(80, 24)) as screen:
        controller = screen.controller
        await screen.ask("count")
        await screen.answered(1)
        first: Path = controller.session.path
        await screen.pilot.press("ctrl+n")
        await screen.until(lambda: controller.session.path != first)
        await screen.ask("go on")
        await screen.until(lambda: controller.running)
        await screen.ask("and then?")
        await screen.see("your next question waits")
        left = controller.session
        screen.chat.spawn(controller.new_chat() if leave == "new" else _reopened(controller, first), "chat")
        await screen.until(lambda: controller.session is not left and not controller.running)
        assert screen.chat.query_one("#composer").draft == "and then?"
        assert controller.pending is None
        assert "waits" not in screen.text
        assert "and then?" not in [entry.text for entry in screen.entries]


async def _reopened(controller, path: Path) -> None:
    assert await controller.reopen(path) is None
