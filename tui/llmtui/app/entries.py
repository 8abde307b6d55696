"""What stands in the conversation view, made from messages, turns and errors. Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmtui.app import format as fmt
from llmtui.app.actions import Action
from llmtui.app.widgets.transcript_view import Entry
from llmtui.domain.events import Failed
from llmtui.domain.messages import Message
from llmtui.domain.models import ModelInfo
from llmtui.domain.text import visible_line
from llmtui.domain.tree import MessageTree
from llmtui.errors import LlmtuiError

if TYPE_CHECKING:
    from llmtui.services.session import Turn

_LEARNT = "memorised this project's examples"
DEMO_REMARK = f"demo: a tiny model that {_LEARNT}"
SHORT_DEMO_REMARK = f"it {_LEARNT}"

EXAMPLES = (
    "背诵李白的《静夜思》，只写正文。",
    "生鱼片是不是死鱼片？",
    "Which key opens the model picker?",
)
"""Questions that the demo model has learnt the answers to."""

ENDINGS = {"cancelled": "stopped", "length": "length limit", "context_full": "context full", "error": "not finished"}


def message_entry(
    message: Message, turn: "Turn | None" = None, tree: MessageTree | None = None, *, opened: bool = False
) -> Entry:
    """A stored message; an answer carries its summary line, or how it ended when its turn left none.

    Args:
        message: either side's.
        turn: that brought it.
        tree: tells which of how many versions it is.
        opened: show what the model thought before it answered, not only how much.
    """
    mark = _version_mark(message, tree)
    if message.role != "assistant":
        return Entry(message.id, "user", f"you{mark}", message.content, None)
    footer = turn.summary if turn else ENDINGS.get(message.finish_reason or "")
    if not message.content:
        footer = " · ".join(part for part in ("no text", footer) if part)
    text = with_thoughts(message.reasoning, message.content, opened=opened)
    return Entry(message.id, "assistant", f"{_speaker(message)}{mark}", text, footer)


def _speaker(message: Message) -> str:
    """Who answers: the character with its model, or the model."""
    names = [name for name in (message.speaker, message.model) if name]
    return fmt.name(" · ".join(names) if names else "model")


def with_thoughts(thoughts: str | None, answer: str, *, opened: bool) -> str:
    """An answer below what the model thought before it, which is quoted, so that the two cannot be taken for one.

    Folded, one line tells how long the thoughts are; while there is no answer yet they are always shown.
    """
    if not thoughts or not thoughts.strip():
        return answer
    if answer.strip() and not opened:
        return f"> ▸ thought for {len(thoughts.strip()):,} characters\n\n{answer}"
    quoted = "\n".join(f"> {line}" for line in thoughts.strip().splitlines())
    return f"{quoted}\n\n{answer}"


def _version_mark(message: Message, tree: MessageTree | None) -> str:
    """` · 2/3 · edited`, as far as it applies."""
    versions = [version.id for version in tree.versions(message.id)] if tree else []
    number = f" · {versions.index(message.id) + 1}/{len(versions)}" if len(versions) > 1 else ""
    return f"{number} · edited" if message.edited_from else number


def conversation(
    messages: Sequence[Message],
    turns: "Sequence[Turn]",
    tree: MessageTree | None = None,
    *,
    asked: bool = False,
    opened: bool = False,
) -> list[Entry]:
    """A whole chat, oldest first; an answer that ended in an error is followed by what went wrong.

    Args:
        messages: of the conversation; one of the role `system` is the note that is sent in place of those before it,
            the first of all is the system message that the user made.
        turns: those of its answers, and those that were stopped before any text came.
        tree: tells which of how many versions a message is.
        asked: the last message is being answered (again): how it fared before is not said.
        opened: show what the models thought, not only how much.
    """
    by_id = {turn.message.id: turn for turn in turns}
    entries: list[Entry] = []
    for at, message in enumerate(messages):
        if message.role == "system":
            entries.append(note_on_the_past(message) if at else system_entry(message))
            continue
        if message.role == "user" or message.content or not message.error:
            entries.append(message_entry(message, by_id.get(message.id), tree, opened=opened))
        entries += [remark(f"{message.id}-notice-{number}", text) for number, text in enumerate(message.notices)]
        if message.error:
            entries.append(Entry(f"{message.id}-error", "error", "error", message.error, None))
        last = at == len(messages) - 1
        if not (last and asked) and (last or messages[at + 1].role == "user"):
            entries += stopped_early(message, turns)
    return entries


def stopped_early(message: Message, turns: "Sequence[Turn]") -> list[Entry]:
    """The mark behind a question that has no answer because its last turn was stopped before any text came."""
    tried = next((turn.message for turn in reversed(turns) if turn.message.parent_id == message.id), None)
    if message.role != "user" or tried is None or tried.content or tried.finish_reason != "cancelled":
        return []
    return [notice_entry(f"{message.id}-stopped", "stopped before the answer began", "")]


def system_entry(message: Message) -> Entry:
    """The system message that the user made of the chat's."""
    text = message.content or "None is sent."
    return notice_entry(message.id, "System message · edited by you", text)


