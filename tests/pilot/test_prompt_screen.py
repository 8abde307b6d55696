"""The prompt inspector: what it shows of the next prompt and of past ones, and that it holds nothing up."""

import msgspec
from pilot.conftest import answer

from llmtui.app.screens.prompt import PromptScreen
from llmtui.app.widgets.bar import Bar
from llmtui.app.widgets.token_view import TokenView
from llmtui.domain.models import LoadedModel
from llmtui.engines.scripted import ScriptedEngine


async def inspector(screen, draft=""):
    """Open it and wait until a prompt is there."""
    screen.chat.query_one("#composer").set_draft(draft)
    await screen.pilot.press("f3")
    await screen.until(lambda: isinstance(screen.app.screen, PromptScreen))
    await settled(screen)
    return screen.app.screen


async def settled(screen):
    prompt = screen.app.screen
    await screen.until(lambda: not prompt.workers or all(worker.is_finished for worker in prompt.workers))


async def press(screen, *keys):
    for key in keys:
        await screen.pilot.press(key)
        await settled(screen)


def rows(screen):
    return screen.app.screen.query_one(TokenView).rows


def said(screen, name="#prompt-remark"):
    return screen.app.screen.query_one(name, Bar).text


async def test_the_next_prompt_is_shown_with_the_draft_whose_it_is_and_what_is_cached(stage):
    async with stage.run() as screen:
        await screen.ask("hello there")
        await screen.answered(1)
        await inspector(screen, "my draft \x1b[31m")
        shown = rows(screen)
        titles = [row for row in shown if row.startswith(("you ", "model ", "head "))]
        assert [title.partition(" ·")[0] for title in titles] == ["you", "model", "you", "head of the answer"]
        assert "cached" in titles[0]
        assert "cached" not in titles[2]
        assert "<user>my draft ␛[31m↵" in shown
        assert "with your draft" in said(screen, "#prompt-header")
        assert "cached" in said(screen, "#prompt-header")
        assert "\x1b" not in screen.text


async def test_past_turns_diffs_and_ids(stage):
    stage.script = [answer("one"), answer("two")]
    async with stage.run() as screen:
        for number, question in enumerate(("first", "second"), 1):
            await screen.ask(question)
            await screen.answered(number)
        await inspector(screen)
        await press(screen, "left")
        assert "turn 2 of 2" in said(screen, "#prompt-header").replace("  ", " ")
        assert "<user>second↵" in rows(screen)
        assert "not known" in said(screen)  # the script records no hash
        await press(screen, "d")
        assert "diff" in said(screen, "#prompt-header")
        assert any("second" in row for row in rows(screen))
        await press(screen, "left")
        assert "no turn before" in said(screen)
        await press(screen, "left")
        assert "no earlier turn" in said(screen)
        await press(screen, "t")
        assert rows(screen)[1].split() == [
            "1",
            str(screen.app.screen.rendered.ids[1]),
            "│user",
            "│",
            "75",
            "73",
            "65",
            "72",
        ]
        await press(screen, "right", "right", "right")
        assert "next prompt" in said(screen)
        await screen.pilot.press("escape")
        await screen.until(lambda: screen.app.screen is screen.chat)


async def test_a_turn_whose_hash_is_recorded_is_told_to_be_what_was_sent(stage):
    async with stage.run() as screen:
        await screen.ask("hello")
        await screen.answered(1)
        session = screen.controller.session
        prompt = await inspector(screen)
        await press(screen, "left")
        for digest, words in ((prompt.rendered.sha256, "exactly what was sent"), ("0" * 64, "not what was sent")):
            turn = session._turns[0]
            manifest = msgspec.structs.replace(turn.manifest, rendered_sha256=digest)
            session._turns = (msgspec.structs.replace(turn, manifest=manifest),)
            await screen.pilot.press("escape")
            await inspector(screen)
            await press(screen, "left")
            assert words in said(screen)


async def test_search_goes_from_place_to_place(stage):
    async with stage.run(size=(80, 24)) as screen:
        await inspector(screen, "\n".join(f"line {number} 明月" for number in range(200)))
        await screen.pilot.press("slash", *"line 150")
        await screen.until(lambda: "1 of 1" in said(screen))
        assert any("line 150 明月↵" in row for row in rows(screen))
        await screen.pilot.press("enter")
        await press(screen, "slash")
        screen.app.screen.query_one("#prompt-search").value = "明月"
        await screen.until(lambda: "of 200" in said(screen))
        await screen.pilot.press("enter")
        before = said(screen)
        await press(screen, "n")
        assert said(screen) != before
        await press(screen, "p")
        assert said(screen) == before
        await press(screen, "q")
        assert screen.app.screen is screen.chat


async def test_a_long_prompt_opens_at_once_and_is_laid_out_to_its_end(stage):
    async with stage.run(size=(80, 24)) as screen:
        await inspector(screen, "word 床前 " * 20_000)
        view = screen.app.screen.query_one(TokenView)
        await press(screen, "end")
        assert rows(screen)[-1] == "<assistant>"
        assert view.virtual_size.height > 2000
        await press(screen, "home", "pagedown", "down", "c")
        assert "too long" in said(screen) or "tokens are in the cache" in said(screen)
        await screen.pilot.resize_terminal(140, 40)
        await settled(screen)
        assert len(rows(screen)) > 30


async def test_an_engine_that_does_not_show_prompts_says_why(stage):
    async with stage.run() as screen:
        engine = screen.controller.services.host.engine
        engine.die()
        await inspector(screen, "draft")
        assert "not loaded" in said(screen)
        await press(screen, "t", "d", "c", "y", "slash", "n", "right_square_bracket")
        assert isinstance(screen.app.screen, PromptScreen)


async def test_another_template_is_chosen_and_compared(stage, monkeypatch):
    folder = stage.folders.config_dir / "templates"
    folder.mkdir(parents=True)
    (folder / "mine.jinja").write_text("{{ messages }}")
    (folder / "broken.jinja").write_text("")
    async with stage.run() as screen:
        await inspector(screen, "draft")
        await screen.pilot.press("m")
        await screen.see("mine")
        await screen.see("chatml")
        await screen.pilot.press(*"mine", "enter")
        await screen.until(lambda: isinstance(screen.app.screen, PromptScreen))
        await settled(screen)
        assert "template mine" in said(screen, "#prompt-header")
        assert any("mine" in row for row in rows(screen))


async def test_a_prompt_beyond_the_context_is_shown_and_told(stage, monkeypatch):
    def small(info, runtime):
        model = LoadedModel(name=info.name, description="s", engine="scripted", engine_build="1", context_size=8)
        engine = ScriptedEngine(stage.script, model=model)
        stage.opened.append(engine)
        return engine

    monkeypatch.setattr(stage, "open_engine", small)
    async with stage.run() as screen:
        await inspector(screen, "far more words than the context holds")
        assert "too long for the context" in said(screen)
        assert any("far more words" in row for row in rows(screen))
