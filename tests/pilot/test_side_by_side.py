"""Versions of an answer side by side: marked, compared, and gone on with."""

from pilot.conftest import POEM, Screen, Stage, answer

from llmtui.app.screens.side_by_side import SideBySideScreen

OTHER = "床前看月光，疑是地上霜。\n举头望山月，低头思故乡。"


async def two_versions(screen: Screen) -> None:
    await screen.ask("背诵《静夜思》")
    await screen.answered(1)
    await screen.pilot.press("f5")
    await screen.answered(2)


def beside(screen: Screen) -> SideBySideScreen:
    found = screen.app.screen
    assert isinstance(found, SideBySideScreen)
    return found


def rows(screen: Screen) -> str:
    strips = screen.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def test_one_version_is_nothing_to_compare(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("f4")
        await screen.see("There is no answer yet")
        await screen.ask("hello")
        await screen.answered(1)
        await screen.pilot.press("f4")
        await screen.see("There is one version only; F5 answers again")


async def test_versions_lie_side_by_side_with_figures_beneath(stage: Stage):
    stage.script = [answer(POEM), answer(OTHER)]
    async with stage.run() as screen:
        await two_versions(screen)
        await screen.pilot.press("f4")
        await screen.until(lambda: isinstance(screen.app.screen, SideBySideScreen) and "举头望山月" in rows(screen))
        text = rows(screen)
        assert "version 1 of 2" in text
        assert "version 2 of 2" in text
        assert any("举头望明月" in line and "举头望山月" in line for line in text.splitlines())
        assert "背诵《静夜思》" in text
        assert beside(screen).marked.content == OTHER
        await screen.pilot.press("left")
        assert beside(screen).marked.content == POEM
        await screen.pilot.press("d")
        await screen.until(lambda: "only in the marked answer" in rows(screen))
        await screen.pilot.press("escape")
        assert screen.app.screen is screen.chat


async def test_beneath_one_another_a_short_answer_is_not_padded_to_the_longest(stage: Stage):
    stage.script = [answer("好。"), answer("\n\n".join([POEM] * 6))]
    async with stage.run(size=(50, 30)) as screen:
        await two_versions(screen)
        await screen.pilot.press("f4", "left")
        await screen.until(lambda: isinstance(screen.app.screen, SideBySideScreen) and "好。" in rows(screen))
        lines = [line.strip() for line in rows(screen).splitlines()]
        at = lines.index("好。")
        assert lines[at + 1] == ""
        assert lines[at + 2].startswith("decode")


async def test_the_chat_goes_on_with_the_version_that_is_marked(stage: Stage):
    stage.script = [answer(POEM), answer(OTHER)]
    async with stage.run() as screen:
        await two_versions(screen)
        assert screen.entries[-1].text == OTHER
        await screen.pilot.press("f4")
        await screen.until(lambda: isinstance(screen.app.screen, SideBySideScreen))
        await screen.pilot.press("left", "g")
        await screen.until(lambda: screen.app.screen is screen.chat)
        assert screen.entries[-1].text == POEM


async def test_hostile_answers_are_shown_and_nothing_of_them_is_done(stage: Stage):
    stage.script = [answer("\x1b[31m[bold]red[/bold]"), answer("**fine** \u202e")]
    async with stage.run() as screen:
        await two_versions(screen)
        await screen.pilot.press("f4", "d")
        await screen.until(lambda: isinstance(screen.app.screen, SideBySideScreen) and "[bold]red" in rows(screen))
        assert "\x1b" not in rows(screen)
        assert "\u202e" not in rows(screen)
