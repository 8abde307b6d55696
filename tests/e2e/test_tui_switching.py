"""Switching in a real terminal: what a key sends, and what a person types slowly, must not be mixed up."""

import shutil
from pathlib import Path

from e2e.terminal import records, terminal

from llmtui.services.models import DEMO_FILE


def test_alt_and_a_digit_load_a_pinned_model_and_escape_then_a_digit_do_not(user: dict[str, str]) -> None:
    models = Path(user["LLMTUI_DATA_DIR"], "models")
    models.mkdir(parents=True)
    shutil.copy(DEMO_FILE, models / "另一个.gguf")
    with terminal("demo", env=user, size=(80, 24)) as screen:
        screen.see("demo · Q8_0")
        screen.press("ctrl+o")
        screen.see("2 models")
        screen.send(b"\x1b[B")
        screen.send(b"\x1bOQ")
        screen.see("Alt+1 loads it")
        screen.press("escape")
        screen.wait_for(lambda: "Alt+1" not in screen.text, 10, "the closed list")
        screen.send(b"1")
        screen.see("+7 tok")
        assert "另一个 · Q8_0" not in screen.text
        screen.send(b"\x1b1")
        screen.see("另一个 · Q8_0")
        screen.send(b"\x1e")
        screen.see("demo · Q8_0")
        screen.send(b"\x1b0")
        screen.see("另一个 · Q8_0")
        screen.ask("2")
        screen.wait_for(lambda: bool(records(user, "turn")), 60, "the turn")
        messages = [record["message"] for record in records(user, "message")]
        assert [(message["role"], message.get("model")) for message in messages] == [
            ("user", None),
            ("assistant", "另一个"),
        ]
        assert messages[0]["content"] == "12"
