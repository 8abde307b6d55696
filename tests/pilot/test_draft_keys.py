"""What the chat screen's keys do to a text that is being typed."""

import pytest
from pilot.conftest import Stage

from llmtui.app.widgets.transcript_view import Entry


@pytest.mark.parametrize("draft", ["my own words", "生鱼片是不是死鱼片？ 为什么"])
async def test_an_example_does_not_replace_what_was_typed(stage: Stage, draft: str) -> None:
    async with stage.run() as screen:
        composer = screen.chat.query_one("#composer")
        composer.set_draft(draft)
        await screen.pilot.press("f6")
        await screen.see("An example would replace your text")
        assert composer.draft == draft
        composer.set_draft("  ")
        await screen.pilot.press("f6")
        assert "静夜思" in composer.draft


async def test_tab_loses_no_key(stage: Stage) -> None:
    async with stage.run() as screen:
        await screen.pilot.press("a", "tab", "b", "shift+tab", "tab", "c")
        assert screen.chat.query_one("#composer").draft == "abc"


@pytest.mark.parametrize("key", ["ctrl+x", "ctrl+shift+k"])
async def test_deleting_the_only_line_is_survived(stage: Stage, key: str) -> None:
    async with stage.run() as screen:
        await screen.pilot.press(key, "a", key, "b")
        assert screen.chat.query_one("#composer").draft == "b"


async def test_the_profiler_does_not_end_the_following(stage: Stage) -> None:
    async with stage.run(size=(120, 30)) as screen:
        transcript = screen.chat.query_one("#transcript")
        for number in range(40):
            screen.chat.add_entry(Entry(f"n{number}", "notice", f"news {number}", "word " * 60))
        for _ in range(4):
            await screen.pilot.press("f2")
            await screen.pilot.pause()
            assert transcript.following
            assert "news 39" in screen.text
