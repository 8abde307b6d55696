"""Working on messages that stand there already: versions, edits, branches, removal."""

from pathlib import Path

import pytest
from pilot.conftest import Screen, Stage, answer

THREE = [answer("one"), answer("two"), answer("three")]


def texts(screen: Screen) -> list[str]:
    return [entry.text for entry in screen.entries]


def labels(screen: Screen) -> list[str]:
    return [entry.label for entry in screen.entries]


def composer(screen: Screen):
    return screen.chat.query_one("#composer")


async def test_f5_answers_again_and_the_arrows_go_between_the_versions(stage: Stage):
    stage.script = THREE
    async with stage.run(size=(80, 24)) as screen:
        await screen.ask("count")
        await screen.answered(1)
        for turns in (2, 3):
            await screen.pilot.press("f5")
            await screen.answered(turns)
        assert texts(screen) == ["count", "three"]
        assert labels(screen) == ["you", "demo · 3/3"]
        await screen.pilot.press("alt+up")
        await screen.see("e edit")
        assert screen.entries[-1].marked
        await screen.pilot.press("left", "left")
        assert (texts(screen), labels(screen)[-1]) == (["count", "one"], "demo · 1/3")
        assert screen.entries[-1].marked
        await screen.pilot.press("left")
        assert texts(screen) == ["count", "one"]
        await screen.pilot.press("l")
        assert labels(screen)[-1] == "demo · 2/3"
        await screen.pilot.press("escape")
        assert (texts(screen), labels(screen)[-1]) == (["count", "two"], "demo · 2/3")
        assert not any(entry.marked for entry in screen.entries)
        assert composer(screen).has_focus


async def test_an_edited_question_is_asked_again(stage: Stage):
    stage.script = THREE
    async with stage.run() as screen:
        await screen.ask("cout")
        await screen.answered(1)
        composer(screen).set_draft("my own words")
        await screen.pilot.press("alt+up", "up", "e")
        await screen.see("editing your question")
        assert composer(screen).draft == "cout"
        composer(screen).set_draft("count")
        await screen.pilot.press("enter")
        await screen.answered(2)
        assert texts(screen) == ["count", "two"]
        assert labels(screen) == ["you · 2/2 · edited", "demo"]
        assert composer(screen).draft == "my own words"
        await screen.pilot.press("alt+up", "alt+up", "left")
        assert texts(screen) == ["cout", "one"]


async def test_escape_leaves_an_edit_and_gives_the_draft_back(stage: Stage):
    async with stage.run() as screen:
        await screen.ask("count")
        await screen.answered(1)
        composer(screen).set_draft("草稿")
        await screen.pilot.press("alt+up", "e")
        await screen.see("editing this answer")
        await screen.pilot.press("escape")
        assert composer(screen).draft == "草稿"
        assert len(screen.entries) == 2
        assert "edited" not in " ".join(labels(screen))


async def test_an_edited_answer_is_kept_without_asking(stage: Stage):
    stage.script = THREE
    async with stage.run() as screen:
        await screen.ask("count")
        await screen.answered(1)
        await screen.pilot.press("alt+up", "e")
        composer(screen).set_draft("uno")
        await screen.pilot.press("enter")
        assert texts(screen) == ["count", "uno"]
        assert screen.turns == 1
        await screen.ask("and then?")
        await screen.answered(2)
        assert texts(screen) == ["count", "uno", "and then?", "two"]


async def test_a_branch_and_a_removal(stage: Stage):
    stage.script = THREE
    async with stage.run() as screen:
        for number, question in enumerate(("count", "more"), start=1):
            await screen.ask(question)
            await screen.answered(number)
        await screen.pilot.press("alt+up", "up", "up", "b")
        assert texts(screen) == ["count", "one"]
        await screen.ask("other")
        await screen.answered(3)
        assert texts(screen) == ["count", "one", "other", "three"]
        await screen.pilot.press("alt+up", "up")
        assert labels(screen)[2] == "you · 2/2"
        await screen.pilot.press("x")
        assert len(screen.entries) == 4
        await screen.see("Press the key again")
        await screen.pilot.press("x")
        assert texts(screen) == ["count", "one", "more", "two"]
        await screen.pilot.press("up", "up", "up", "x", "up", "x", "x")
        assert screen.controller.session.messages == ()
        assert composer(screen).has_focus


async def test_an_answer_is_continued(stage: Stage):
    stage.script = [answer("one "), answer("and two")]
    async with stage.run() as screen:
        await screen.ask("count")
        await screen.answered(1)
        await screen.pilot.press("alt+c")
        await screen.answered(2)
        assert texts(screen) == ["count", "one and two"]
        assert labels(screen)[-1] == "demo · 2/2"


async def test_keys_that_mean_nothing_here_change_nothing(stage: Stage):
    async with stage.run() as screen:
        await screen.pilot.press("alt+up")
        await screen.see("no messages yet")
        await screen.ask("count")
        await screen.answered(1)
        await screen.pilot.press("alt+up", "z", "1", "up", "c")
        assert composer(screen).draft == ""
        await screen.pilot.press("ctrl+n")
        await screen.until(lambda: screen.kinds == ["notice"])
        assert composer(screen).has_focus


ODD = [f"sh -c 'rm $0; {then} $0'" for then in ("mkdir", "mkfifo", "ln -s /dev/zero")]


@pytest.mark.parametrize("editor", ["true", "sed -i s/草/書/", "false", "no-such-editor -x", "rm", *ODD])
async def test_the_draft_in_an_editor(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, editor: str):
    import contextlib

    monkeypatch.setenv("VISUAL", editor)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    async with stage.run() as screen:
        monkeypatch.setattr(screen.app, "suspend", contextlib.nullcontext)
        composer(screen).set_draft("草稿\n二")
        await screen.pilot.press("alt+e")
        await screen.pilot.pause()
        assert composer(screen).draft == ("書稿\n二" if editor.startswith("sed") else "草稿\n二")
        if editor not in {"true", "sed -i s/草/書/"}:
            await screen.see("editor")
    assert not left_behind(tmp_path)


def left_behind(folder: Path) -> list[Path]:
    return list(folder.glob("llmtui-*"))
