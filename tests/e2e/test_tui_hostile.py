"""What strangers write (models, file names) is shown as text; the terminal receives none of it raw."""

from pathlib import Path

from e2e.terminal import terminal

from llmtui.domain.messages import Message
from llmtui.domain.transcript import ChatRecord, MessageRecord
from llmtui.store.transcript_writer import TranscriptWriter

CLIPBOARD = "\x1b]52;c;aGFja2Vk\x07"
CLEAR = "\x1b[2J\x1b[31m"
MARKUP = "[red]x[/red] [@click=app.quit]x[/]"


def hostile_chat(folder: Path) -> None:
    """A saved chat whose answer holds everything that a terminal or a markup parser would obey."""
    at = "2026-01-01T00:00:00Z"
    question = Message(id="q", parent_id=None, role="user", content="hostile question", created_at=at)
    answer = Message(
        id="a",
        parent_id="q",
        role="assistant",
        content=f"before {CLIPBOARD}{CLEAR} {MARKUP} \x9b31m \u202e after",
        created_at=at,
        model=f"evil{CLEAR}[red]model[/]",
        finish_reason="stop",
    )
    writer = TranscriptWriter(folder / "chats" / "20260101-000000-hostile.jsonl")
    writer.append(ChatRecord(id="hostile", created_at=at, llmtui="0.1.0"))
    writer.append(MessageRecord(message=question))
    writer.append(MessageRecord(message=answer))
    writer.close()


def test_hostile_text_is_text(user: dict[str, str]) -> None:
    data = Path(user["LLMTUI_DATA_DIR"])
    hostile_chat(data)
    models = data / "models"
    models.mkdir()
    (models / "evil\x1b]52;c;eA==\x07[red]name.gguf").write_bytes(b"not a model")
    with terminal("demo", env=user) as screen:
        screen.see("^O")
        screen.press("ctrl+g")
        screen.see("hostile question")
        screen.press("enter")
        screen.see("after")
        screen.see("␛]52;c;aGFja2Vk")
        screen.see("[@click=app.quit]x[/]")
        screen.press("ctrl+o")
        screen.see("[red]name")
        sent = bytes(screen.output)
    for forbidden in (CLIPBOARD.encode(), CLEAR.encode(), b"\x1b]52;c;eA==", "\x9b".encode(), "\u202e".encode()):
        assert forbidden not in sent
