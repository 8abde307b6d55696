"""The chat screen: how the conversation, the profiler and the input line lie, and what the keys do."""

from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.worker import Worker, WorkerState

from llmtui.app import captions
from llmtui.app.actions import ACTIONS, Action, Scope, bindings, footer_actions
from llmtui.app.browsing import Browser
from llmtui.app.controller import ChatController
from llmtui.app.entries import EXAMPLES, failure_entry
from llmtui.app.notebook import NotebookDesk
from llmtui.app.screens.forking import ForkingScreen
from llmtui.app.screens.grading_start import GradingStart
from llmtui.app.screens.history_behind import HistoryBehind
from llmtui.app.screens.operations_behind import OperationsBehind
from llmtui.app.screens.system_editing import SystemEditing
from llmtui.app.widgets.bar import Bar, FooterBar, Rule
from llmtui.app.widgets.composer import Composer
from llmtui.app.widgets.profiler_panel import ProfilerPanel
from llmtui.app.widgets.transcript_view import Entry, TranscriptView
from llmtui.domain.text import visible_line

if TYPE_CHECKING:
    from textual.timer import Timer

    from llmtui.app.app import LlmtuiApp
    from llmtui.services.wiring import Services

STREAM_S = 1 / 3
"""Between two repaints of a running answer: seldom enough to leave the processor to the model."""
PANEL_S = 0.5
IDLE_S = 2.0
DRAFT_S = 0.25
"""Pause in typing after which the draft is counted."""

SAY_S = 4.0
"""A remark stands on the rule above the input line for so long: it covers nothing that is being written."""

PLACEHOLDER = "Ask something. Enter sends, Ctrl+J begins a new line."


