"""Answers laid side by side: scrolled together, figures and settings beneath, and what differs word by word."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from llmtui.app import format as fmt
from llmtui.app.actions import ACTIONS, bindings, footer_actions
from llmtui.app.screens.scoped import ReadingScreen
from llmtui.app.widgets.answer_columns import AnswerColumns
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.domain.text import visible
from llmtui.services.answers import ShownAnswer
from llmtui.services.word_diff import Stretch, word_diff

LEGEND = "≠ differs between the answers"
DIFF_LEGEND = "struck out: only in the marked answer · underlined: only here"


class SideBySideScreen(ReadingScreen[ShownAnswer | None]):
    """Lies over what it was opened from. Dismisses with the answer that the chat is to go on with, or None.

    Args:
        title: what is compared.
        answers: at least one; more than fit are scrolled by columns.
        mark: number of the answer that is marked first.
        may_go_on: a chat can go on with one of them.

    Attributes:
        with_model: the chat is to go on with that answer's model, too.
    """

    SCOPE = "side"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "side")]
    DEFAULT_CSS = """
    SideBySideScreen {
        #side-header { background: $surface; padding: 0 1; }
        #side-remark { padding: 0 1; color: $text-muted; }
        AnswerColumns { margin: 0 0 0 1; }
    }
    """

    def __init__(self, title: str, answers: Sequence[ShownAnswer], *, mark: int = 0, may_go_on: bool = False) -> None:
        super().__init__()
        self._title = title
        self._answers = tuple(answers)
        self._first_mark = mark
        self._may_go_on = may_go_on
        self._diffing = False
        self.with_model = False

    def compose(self) -> ComposeResult:
        """Title, columns, a remark, the keys."""
        yield Bar(id="side-header")
        yield AnswerColumns(id="side-columns")
        yield Bar(id="side-remark")
        hidden = set() if self._may_go_on else {"side_go_on", "side_go_on_model"}
        shown = [action for action in footer_actions(self.app.actions, "side") if action.id not in hidden]
        yield FooterBar(shown)

    def on_mount(self) -> None:
        """Show the answers from their beginning."""
        self._columns = self.pane = self.query_one(AnswerColumns)
        self._columns.show(self._answers, mark=self._first_mark)
        self._captions()

    @property
    def answers(self) -> tuple[ShownAnswer, ...]:
        """Those shown, first to last."""
        return self._columns.answers

    @property
    def marked(self) -> ShownAnswer:
        """The marked answer."""
        return self._columns.answers[self._columns.mark]

    @property
    def legend(self) -> str:
        """What the signs mean, while nothing else is to be said."""
        return DIFF_LEGEND if self._diffing else LEGEND

    def replace(self, at: int, answer: ShownAnswer) -> None:
        """An answer has grown, or has ended; call it two to three times a second at most."""
        self._columns.replace(at, answer)
        self._header()

    def say(self, text: str) -> None:
        """Show a remark below the columns, until something else is to be said there."""
        self.query_one("#side-remark", Bar).show(Content.styled(fmt.name(text), "$warning"))

    def _captions(self) -> None:
        self._header()
        self.query_one("#side-remark", Bar).show(Content.styled(self.legend, "$text-muted"))

    def _header(self) -> None:
        view, count = self._columns, len(self._columns.answers)
        shown = view.in_view
        parts = [f"answers {shown.start + 1} to {shown.stop} of {count}" if len(shown) < count else f"{count} answers"]
        parts += [] if view.linked else ["unlinked"]
        parts += ["diff"] if self._diffing else []
        self.query_one("#side-header", Bar).show(
            Content.styled(fmt.name(self._title), "bold $primary"), Content.styled(" · ".join(parts), "$text-muted")
        )

    @on(AnswerColumns.Marked)
    def _marked(self) -> None:
        if self._diffing:
            self._compare()
        self._captions()

    # Keys

    def action_side_left(self) -> None:
        """Mark the answer to the left."""
        self._columns.move_mark(-1)

    def action_side_right(self) -> None:
        """Mark the answer to the right."""
        self._columns.move_mark(1)

    def action_side_details(self) -> None:
        """Go to figures and settings, or back."""
        self._columns.toggle_details()

    def action_side_prompt(self) -> None:
        """The whole prompt, or its head."""
        self._columns.toggle_prompt()

    def action_side_thoughts(self) -> None:
        """Open or fold thoughts."""
        self._columns.toggle_thoughts()

    def action_side_link(self) -> None:
        """Scroll the marked answer alone, or all together."""
        self._columns.linked = not self._columns.linked
        self._captions()

    def action_side_copy(self) -> None:
        """Copy the marked answer."""
        text = visible(self.marked.content)
        self.app.copy_to_clipboard(text)
        self.say(f"copied {len(text):,} characters")

    def action_side_diff(self) -> None:
        """How the others differ from the marked answer, or all as they are."""
        self._diffing = not self._diffing
        if self._diffing:
            self._compare()
        else:
            self._columns.compare({})
        self._captions()

    def _compare(self) -> None:
        self.run_worker(self._compare_all(), group="diff", exclusive=True, exit_on_error=False)

    async def _compare_all(self) -> None:
        base, mark = self.marked.content, self._columns.mark
        found: dict[int, tuple[Stretch, ...]] = {}
        for at, answer in enumerate(self._columns.answers):
            if at != mark:
                found[at] = await asyncio.to_thread(word_diff, visible(base), visible(answer.content))
        if self._diffing and self._columns.mark == mark:
            self._columns.compare(found)

    def action_side_go_on(self) -> None:
        """Let the chat go on with the marked answer."""
        if self._may_go_on:
            self.dismiss(self.marked)
        else:
            self.say("These are answers of a run; a chat cannot go on with them")

    def action_side_go_on_model(self) -> None:
        """Let the chat go on with the marked answer, and with the model that gave it."""
        self.with_model = True
        self.action_side_go_on()

    def action_side_leave(self) -> None:
        """Go back."""
        self.dismiss(None)
