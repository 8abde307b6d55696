"""A conversation as a tree: nothing is overwritten; what is regenerated, edited or branched stands beside the old."""

import msgspec

from llmtui.domain.messages import Message


class MessageTree(msgspec.Struct, frozen=True):
    """Messages under their parents, and the one that the conversation ends with. A change makes a new tree.

    Attributes:
        messages: all, in the order in which they came, the system message included.
        head: id of the last message of the conversation shown; None when it is empty.
    """

    messages: tuple[Message, ...] = ()
    head: str | None = None

    @classmethod
    def mended(cls, messages: tuple[Message, ...], head: str | None) -> "MessageTree":
        """A tree from a file: where a parent is missing, the message before takes its place."""
        known: set[str] = set()
        whole: list[Message] = []
        for message in messages:
            if message.parent_id is not None and message.parent_id not in known and whole:
                message = msgspec.structs.replace(message, parent_id=whole[-1].id)  # noqa: PLW2901 - its mended self
            known.add(message.id)
            whole.append(message)
        return cls(tuple(whole), head if head in known else None)

    @property
    def path(self) -> tuple[Message, ...]:
        """The conversation: from the first message to the head."""
        by_id = {message.id: message for message in self.messages}
        path: list[Message] = []
        at = self.head
        while at is not None and at in by_id:
            message = by_id.pop(at)
            path.append(message)
            at = message.parent_id
        return tuple(reversed(path))

    def add(self, message: Message) -> "MessageTree":
        """With a further message, which becomes the head."""
        return MessageTree((*self.messages, message), message.id)

    def at(self, head: str | None) -> "MessageTree":
        """With another head."""
        return MessageTree(self.messages, head)

    def get(self, message_id: str) -> Message | None:
        """A message by its id."""
        return next((message for message in self.messages if message.id == message_id), None)

    def versions(self, message_id: str) -> tuple[Message, ...]:
        """A message and those that stand for it: of the same role under the same parent, oldest first."""
        chosen = self.get(message_id)
        if chosen is None:
            return ()
        return tuple(
            message
            for message in self.messages
            if message.parent_id == chosen.parent_id and message.role == chosen.role
        )

    def end_below(self, message_id: str) -> str:
        """Where the conversation through a message went on to: its newest descendant along the newest children."""
        newest = {message.parent_id: message.id for message in self.messages if message.parent_id is not None}
        seen = {message_id}
        while message_id in newest and newest[message_id] not in seen:
            message_id = newest[message_id]
            seen.add(message_id)
        return message_id

    def without(self, message_id: str) -> "MessageTree":
        """Without a message and all that follows it.

        When the head was among them another version takes its place, the one before it first, or else what the
        message followed.
        """
        chosen = self.get(message_id)
        if chosen is None:
            return self
        gone = {message_id}
        for message in self.messages:
            if message.parent_id in gone:
                gone.add(message.id)
        left = MessageTree(tuple(message for message in self.messages if message.id not in gone), self.head)
        if self.head not in gone:
            return left
        others = [message.id for message in self.versions(message_id)]
        place = others.index(message_id)
        near = [*reversed(others[:place]), *others[place + 1 :]]
        return left.at(left.end_below(near[0]) if near else chosen.parent_id)