class ChatScreen(HistoryBehind, OperationsBehind, GradingStart, ForkingScreen, SystemEditing):
    """The one screen that is always there.

    Args:
        services: the parts that do the work.
        actions: the registry with the user's keys.
        model, chat: see `LlmtuiApp`.
    """

    app: "LlmtuiApp"
    SCOPE: ClassVar[Scope] = "chat"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "chat")]
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as Textual declares it
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-low"), (22, "-high")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    ChatScreen {
        layout: vertical; background: $background; overflow: hidden;
        #header { background: $surface; padding: 0 1; }
        #middle { height: 1fr; }
        #transcript { width: 1fr; height: 1fr; }
        #profiler { display: none; }
        #status { padding: 0 1; color: $text-muted; }
        #warning { padding: 0 1; color: $warning; text-style: bold; display: none; }
        #warning.-shown { display: block; }
        &.-wide.-high { #profiler { display: block; } #status { display: none; } }
        #composer { padding: 0 1; }
        &.-no-profiler, &.-wide.-high.-no-profiler { #profiler, #status { display: none; } }
    }
    """

    def __init__(
        self, services: "Services", actions: Sequence[Action], *, model: str | None = None, chat: Path | None = None
    ) -> None:
        super().__init__()
        self.actions = tuple(actions)
        self.controller = ChatController(services, self, self.actions)
        self.desk = NotebookDesk(self.controller, self.spawn)
        self._first = (model, chat)
        self._beats: list[Timer] = []
        self._draft_timer: Timer | None = None
        self._saying: Timer | None = None
        self._draft = ""
        self._browser = Browser(self.controller, self, self.actions, self.browsing_changed, fork=self.action_fork_turn)
        self._example = -1
        self._draft_size = captions.NOTHING
        self._down = False

    def compose(self) -> ComposeResult:
        """Header, conversation beside profiler, status, warning, rule, input, footer."""
        yield Bar(id="header")
        with Horizontal(id="middle"):
            yield TranscriptView(id="transcript")
            yield ProfilerPanel(id="profiler")
        yield Bar(id="status")
        yield Bar(id="warning")
        yield Rule(id="rule")
        yield Composer(id="composer", placeholder=PLACEHOLDER)
        yield FooterBar(footer_actions(self.actions), id="footer")

    def on_mount(self) -> None:
        """Take the keyboard; everything slow begins after the first paint."""
        self._transcript = self.query_one(TranscriptView)
        self._composer = self.query_one(Composer)
        self._composer.focus()
        self._beats = [
            self.set_interval(STREAM_S, self._stream, pause=True),
            self.set_interval(PANEL_S, self._sample, pause=True),
        ]
        self.set_interval(IDLE_S, self._idle)
        self.state_changed()
        self.call_after_refresh(self._begin)

    @property
    def draft(self) -> str:
        """What stands in the input line; nothing while a message is edited there."""
        return "" if self._browser.edited is not None else self._composer.draft

    def _begin(self) -> None:
        self.app.first_paint_done()
        model, chat = self._first
        self.spawn(self.start(model, chat), "model")

    def on_resize(self) -> None:
        """Fold and unfold by the terminal's size."""
        self._show_header()
        self.call_after_refresh(self._show_figures)

    async def shut_down(self) -> None:
        """End what goes on behind the chat, put the chat away and unload the model; once."""
        if not self._down:
            self._down = True
            await self.runs.close()
            await self.app.operations.close()
            await self.stop_fork()
            await self.desk.close()
            await self.controller.close()

    # The controller's view

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Replace the whole conversation."""
        self._transcript.set_entries(entries)
        self._browser.shown([entry.id for entry in entries])

    def add_entry(self, entry: Entry) -> None:
        """Append one entry."""
        self._transcript.append_entry(entry)
        self.tell_notebook(entry)

    def change_entry(self, entry: Entry) -> None:
        """Show an entry in place of the one with its id."""
        self._transcript.change_entry(entry)

    def begin_answer(self, entry_id: str, label: str) -> None:
        """An answer starts to stream: the timers run."""
        self.add_entry(Entry(entry_id, "assistant", label, "", None))
        self._transcript.begin_stream(entry_id)
        for timer in self._beats:
            timer.reset()
            timer.resume()

    def end_answer(self, entry: Entry | None) -> None:
        """The answer is complete: the timers rest."""
        for timer in self._beats:
            timer.pause()
        self._transcript.end_stream(entry)
        self._count_later(self._draft)

    def give_back(self, text: str) -> None:
        """Put text that could not be sent before what is being typed; behind an edit, for when that ends."""
        if self._editing is not None:
            self._own_draft = "\n".join(part for part in (text, self._own_draft) if part)
        else:
            self._composer.set_draft("\n".join(part for part in (text, self._composer.draft) if part))

    def recall(self, questions: Sequence[str]) -> None:
        """What was asked before, for the input line's history."""
        self._composer.set_history(list(questions))

    def say(self, text: str) -> None:
        """Show a short remark that goes away by itself."""
        if self._saying is not None:
            self._saying.stop()
        rule = self.query_one(Rule)
        rule.remark(Content.styled(visible_line(text), "$warning"))
        self._saying = self.set_timer(SAY_S, partial(rule.remark, captions.NOTHING))

    def spawn(self, work: Coroutine[object, object, None], group: str) -> None:
        """Run work in the background; its errors are shown as notices."""
        self.run_worker(work, group=group, exit_on_error=False)

    def state_changed(self) -> None:
        """Bring header, warning, footer and figures up to date."""
        controller = self.controller
        self._show_header()
        self._show_warning()
        urgent = []
        if controller.running or controller.pending is not None or controller.loading is not None:
            urgent.append("stop")
        if controller.dead:
            urgent.append("reload_model")
        if self._browser.active:
            self.query_one(FooterBar).show(footer_actions(self.actions, "messages"))
            self._show_figures()
            return
        by_id = {action.id: action for action in self.actions}
        shown = [action for action in footer_actions(self.actions) if action.id != "stop"]
        self.query_one(FooterBar).show(shown, [by_id[name] for name in urgent])
        self._show_figures()

    # Timers

    def _stream(self) -> None:
        self._transcript.stream_text(self.controller.shown_so_far)

    def _sample(self) -> None:
        self.controller.note_rate()
        self._show_figures()
        self._show_header()
        self._show_warning()

    def _show_warning(self) -> None:
        problem = self.controller.save_problem
        warning = self.query_one("#warning", Bar)
        warning.set_class(problem is not None, "-shown")
        if problem is not None:
            warning.show(captions.warning(problem))

    def _idle(self) -> None:
        if not self.controller.running:
            session = self.controller.session
            if session is not None and session.save_problem is not None:
                session.retry_save()
            self.state_changed()

    def _show_header(self) -> None:
        self.query_one("#header", Bar).show(
            *captions.header(self.controller, self.size.width, self.app.operations.running)
        )

    def _show_figures(self) -> None:
        snapshot = self.controller.snapshot()
        panel = self.query_one(ProfilerPanel)
        if panel.display:
            panel.show(snapshot)
        status = self.query_one("#status", Bar)
        if status.display:
            status.show(captions.status(snapshot, status.content_size.width))

    # Messages

    @on(Composer.Submitted)
    def _submitted(self, message: Composer.Submitted) -> None:
        self._count_later("")
        if self._browser.edited is not None:
            if not self._browser.save_edit(message.text):
                self._composer.set_draft(message.text)
        else:
            self.controller.submit(message.text)

    @on(Composer.DraftChanged)
    def _draft_changed(self, message: Composer.DraftChanged) -> None:
        self._count_later(message.text)

    @on(TranscriptView.FollowChanged)
    def _follow_changed(self) -> None:
        self._show_rule(self._draft_size)

    @on(FooterBar.Pressed)
    async def _pressed(self, message: FooterBar.Pressed) -> None:
        if message.action.scope == "messages":
            self._browser.do(message.action.id)
        else:
            await self.run_action(
                message.action.call if message.action.scope == "chat" else f"app.{message.action.call}"
            )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error that background work did not foresee, instead of a traceback."""
        if event.state is WorkerState.ERROR:
            self.add_entry(failure_entry(f"failure-{id(event.worker)}", event.worker.error))
            self.state_changed()

    # The draft's size

    def _count_later(self, draft: str) -> None:
        self._draft = draft
        if self._draft_timer:
            self._draft_timer.stop()
        if draft.strip():
            self._draft_timer = self.set_timer(DRAFT_S, self._count)
        else:
            self._show_rule(captions.NOTHING)

    def recount(self) -> None:
        """Count the draft again."""
        self._count_later(self._draft)

    def _count(self) -> None:
        self.run_worker(self._count_draft(self._draft), group="draft", exclusive=True, exit_on_error=False)

    async def _count_draft(self, draft: str) -> None:
        session = self.controller.session
        if session is None:
            return
        counted = await session.count_draft(draft)
        if draft == self._draft:
            self._show_rule(captions.draft(counted))

    def _show_rule(self, draft_size: Content) -> None:
        self._draft_size = draft_size
        hint = captions.NOTHING if self._transcript.following else captions.more_below(self.controller)
        if self._browser.edited is not None:
            hint = captions.editing(self._browser.edited, self.controller)
        self.query_one(Rule).show(hint, draft_size)

    def messages_changed(self) -> None:
        """The mark came or went, or an edit began or ended."""
        self._show_rule(self._draft_size)
        self.state_changed()

    # Actions

    def action_stop(self) -> None:
        """Give up an edit, or stop the answer."""
        if self._browser.edited is not None:
            self._browser.give_up_edit()
            return
        self.spawn(self.controller.stop(), "stop")

    def action_new_chat(self) -> None:
        """Begin an empty chat."""
        self.spawn(self.controller.new_chat(), "chat")

    def action_resend(self) -> None:
        """Answer the last question again."""
        self.controller.resend()

    def action_next_example(self) -> None:
        """Put the next example question into the input line, unless the user's own words stand there."""
        draft = self._composer.draft
        if draft.strip() and draft not in EXAMPLES:
            self.say("An example would replace your text; send or delete it first")
            return
        self._example = (self._example + 1) % len(EXAMPLES)
        self._composer.set_draft(EXAMPLES[self._example])

    def action_copy_answer(self) -> None:
        """Copy the last answer."""
        answer = self.controller.last_answer
        if answer:
            self.copy(answer)
        else:
            self.say("There is no answer to copy yet")

    def action_toggle_profiler(self) -> None:
        """Show or hide the profiler."""
        self.toggle_class("-no-profiler")
        self.call_after_refresh(self._show_figures)

    def action_inspect_prompt(self) -> None:
        """Show what the model is sent."""
        from llmtui.app.screens.prompt import PromptScreen  # noqa: PLC0415 - not needed for the first paint

        self.app.push_screen(PromptScreen(self.controller, self._composer.draft, self.actions))

    def action_toggle_thoughts(self) -> None:
        """Open or fold what the models thought."""
        self.controller.toggle_thoughts()

    def action_scroll_up(self) -> None:
        """Scroll the conversation up."""
        self._transcript.action_page_up()

    def action_scroll_down(self) -> None:
        """Scroll the conversation down."""
        self._transcript.action_page_down()

    def action_scroll_top(self) -> None:
        """Go to the start."""
        self._transcript.action_scroll_home()

    def action_scroll_end(self) -> None:
        """Go to the end."""
        self._transcript.action_scroll_end()
