"""Working on the messages of the conversation: one is marked, keys change it or go between its versions."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from llmtui.app.actions import Action
from llmtui.app.controller import ChatController
from llmtui.app.view import ChatView
from llmtui.domain.messages import Message
from llmtui.errors import UsageError

if TYPE_CHECKING:
    from llmtui.services.thread import Thread


_NOT_OF_NOTES = frozenset(
    {"version_before", "version_after", "message_again", "message_continue", "message_branch", "message_fork"}
)


class Browser:
    """The mark over the messages, and what its keys do. Each action's id is the name of the method that runs it.

    Args:
        controller: whose conversation it is.
        view: shows the mark.
        actions: the registry with the user's keys.
        changed: called when it begins, ends, or asks for an edited text.
        fork: called to have the marked message's question answered by another model.
    """

    def __init__(
        self,
        controller: ChatController,
        view: ChatView,
        actions: Sequence[Action],
        changed: Callable[[], None],
        fork: Callable[[], None],
    ) -> None:
        self.actions = tuple(action for action in actions if action.scope == "messages")
        self._controller = controller
        self._view = view
        self._changed = changed
        self._fork = fork
        self._marked: str | None = None
        self._doomed: str | None = None
        self._edited: str | None = None

    @property
    def active(self) -> bool:
        """Whether a message is marked and keys go to it."""
        return self._marked is not None

    @property
    def marked(self) -> str | None:
        """Id of the marked message."""
        return self._marked

    @property
    def edited(self) -> Message | None:
        """The message whose text is being changed in the input line."""
        thread = self._thread
        shown = thread.shown if thread is not None else ()
        return next((message for message in shown if message.id == self._edited), None)

    def begin(self) -> None:
        """Mark the last message; the one before when one is marked already."""
        thread = self._thread
        if self.active:
            self.do("message_up")
        elif thread is None or not thread.messages:
            self._view.say("There are no messages yet")
        elif self._controller.running:
            self._view.say("An answer is being written; stop it first")
        else:
            self._mark(thread.messages[-1].id)

    def end(self) -> None:
        """Take the mark away; typing goes to the input line again."""
        if self._marked is not None:
            self._marked = self._doomed = None
            self._view.mark(None)
            self._changed()

    def shown(self, entry_ids: Collection[str]) -> None:
        """Other entries are on the screen: the mark and the edit go with their message."""
        if self._marked is not None and self._marked not in entry_ids:
            self.end()
        if self._edited is not None and self.edited is None:
            self.give_up_edit()

    def run(self, key: str) -> bool:
        """Do what a key stands for; False when it stands for nothing here."""
        action = next((action for action in self.actions if key in action.key.split(",")), None)
        if action is None:
            return False
        self.do(action.id)
        return True

    def do(self, action_id: str) -> None:
        """Run one of the actions; what cannot be done is said."""
        if action_id != "message_remove":
            self._doomed = None
        thread = self._thread
        message = next((m for m in thread.shown if m.id == self._marked), None) if thread else None
        if message is None:
            self.end()
            return
        if message.role == "system" and action_id in _NOT_OF_NOTES:
            self._view.say("That cannot be done with a note or a system message")
            return
        try:
            getattr(self, action_id)(message)
        except UsageError as error:
            self._view.say(str(error))

    def save_edit(self, text: str) -> bool:
        """Take the changed text as a new version; a question is asked again with it. False where that cannot be."""
        thread, message_id = self._thread, self._edited
        if thread is None or message_id is None:
            return False
        try:
            fresh = thread.edit(message_id, text)
        except UsageError as error:
            self._view.say(str(error))
            return False
        self._edited = None
        self._controller.show_conversation()
        if fresh.role == "user":
            self._controller.resend()
        self._changed()
        return True

    def give_up_edit(self) -> None:
        """Leave the message as it is."""
        self._edited = None
        self._changed()

    # What the keys do

    def message_up(self, message: Message) -> None:
        """To the message before."""
        self._step(message, -1)

    def message_down(self, message: Message) -> None:
        """To the message after; behind the last one, back to the input line."""
        self._step(message, 1)

    def version_before(self, message: Message) -> None:
        """Show the older version."""
        self._turn(message, -1)

    def version_after(self, message: Message) -> None:
        """Show the newer version."""
        self._turn(message, 1)

    def message_again(self, message: Message) -> None:
        """Answer anew: this answer's question, or this question."""
        thread = self._free()
        if message.role == "user":
            thread.end_at(message.id)
            self.end()
            self._controller.show_conversation()
            self._controller.resend()
            return
        if message.id != thread.messages[-1].id:
            thread.end_at(message.id)
        self.end()
        self._controller.regenerate()

    def message_continue(self, message: Message) -> None:
        """Have an answer continued where it ends."""
        thread = self._free()
        if message.role != "assistant":
            raise UsageError("A question is not continued", remedy="Choose an answer")
        if message.id != thread.messages[-1].id:
            thread.end_at(message.id)
        self.end()
        self._controller.go_on()

    def message_edit(self, message: Message) -> None:
        """Put its text into the input line; sending it makes a new version."""
        self.end()
        self._edited = message.id
        self._changed()

    def message_branch(self, message: Message) -> None:
        """Let the conversation end here: what is sent next stands beside what followed."""
        self._needed().end_at(message.id)
        self.end()
        self._controller.show_conversation()
        self._view.say("The conversation goes on from here; what followed stays as another version")

    def message_fork(self, message: Message) -> None:  # noqa: ARG002 - the mark tells which
        """Have its question answered by another model, too."""
        self._fork()

    def message_remove(self, message: Message) -> None:
        """Remove it and what follows, when it is pressed twice."""
        thread = self._needed()
        if self._doomed != message.id:
            self._doomed = message.id
            ids = [each.id for each in thread.messages]
            after = len(ids) - 1 - ids.index(message.id) if message.id in ids else 0
            what = "this message" if not after else f"this message and the {after:,} that follow"
            self._view.say(f"Press the key again to remove {what}")
            return
        self._doomed = None
        thread.remove(message.id)
        self._view.say("Removed; the chat's file keeps what was there")
        if thread.messages:
            self._show_marked(thread.messages[-1].id)
        else:
            self._controller.show_conversation()

    def message_copy(self, message: Message) -> None:
        """Copy its text."""
        self._view.copy(message.content)

    def message_leave(self, message: Message) -> None:  # noqa: ARG002 - as every action
        """Back to the input line."""
        self.end()

    @property
    def _thread(self) -> "Thread | None":
        session = self._controller.session
        return session.thread if session is not None else None

    def _needed(self) -> "Thread":
        thread = self._thread
        if thread is None:
            raise UsageError("There is no conversation", remedy="Send a question first")
        return thread

    def _free(self) -> "Thread":
        """The conversation, when the model can answer in it now."""
        if self._controller.busy:
            raise UsageError("The model is busy", remedy="Stop it first, or wait")
        return self._needed()

    def _step(self, message: Message, by: int) -> None:
        ids = [each.id for each in self._needed().shown]
        at = ids.index(message.id) + by
        if at >= len(ids):
            self.end()
        elif at >= 0:
            self._mark(ids[at])

    def _turn(self, message: Message, by: int) -> None:
        thread = self._needed()
        versions = thread.tree.versions(message.id)
        at = next(at for at, version in enumerate(versions) if version.id == message.id) + by
        if not 0 <= at < len(versions):
            self._view.say(
                "There is no other version on that side" if len(versions) > 1 else "There is one version only"
            )
            return
        thread.show_version(versions[at].id)
        self._show_marked(versions[at].id)

    def _show_marked(self, message_id: str) -> None:
        """Show the conversation as it now is, with the mark on one of its messages."""
        self._marked = message_id
        self._controller.show_conversation()
        self._view.mark(message_id)

    def _mark(self, message_id: str) -> None:
        begins = self._marked is None
        self._marked = message_id
        if begins:
            self._controller.show_conversation()
            self._changed()
        self._view.mark(message_id)
