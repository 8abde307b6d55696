"""The notebook: one large text that the model goes on with, or fills a gap in."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static, TextArea

from llmtui.app import captions
from llmtui.app import notebook_captions as told
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.screens.scoped import CoveringScreen
from llmtui.app.widgets.bar import Bar, FooterBar, Rule
from llmtui.app.widgets.notebook_area import NotebookArea
from llmtui.domain.text import visible, visible_line
from llmtui.errors import UsageError
from llmtui.services.prompting import GAP

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer

    from llmtui.app.controller import ChatController
    from llmtui.app.notebook import NotebookDesk
    from llmtui.domain.events import Failed, Notice
    from llmtui.errors import LlmtuiError
    from llmtui.services.notebook import Notebook

STREAM_S = 1 / 3
"""Between two repaints of what is being written, as in the chat."""
IDLE_S = 0.5
SAVE_S = 0.7
"""What was typed is on its way to the disk this soon: under the second that a kill may cost."""
COUNT_S = 0.25
SAY_S = 4.0


class NotebookScreen(CoveringScreen[None]):
    """Lies over the chat, which goes on when it is left; the notebook stays open on its desk.

    Args:
        desk: the notebook, and the model's writing in it.
        controller: the chat's: its model and profile are used.
        actions: the registry with the user's keys.
    """

    SCOPE = "notebook"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "notebook")]
    DEFAULT_CSS = """
    NotebookScreen {
        #notebook-header { background: $surface; padding: 0 1; }
        #notebook-text { width: 1fr; height: 1fr; }
        #notebook-problem { display: none; height: auto; max-height: 4; padding: 0 1; color: $error; }
        #notebook-problem.-shown { display: block; }
        #notebook-status { padding: 0 1; color: $text-muted; }
    }
    """

    def __init__(self, desk: "NotebookDesk", controller: "ChatController", actions: Sequence[Action]) -> None:
        super().__init__()
        self._desk = desk
        self._controller = controller
        self._actions = tuple(actions)
        self._again: str | None = None
        self._saying: Timer | None = None
        self._save_timer: Timer | None = None
        self._count_timer: Timer | None = None
        self._text_size = captions.NOTHING

    def compose(self) -> ComposeResult:
        """Model and settings, the text, what went wrong, figures, the text's size, keys."""
        yield Bar(id="notebook-header")
        yield NotebookArea(id="notebook-text", placeholder=told.placeholder(self._key), mark=GAP)
        yield Static(id="notebook-problem", markup=False)
        yield Bar(id="notebook-status")
        yield Rule(id="notebook-rule")
        yield FooterBar(footer_actions(self._actions, "notebook"))

    def on_mount(self) -> None:
        """Show the notebook as it was left."""
        self._area = self.query_one(NotebookArea)
        self._area.focus()
        self._beat = self.set_interval(STREAM_S, self._stream, pause=True)
        self.set_interval(IDLE_S, self._idle)
        self._desk.view = self
        self.show_notebook()

    def on_unmount(self) -> None:
        """Put the notebook aside."""
        if self._desk.view is self:
            self._desk.view = None

    def on_resize(self) -> None:
        """The lines are as wide as the terminal."""
        self.call_after_refresh(self._captions)

    def on_screen_resume(self) -> None:
        """Another model or profile may have been chosen."""
        self._count_later()
        self._captions()

    def show_notebook(self) -> None:
        """Show the notebook that lies on the desk now, from its end."""
        notebook = self._desk.notebook
        self._problem(None)
        self._area.load_text(notebook.text)
        self._area.mark_written(notebook.generated)
        self._area.move_cursor(self._area.document.end)
        if notebook.session.damaged:
            self.say(f"{notebook.session.damaged:,} lines of its file cannot be read")
        self._count_later()
        self._captions()

    # What the desk tells

    def writing_ended(self, failure: "Failed | LlmtuiError | None", remarks: "tuple[Notice, ...]") -> None:
        """The model has stopped: what came is part of the text now."""
        notebook = self._desk.notebook
        self._beat.pause()
        self._area.end_writing(notebook.text, notebook.generated)
        self._problem(failure, remarks)
        if failure is None:
            head = notebook.head
            if head is not None and head.role == "assistant" and not head.content:
                self.say("The model ended the text here: nothing was added")
            elif self._again is not None and head is not None and head.content == self._again:
                self.say("The same came again: temperature is 0, or the seed is fixed")
        self._again = None
        self._count_later()
        self._captions()

    def say(self, text: str) -> None:
        """Show a short remark that goes away by itself."""
        if self._saying is not None:
            self._saying.stop()
        rule = self.query_one(Rule)
        rule.remark(Content.styled(visible_line(text), "$warning"))
        self._saying = self.set_timer(SAY_S, partial(rule.remark, captions.NOTHING))

    def _problem(self, failure: "Failed | LlmtuiError | None", remarks: "Sequence[Notice]" = ()) -> None:
        line = self.query_one("#notebook-problem", Static)
        shown = told.problem(failure, remarks)
        line.update(shown)
        line.set_class(bool(shown), "-shown")

    # Figures

    def _stream(self) -> None:
        running = self._desk.notebook.running
        if running is not None:
            self._area.write_on(running)
        self._captions()

    def _idle(self) -> None:
        if not self._desk.running:
            self._desk.notebook.session.retry_save()
            self._captions()

    def _captions(self) -> None:
        notebook, controller, running = self._desk.notebook, self._controller, self._desk.running
        self.query_one("#notebook-header", Bar).show(
            *told.header(controller, self.size.width, self.app.operations.running)
        )
        status = self.query_one("#notebook-status", Bar)
        live = None
        if running:
            live = controller.figures.snapshot(notebook.session, controller.loaded, loading=False)
        status.show(told.status(notebook, live, status.content_size.width))
        self._show_rule()
        stop = [told.stopping(action) for action in self._actions if action.id == "notebook_leave" and running]
        shown = [action for action in footer_actions(self._actions, "notebook") if not stop or action.id != stop[0].id]
        self.query_one(FooterBar).show(shown, stop)

    def _show_rule(self) -> None:
        hint = told.hint(self._area.text, running=self._desk.running, key=self._key)
        self.query_one(Rule).show(hint, self._text_size)

    def _key(self, action_id: str) -> str:
        return self._controller.key(action_id)

    # The text changes

    @on(TextArea.Changed)
    def _changed(self, message: TextArea.Changed) -> None:
        message.stop()
        if self._save_timer is None and not self._desk.running:
            self._save_timer = self.set_timer(SAVE_S, self.save)
            if self._area.text != self._desk.notebook.text:
                self._problem(None)
        self._count_later()
        self._show_rule()

    @on(NotebookArea.Refused)
    def _refused(self) -> None:
        self.say(f"The model is writing: {self._key('notebook_leave')} stops it")

    def save(self) -> None:
        """Give the notebook the text as it is, so that it is kept."""
        if self._save_timer is not None:
            self._save_timer.stop()
            self._save_timer = None
        if not self._desk.running:
            self._desk.notebook.note(self._area.text)
            self._captions()

    def _count_later(self) -> None:
        if self._count_timer is not None:
            self._count_timer.stop()
        self._count_timer = self.set_timer(COUNT_S, self._count)

    def _count(self) -> None:
        if not self._desk.running:
            self.run_worker(self._count_text(), group="count", exclusive=True, exit_on_error=False)

    async def _count_text(self) -> None:
        notebook, text = self._desk.notebook, self._area.text
        if not text.strip():
            self._text_size = captions.NOTHING
        else:
            notebook.take(self._controller.wanted)
            self._text_size = captions.draft(await notebook.count(text), sign="")
        self._captions()

    # Actions

    def action_notebook_write(self) -> None:
        """Have the model go on, or fill the gap."""
        if not self._cannot_write():
            self.save()
            text = self._area.text
            start = text.find(GAP) if GAP in text else len(text)
            self._begin(self._desk.write, start, start + len(GAP) if GAP in text else start)

    def action_notebook_again(self) -> None:
        """Have it written anew."""
        if self._cannot_write():
            return
        self.save()
        written, head = self._desk.notebook.generated, self._desk.notebook.head
        if head is None or head.role == "user":
            self.action_notebook_write()
        elif written is None:
            self.say(f"The text was changed since: {self._key('notebook_undo')} first takes back what the model wrote")
        else:
            self._again = head.content
            self._begin(self._desk.again, *written)

    def _begin(self, begin: "Callable[[], None]", start: int, end: int) -> None:
        self._problem(None)
        self._area.begin_writing(start, end)
        begin()
        self._beat.reset()
        self._beat.resume()
        self._captions()

    def _is_writing(self) -> bool:
        if self._desk.running:
            self._refused()
        return self._desk.running

    def _cannot_write(self) -> bool:
        loading = self._controller.loading
        if loading is not None and not self._controller.answers:
            self.say(f"{loading.name} is still being loaded")
            return True
        return self._is_writing()

    def action_notebook_gap(self) -> None:
        """Put a gap at the cursor, in place of the one there was."""
        if not self._is_writing():
            self._area.put_once(GAP)

    def action_notebook_undo(self) -> None:
        """Go back to before the model wrote."""
        self._move(lambda notebook: notebook.undo())

    def action_notebook_redo(self) -> None:
        """Forward again."""
        self._move(lambda notebook: notebook.redo())

    def action_notebook_older(self) -> None:
        """The older version."""
        self._move(lambda notebook: notebook.show_version(-1))

    def action_notebook_newer(self) -> None:
        """The newer version."""
        self._move(lambda notebook: notebook.show_version(1))

    def _move(self, move: "Callable[[Notebook], None]") -> None:
        if self._is_writing():
            return
        self.save()
        self._problem(None)
        notebook = self._desk.notebook
        try:
            move(notebook)
        except UsageError as error:
            self.say(f"{error.title}. {error.remedy}" if error.remedy else error.title)
        else:
            self._area.show_text(notebook.text, notebook.generated)
            self._captions()

    def action_notebook_copy(self) -> None:
        """Copy the whole text."""
        text = self._area.text
        self.app.copy_to_clipboard(text)
        self.say(told.copied(text))

    def action_notebook_prompt(self) -> None:
        """Show what the model is sent, and was sent."""
        from llmtui.app.screens.prompt import PromptScreen  # noqa: PLC0415 - seldom needed

        self.save()
        if not self._desk.running:
            self._desk.notebook.take(self._controller.wanted)
        self.app.push_screen(PromptScreen(self._desk, self._area.text, self._actions))

    def action_notebook_editor(self) -> None:
        """Edit the text in the user's own editor."""
        from llmtui.app.editor import edited_outside  # noqa: PLC0415 - seldom needed

        if self._is_writing():
            return
        before = self._area.text
        text, problem = edited_outside(self.app, before)
        if problem is not None:
            self.say(problem)
        elif text != before.rstrip("\n"):  # editors end a file with a line feed, which is no change
            self._area.show_text(visible(text))

    def action_notebook_new(self) -> None:
        """Begin an empty notebook."""
        self.save()
        self.run_worker(self._new(), group="notebook", exit_on_error=False)

    async def _new(self) -> None:
        await self._desk.new()
        self.show_notebook()

    def action_notebook_history(self) -> None:
        """Open an earlier notebook, or a chat."""
        self.save()
        self.app.chat.action_open_history()

    def action_notebook_model(self) -> None:
        """Choose a model."""
        self.app.chat.action_pick_model()

    def action_notebook_profile(self) -> None:
        """Choose a profile."""
        self.app.chat.action_pick_profile()

    def action_notebook_reload(self) -> None:
        """Load the model again."""
        self.app.chat.action_reload_model()

    def action_notebook_leave(self) -> None:
        """Stop the model, or go back to the chat."""
        if self._desk.running:
            self.app.chat.spawn(self._desk.stop(), "notebook-stop")
        else:
            self.save()
            self.dismiss(None)
