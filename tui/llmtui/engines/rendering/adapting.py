"""Conversations put so that a template takes them.

Many templates know no system role: they raise, or leave the message out without a word. Their models' cards say to
write such instructions into the first user turn. Many insist, too, that user and assistant alternate.
"""

from collections.abc import Iterator, Sequence

from llmtui.domain.messages import ChatMessage

MERGED = "the template takes no system message, so it was put in front of the first user message"
JOINED = "the template wants user and assistant to alternate, so messages of one side were joined"
BETWEEN = "\n\n"


def adaptations(messages: Sequence[ChatMessage]) -> Iterator[tuple[tuple[ChatMessage, ...], str]]:
    """Other forms of a conversation, the least changed first, and how each was changed."""
    whole = tuple(messages)
    joined = _joined(whole)
    merged = _merged(whole)
    if joined != whole:
        yield joined, JOINED
    if merged != whole:
        yield merged, MERGED
        if (both := _joined(merged)) != merged:
            yield both, f"{MERGED}; {JOINED}"


def lost_system(messages: Sequence[ChatMessage], text: str) -> bool:
    """Whether what was rendered lacks the text of a system message."""
    return any(message.role == "system" and message.content.strip() not in text for message in messages)


def _merged(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Each system message in front of the user message that follows it, else as a user message of its own."""
    chat: list[ChatMessage] = []
    waiting: list[str] = []
    for message in messages:
        if message.role == "system":
            waiting.append(message.content)
        elif message.role == "user":
            chat.append(ChatMessage("user", BETWEEN.join([*waiting, message.content])))
            waiting = []
        else:
            chat += [ChatMessage("user", text) for text in waiting]
            waiting = []
            chat.append(message)
    return (*chat, *(ChatMessage("user", text) for text in waiting))


def _joined(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Neighbours of one role as one message."""
    chat: list[ChatMessage] = []
    for message in messages:
        if chat and chat[-1].role == message.role:
            chat[-1] = ChatMessage(message.role, chat[-1].content + BETWEEN + message.content)
        else:
            chat.append(message)
    return tuple(chat)
