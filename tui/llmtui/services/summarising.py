"""What a model is sent to put a part of a conversation into a note. Pure."""

from collections.abc import Sequence

from llmtui.domain.messages import ChatMessage, Message, Note
from llmtui.domain.profile import Character, Profile
from llmtui.domain.reasoning import Reasoning
from llmtui.domain.templates import NamedTemplate
from llmtui.services.prompting import PERSONA_MODES, Asked

_WORDS = {
    "en": (
        "Sum up the dialogue below in at most {words} words, with its names, numbers, decisions and open questions.",
        "Summary of the dialogue above:",
        ("User", "Assistant"),
        "What was said before, in short: ",
    ),
    "zh": (
        "请把下面的对话概括成不超过 {words} 字的摘要，保留人名、数字、决定和还没有回答的问题。",
        "以上对话的摘要：",
        ("用户", "助手"),
        "此前的内容：",
    ),
}


def summary_asked(
    profile: Profile,
    messages: Sequence[Message],
    note: Note | None,
    tokens: int,
    *,
    template: NamedTemplate | None = None,
) -> Asked:
    """What is sent for a note.

    Args:
        profile: mode, language and names are taken from it.
        messages: to be put into the note, oldest first.
        note: the one before, which the new one includes.
        tokens: the note may have.
        template: in place of the model's own.
    """
    language = "zh" if (profile.language or "").casefold().split("-")[0] == "zh" else "en"
    command, heading, (user, model), before = _WORDS[language]
    if profile.mode in PERSONA_MODES:
        character = profile.character or Character()
        user, model = character.user_name, character.name
    said = [f"{user if message.role == 'user' else model}: {message.content.strip()}" for message in messages]
    dialogue = "\n".join([f"{before}{note.text}\n", *said] if note and note.text else said)
    if profile.mode == "chat":
        return Asked(prompt=f"{dialogue}\n\n{heading}", stops=("\n\n",), trimmed=True)
    words = max(10, tokens * 3 // 4)
    asked = ChatMessage("user", f"{command.format(words=words)}\n\n{dialogue}")
    # What is thought before it would use up the few tokens that a note has.
    return Asked(messages=(asked,), template=template, thinking=Reasoning("off"))
