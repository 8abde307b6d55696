"""What the screen says of a model whose chat template is a guess."""

import msgspec
import pytest
from pilot.conftest import Stage

from llmtui.engines.scripted import ScriptedEngine


@pytest.mark.parametrize("source", ["fallback: a plain dialogue, because the model brings none", "model", None])
async def test_a_guessed_template_is_told_once_a_model(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, source: str | None
):
    granted = ScriptedEngine.__init__

    def guessing(engine: ScriptedEngine, *args: object, **options: object) -> None:
        granted(engine, *args, **options)
        engine._granted = msgspec.structs.replace(engine._granted, template_source=source)

    monkeypatch.setattr(ScriptedEngine, "__init__", guessing)
    async with stage.run() as screen:
        for turn in (1, 2):
            await screen.ask("hello")
            await screen.answered(turn)
        if source is None or source == "model":
            assert screen.kinds == ["user", "assistant"] * 2
            return
        assert screen.kinds == ["user", "assistant", "notice", "user", "assistant"]
        assert "not known" in screen.entries[2].label
        assert "a plain dialogue" in screen.entries[2].text