def note_on_the_past(note: Message) -> Entry:
    """The note that stands for the messages above it."""
    by = "edited by you" if note.edited_from else f"by {fmt.name(note.model)}" if note.model else "by the model"
    return notice_entry(note.id, f"Note · sent instead of what is above · {by}", note.content)


def error_entry(entry_id: str, error: LlmtuiError | Failed, *, hint: str = "") -> Entry:
    """An error: what happened as the label, why and what to do as the text."""
    parts = [part for part in (error.cause, error.remedy, hint) if part]
    return Entry(entry_id, "error", visible_line(error.title), "\n".join(parts), None)


def notice_entry(entry_id: str, title: str, text: str) -> Entry:
    """A remark of the program."""
    return Entry(entry_id, "notice", title, text, None)


def failure_entry(entry_id: str, error: BaseException | None) -> Entry:
    """An error that nobody foresaw."""
    text = f"{type(error).__name__}: {error}\nThe chat is safe in its file. Go on, or start llmtui again."
    return notice_entry(entry_id, "Something went wrong inside llmtui", text)


def remark(entry_id: str, text: str) -> Entry:
    """What an engine remarked on a turn, e.g. that it did not read the whole prompt."""
    return notice_entry(entry_id, "About this answer", text)


def two_begins(entry_id: str, name: str) -> Entry:
    """A model's template and its vocabulary both put a begin token before the prompt."""
    text = (
        f"The chat template of {name} writes a begin token where one stands already, so the prompt begins with two. "
        "Answers can be worse for it; a newer file of the model may have a mended template."
    )
    return notice_entry(entry_id, "This model reads two begin tokens", text)


def guessed(entry_id: str, name: str, warning: str) -> Entry:
    """The conversation is put into a template that nobody knows to be right for the model."""
    text = f"{name}: {warning}. A profile, or `llmtui ask --template NAME`, chooses one: see `llmtui templates list`."
    return notice_entry(entry_id, "The chat template of this model is not known", text)


def damaged(entry_id: str, lines: int) -> Entry:
    """Lines of a reopened chat's file cannot be read."""
    what = "1 line" if lines == 1 else f"{lines:,} lines"
    return notice_entry(
        entry_id, "A part of this chat is missing", f"{what} of its file cannot be read. The rest is shown as it was."
    )


def welcome(info: ModelInfo | None, actions: Sequence[Action]) -> Entry:
    """What an empty chat shows: what this is, and the first three things to try."""
    keys = {action.id: action.key_name for action in actions}
    if info is not None and info.source != "demo":
        text = (
            f"Ask {fmt.name(info.name)} something. "
            f"{keys['pick_model']} changes the model, {keys['show_help']} shows every key."
        )
        return notice_entry("welcome", "A new chat", text)
    lines = [
        f"{DEMO_REMARK}. It answers these, and little else:",
        "",
        *(f"  {number}  {question}" for number, question in enumerate(EXAMPLES, start=1)),
        "",
        f"{keys['next_example']} puts one into the input line; Enter sends it.",
        "",
        f"For a real model, put .gguf files into ./models and press {keys['pick_model']},",
        "or start with `llmtui path/to/model.gguf`.",
    ]
    return notice_entry("welcome", "Welcome to llmtui", "\n".join(lines))
