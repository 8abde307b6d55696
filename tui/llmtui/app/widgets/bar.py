"""One-line widgets: the header, the status line, the rule above the input, warnings, and the footer."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from llmtui.app.actions import Action

LEAST_LEFT = 20
"""Columns of the rule's left part that say enough, when it must be cut."""


class Bar(Widget):
    """One line with a left and a right part; the left one is cut when both do not fit."""

    DEFAULT_CSS = """
    Bar { height: 1; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._left = Content("")
        self._right = Content("")

    def show(self, left: Content, right: Content | None = None) -> None:
        """Set both parts; repaint only when something changed."""
        right = right or Content("")
        if left == self._left and right == self._right:
            return
        self._left, self._right = left, right
        self.refresh()

    @property
    def text(self) -> str:
        """What stands there, for tests and for screen readers of logs."""
        return f"{self._left.plain} {self._right.plain}".strip()

    def render(self) -> Content:
        """Both parts on one line."""
        width = self.content_size.width
        right = self._right
        if right and self._left.cell_length + right.cell_length + 2 > width:
            room = max(width - self._left.cell_length - 2, width // 3)
            right = right.truncate(max(0, room), ellipsis=True)
        left = self._left.truncate(max(0, width - right.cell_length - (2 if right else 0)), ellipsis=True)
        gap = max(0, width - left.cell_length - right.cell_length)
        return Content.assemble(left, " " * gap, right)


class Rule(Bar):
    """The line between conversation and input, with both parts set into it, and for a while a remark instead."""

    _remark = Content("")

    def remark(self, remark: Content) -> None:
        """Show this in place of both parts; nothing brings them back."""
        self._remark = remark
        self.refresh()

    def render(self) -> Content:
        """A rule; the left part is cut when both do not fit, and goes when little of it would be left."""
        width = self.content_size.width
        if self._remark:
            said = self._set_in(self._remark.truncate(max(1, width - 5), ellipsis=True), width)
            return Content.assemble(said, ("─" * max(0, width - said.cell_length), "$border"))
        right = self._set_in(self._right, width)
        left = self._left
        room = width - right.cell_length - 1
        if left.cell_length + 4 > room >= LEAST_LEFT + 4:
            left = left.truncate(room - 4, ellipsis=True)
        left = self._set_in(left, room)
        rule = "─" * max(0, width - left.cell_length - right.cell_length)
        return Content.assemble(left, (rule, "$border"), right)

    def _set_in(self, part: Content, room: int) -> Content:
        if not part or part.cell_length + 4 > room:
            return Content("")
        return Content.assemble(("─ ", "$border"), part, (" ─", "$border"))


class FooterBar(Widget):
    """Keys and what they do; those that matter now come first. A click runs the action."""

    DEFAULT_CSS = """
    FooterBar { height: 1; width: 1fr; color: $text-muted; background: $surface; padding: 0 1; }
    """

    class Pressed(Message):
        """An action was clicked."""

        def __init__(self, action: Action) -> None:
            super().__init__()
            self.action = action

    def __init__(self, actions: Sequence[Action], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._actions = tuple(actions)
        self._urgent: tuple[Action, ...] = ()
        self._places: list[tuple[int, int, Action]] = []

    def show(self, actions: Sequence[Action], urgent: Sequence[Action] = ()) -> None:
        """Set what is shown: `urgent` first and stressed."""
        if (self._actions, self._urgent) == (tuple(actions), tuple(urgent)):
            return
        self._actions, self._urgent = tuple(actions), tuple(urgent)
        self.refresh()

    def render(self) -> Content:
        """As many actions as fit."""
        width = self.content_size.width
        parts: list[tuple[str, str]] = []
        self._places = []
        x = 0
        shown = [*self._urgent, *(action for action in self._actions if action not in self._urgent)]
        for action in shown:
            length = cell_len(action.key_short) + 1 + cell_len(action.label)
            if x + length > width:
                continue
            stressed = action in self._urgent
            parts += [
                (action.key_short, "bold $warning" if stressed else "bold $primary"),
                (f" {action.label}", "$warning" if stressed else "$text-muted"),
                ("  ", "$text-muted"),
            ]
            self._places.append((x, x + length, action))
            x += length + 2
        return Content.assemble(*parts).truncate(width)

    def on_click(self, event: events.Click) -> None:
        """Run the action under the pointer."""
        x = event.x - self.styles.padding.left
        for start, end, action in self._places:
            if start <= x < end:
                self.post_message(self.Pressed(action))
