"""Grading: one answer after another with its question and rubric, a key a grade, the model hidden until then."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input

from llmtui.app import format as fmt
from llmtui.app import grading_entries as build
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.entries import error_entry, notice_entry
from llmtui.app.screens.scoped import ReadingScreen
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.line_input import LineInput
from llmtui.app.widgets.transcript_view import TranscriptView
from llmtui.domain.grades import scale_text
from llmtui.errors import LlmtuiError
from llmtui.services.runs.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from llmtui.services.wiring import Services

LONGEST_NOTE = 500
LEAVE_S = 2.0
"""How long leaving waits for a grade on its way to the disk."""


class GradingScreen(ReadingScreen[None]):
    """Every grade is on the disk before the next answer is shown.

    Args:
        services: the parts of the program.
        actions: the registry with the user's keys.
        path: of one run; None takes all that the user keeps, the newest first.
    """

    SCOPE = "grading"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "grading")]
    DEFAULT_CSS = """
    GradingScreen {
        #grading-header, #grading-scale { background: $surface; padding: 0 1; }
        #grading-answer { width: 1fr; height: 1fr; }
        #grading-remark { padding: 0 1; color: $warning; }
        #grading-note { display: none; background: $panel; padding: 0 1; }
        &.-noting #grading-note { display: block; }
    }
    """

    def __init__(self, services: "Services", actions: Sequence[Action], path: Path | None = None) -> None:
        super().__init__()
        self._desk = Desk(services.folders, path)
        self._actions = tuple(actions)
        self._note = ""
        self._typed = ""
        self._revealed = self._opened = self._all = self._busy = False
        self._idle = asyncio.Event()

    def compose(self) -> ComposeResult:
        """Which answer, the answer, a remark, the grades, the note, the keys."""
        yield Bar(id="grading-header")
        yield TranscriptView(id="grading-answer")
        yield Bar(id="grading-remark")
        yield Bar(id="grading-scale")
        yield LineInput(
            id="grading-note",
            placeholder="a note on this answer, Enter keeps it",
            max_length=LONGEST_NOTE,
            select_on_focus=False,
        )
        yield FooterBar(footer_actions(self._actions, "grading"))

    def on_mount(self) -> None:
        """Look for answers behind the first paint."""
        self._view = self.pane = self.query_one(TranscriptView)
        self._view.set_entries([notice_entry("looking", "Looking for answers that wait …", "")])
        self._captions()
        self._work(self._desk.open())

    # What is shown

    def _work(self, work: "Coroutine[object, object, object]") -> None:
        """Do one thing at the desk, then show what lies there; keys meanwhile are not taken."""
        if self._busy:
            work.close()
            return
        self._busy = True
        self._idle.clear()
        self.run_worker(self._done(work), exit_on_error=False)

    async def _done(self, work: "Coroutine[object, object, object]") -> None:
        try:
            await work
        except LlmtuiError as error:
            self._view.set_entries([error_entry("problem", error)])
            self._captions()
            return
        finally:
            self._busy = False
            self._idle.set()
        self._show_answer()
        self.run_worker(self._look_on(), group="behind", exclusive=True, exit_on_error=False)

    async def _look_on(self) -> None:
        """What takes longer, behind the answer that is shown: whether its sample was changed, and the other runs."""
        if await self._desk.match():
            self._captions()
        try:
            while await self._desk.look_on():
                self._captions()
        except LlmtuiError as error:
            self.say(str(error))
        self._captions()

    def _show_answer(self) -> None:
        self._note = self._typed = ""
        self._revealed = self._desk.answer is not None and self._desk.answer.grade is not None
        self._show()
        self._view.action_scroll_home()
        self.say((self._desk.problem and f"not saved yet: {self._desk.problem}") or self._desk.remark)

    def _show(self) -> None:
        """Show what lies there, scrolled as it was."""
        answer, y = self._desk.answer, self._view.scroll_y
        if answer is None:
            leave, all_ = self.key("grade_leave"), self.key("grade_all")
            told = f"{leave} goes back, {all_} takes in what has a grade already."
            self._view.set_entries(build.closing_entries(self._desk, told))
        else:
            self._view.set_entries(build.answer_entries(answer, revealed=self._revealed, opened=self._opened))
        self._view.scroll_to(y=y, animate=False)
        self._captions()

    def _captions(self) -> None:
        answer = self._desk.answer
        self.query_one("#grading-header", Bar).show(*build.header(self._desk))
        line = build.scale_line(answer, self._typed, self._note) if answer is not None else (Content(""), None)
        self.query_one("#grading-scale", Bar).show(*line)

    def say(self, text: str) -> None:
        """Show a remark in its line, until something else is done."""
        self.query_one("#grading-remark", Bar).show(Content(fmt.name(text)))

    # Grades

    def on_key(self, event: events.Key) -> None:
        """A grade, or a sign of one."""
        answer = self._desk.answer
        if answer is None or self._busy or self.has_class("-noting"):
            return
        character = event.character or ""
        if len(character) == 1 and (character in "0123456789" or (character == "-" and not self._typed)):
            event.stop()
            event.prevent_default()
            if build.is_short(answer.scorer):
                self._give(character)
            else:
                self._typed += character
                self._captions()
        elif self._typed and event.key in {"enter", "backspace", "escape"}:
            event.stop()
            event.prevent_default()
            typed, self._typed = self._typed, self._typed[:-1] if event.key == "backspace" else ""
            self._captions()
            if event.key == "enter":
                self._give(typed)

    def _give(self, typed: str) -> None:
        answer = self._desk.answer
        scale = answer.scorer.scale if answer is not None else ()
        grade = int(typed) if typed.removeprefix("-") else None
        if grade not in scale or grade is None:
            self.say(f"{typed} is no grade here: choose one of {scale_text(scale)}")
            return
        before = answer.grade.explanation if answer is not None and answer.grade is not None else ""
        self._work(self._desk.grade(grade, self._note or before))

    def action_grade_give(self) -> None:
        """Tell how to grade."""
        if self._desk.answer is not None:
            self.say(f"Type the grade itself: {scale_text(self._desk.answer.scorer.scale)}")

    def action_grade_skip(self) -> None:
        """The next answer."""
        self._work(self._desk.go(1))

    def action_grade_back(self) -> None:
        """The answer before."""
        if self._desk.at:
            self._work(self._desk.go(-1))
        else:
            self.say("This is the first one")

    def action_grade_reveal(self) -> None:
        """Which model answered."""
        if self._desk.answer is not None:
            self._revealed = True
            self._show()
            self.say(f"answered by {self._desk.answer.record.model}")

    def action_grade_thoughts(self) -> None:
        """Open or fold what the model thought."""
        answer = self._desk.answer
        if answer is None:
            return
        if not answer.record.reasoning:
            self.say("This answer came without thoughts")
            return
        self._opened = not self._opened
        self._show()

    def action_grade_all(self) -> None:
        """With the answers that have a grade, or without."""
        if not self._busy:
            self._all = not self._all
            self._work(self._desk.open(graded=self._all))

    # Notes

    def action_grade_note(self) -> None:
        """Open the line for a note."""
        answer = self._desk.answer
        if answer is not None and not self._busy:
            field = self.query_one(Input)
            field.value = self._note or (answer.grade.explanation if answer.grade is not None else "")
            field.cursor_position = len(field.value)
            self.add_class("-noting")
            field.focus()

    @on(Input.Submitted)
    def _noted(self, message: Input.Submitted) -> None:
        self._close_note()
        answer = self._desk.answer
        if answer is not None and answer.grade is not None:
            self._work(self._desk.note(message.value))
            return
        self._note = message.value.strip()
        self._captions()

    def _close_note(self) -> None:
        self.remove_class("-noting")
        self.set_focus(None)

    # Moving and leaving

    async def action_grade_leave(self) -> None:
        """Leave the note, or grading."""
        if self.has_class("-noting"):
            self._close_note()
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), LEAVE_S)
        self.workers.cancel_node(self)
        try:
            await self._desk.close()
        except LlmtuiError as error:
            self.app.chat.add_entry(error_entry("grading", error))
        self.dismiss(None)
