"""Beginning a run: which sets, which models, with which profile, how often; what that comes to shows as one chooses."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from llmtui.app import format as fmt
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.run_form import (
    MODEL_COLUMNS,
    NUMBERS,
    SET_COLUMNS,
    NumberField,
    Setting,
    amount,
    listed_source,
    number,
)
from llmtui.app.screens.run_lists import RunLists
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.line_input import LineInput
from llmtui.app.widgets.mark_list import MarkList
from llmtui.domain.text import visible_line

if TYPE_CHECKING:
    from llmtui.app.controller import ChatController
    from llmtui.services.runs.preparing import Source

Start = Callable[[Setting], Coroutine[object, object, str | None]]
"""Begins the run; returns what stands in the way, in words, or None."""


class RunSetup(RunLists):
    """Lies over the chat; it closes when the run begins.

    Args:
        controller: of the chat, whose profile is the first choice.
        sources: conversations that can be asked.
        start: begins the run.
        begin_with: keys of sources that are marked at once; else the last run's choice is.
        actions: the registry with the user's keys.
    """

    SCOPE = "run_setup"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (78, "-wide")]  # noqa: RUF012 - as Textual declares it
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings(ACTIONS, "run_setup"),
        Binding("up", "move('up')", show=False, priority=True),
        Binding("down", "move('down')", show=False, priority=True),
        Binding("pageup", "move('page_up')", show=False, priority=True),
        Binding("pagedown", "move('page_down')", show=False, priority=True),
        # As Textual has them, but what is typed right behind one goes into the next field.
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    RunSetup {
        layout: vertical; background: $background; overflow: hidden;
        #setup-header { background: $surface; padding: 0 1; }
        #setup-lists { height: 1fr; padding: 0 1; }
        #setup-models { margin-left: 2; }
        #setup-fields { height: 1; padding: 0 1; }
        #setup-fields Horizontal { width: auto; height: 1; }
        #setup-fields .stretched { width: 1fr; }
        &.-narrow #setup-fields { layout: vertical; height: 2; }
        #setup-fields Static { width: auto; color: $text-muted; }
        #setup-fields Input { background: $panel; margin: 0 2 0 1; }
        #setup-fields Input.-wrong { color: $error; text-style: bold; }
        #setup-profile { width: 1fr; min-width: 7; }
        #setup-fields #setup-seed { margin: 0 0 0 1; }
        #setup-code { padding: 0 1; color: $text-muted; }
        #setup-remark { padding: 0 1; height: auto; min-height: 1; max-height: 3; color: $text-muted; }
        #setup-remark.-error { color: $error; }
    }
    """

    def __init__(
        self,
        controller: "ChatController",
        sources: "Sequence[Source]",
        start: Start,
        actions: Sequence[Action],
        *,
        begin_with: Sequence[str] = (),
    ) -> None:
        super().__init__(controller)
        self._sources = tuple(sources)
        self._start = start
        self._begin_with = tuple(begin_with)
        self._actions = tuple(actions)
        self._sets += [listed_source(source) for source in sources]
        self._allow_code = False
        self._warned = self._busy = False

    def compose(self) -> ComposeResult:
        """What it comes to, the two lists, the numbers, the code, a remark, the keys."""
        yield Bar(id="setup-header")
        with Horizontal(id="setup-lists"):
            yield MarkList("Prompt sets", "type to filter, or a path", SET_COLUMNS, id="setup-sets")
            yield MarkList("Models", "type to filter, or a path", MODEL_COLUMNS, id="setup-models")
        with Horizontal(id="setup-fields"):
            with Horizontal(classes="stretched"):
                yield Static("profile", markup=False)
                yield _entry("setup-profile", fmt.name(self._controller.profile.name))
                yield from _number_entries(NUMBERS[:2])
            with Horizontal():
                yield from _number_entries(NUMBERS[2:])
        yield Bar(id="setup-code")
        yield Static(id="setup-remark", markup=False)
        yield FooterBar(footer_actions(self._actions, "run_setup"))

    def on_mount(self) -> None:
        """Take the keyboard; what is slow comes by and by."""
        self._set_list = self.query_one("#setup-sets", MarkList)
        self._model_list = self.query_one("#setup-models", MarkList)
        self._set_list.query_one(Input).focus()
        self._recall()
        for find in (self._find_sets, self._find_models, self._find_served, self._look_at_memory, self._probe):
            self.run_worker(find(), exit_on_error=False)
        self._tell()

    def _recall(self) -> None:
        """What the last run was begun with, or what the caller wants."""
        self._last = last = self._controller.bookmarks.run
        self._set_list.choose(self._begin_with or last.sets)
        present = self._controller.services.host.wanted
        self._model_list.choose(last.models or ((present.name,) if present is not None else ()))
        values = {"profile": last.profile, "epochs": last.epochs, "limit": last.limit, "seed": last.seed}
        values["parallel"] = last.parallel if last.parallel > 1 else None
        for name, value in values.items():
            self.query_one(f"#setup-{name}", Input).value = "" if value is None else str(value)

    # What is chosen

    def _numbers(self) -> dict[str, int | None]:
        """The numbers of the form.

        Raises:
            ValueError: one of them is none.
        """
        return {field.name: number(field, self.query_one(f"#setup-{field.name}", Input).value) for field in NUMBERS}

    def _setting(self) -> Setting:
        """Everything that is chosen.

        Raises:
            ValueError: what is missing or wrong, for people.
        """
        given, chosen = self._numbers(), self._set_list.chosen
        profile = self.query_one("#setup-profile", Input).value.strip() or None
        if profile is not None and self._profiles and profile not in self._profiles and "/" not in profile:
            key = self.key("pick_profile")
            raise ValueError(f"profile: there is none called {visible_line(profile)}; {key} in the chat lists them")
        if not chosen:
            raise ValueError("mark a prompt set: Enter on its row")
        if not self._model_list.chosen:
            raise ValueError("mark a model: Tab to the models, Enter on its row")
        return Setting(
            sets=tuple(key for key in chosen if not key.startswith("<")),
            sources=tuple(key.strip("<>") for key in chosen if key.startswith("<")),
            models=self._model_list.chosen,
            infos=tuple(self._models[name] for name in self._model_list.chosen),
            profile=profile,
            epochs=given["epochs"],
            parallel=given["parallel"] or 1,
            limit=given["limit"],
            seed=given["seed"],
            allow_code=self._allow_code,
            warned=self._warned,
        )

    def _tell(self) -> None:
        """What the choice comes to, and what is wrong with it."""
        for field in NUMBERS:
            self.query_one(f"#setup-{field.name}", Input).set_class(not self._is_right(field), "-wrong")
        title, told = Content.styled("Run prompt sets", "bold $primary"), ""
        try:
            given = self._numbers()
            marked = set(self._set_list.chosen)
            sets = [one for one in self._sets if one.key in marked]
            told = amount(sets, len(self._model_list.chosen), given["epochs"], given["limit"])
            self._setting()
        except ValueError as error:
            self._say(str(error), error=not str(error).startswith("mark"))
        else:
            self._say(f"{self.key('setup_start')} begins the run")
        self.query_one("#setup-header", Bar).show(title, Content.styled(told, "$text-muted"))
        self.query_one("#setup-code", Bar).show(self._about_code())

    def _is_right(self, field: NumberField) -> bool:
        try:
            number(field, self.query_one(f"#setup-{field.name}", Input).value)
        except ValueError:
            return False
        return True

    def _about_code(self) -> Content:
        key = self.key("setup_code")
        if self._allow_code:
            return Content.assemble(("code in answers runs, in a sandbox", "$warning"), f" · {key} leaves it")
        if self._no_sandbox is not None:
            return Content(f"code in answers cannot be run: {fmt.name(self._no_sandbox)}")
        return Content(f"code in answers is not run, its samples wait · {key} runs it in a sandbox")

    def _say(self, text: str, *, error: bool = False) -> None:
        remark = self.query_one("#setup-remark", Static)
        remark.set_class(error, "-error")
        remark.update(visible_line(text))

    @on(Input.Changed)
    @on(MarkList.Changed)
    def _changed(self) -> None:
        self._warned = False
        self._tell()

    @on(Input.Submitted)
    def _next_field(self) -> None:
        self.focus_next()

    @on(MarkList.Refused)
    def _refused(self, message: MarkList.Refused) -> None:
        self._say(message.problem, error=True)

    @on(MarkList.Typed)
    def _typed(self, message: MarkList.Typed) -> None:
        work = self._add_file(message.text) if message.sender is self._set_list else self._add_model(message.text)
        self.run_worker(work, group="typed", exclusive=True, exit_on_error=False)

    # Keys
    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an error that background work did not foresee, instead of a traceback."""
        if event.state is WorkerState.ERROR:
            self._busy = False
            self._say(f"{type(event.worker.error).__name__}: {event.worker.error}", error=True)

    def action_move(self, how: str) -> None:
        """Move the cursor of the list whose filter has the keyboard."""
        models = self._model_list.has_focus_within
        (self._model_list if models else self._set_list).move(how)

    def action_setup_code(self) -> None:
        """Run the code in answers, or leave it."""
        if self._no_sandbox is not None:
            self._say(f"Code in answers cannot be run safely here: {self._no_sandbox}", error=True)
            return
        self._allow_code = not self._allow_code
        self._tell()

    def action_setup_start(self) -> None:
        """Begin the run, once nothing stands in its way."""
        if self._busy:
            return
        try:
            setting = self._setting()
        except ValueError as error:
            self._say(str(error), error=True)
            return
        self._busy = True
        self._say("reading the sets …")
        self.run_worker(self._begin(setting), group="begin", exit_on_error=False)

    async def _begin(self, setting: Setting) -> None:
        try:
            problem = await self._start(setting)
        finally:
            self._busy = False
        if problem is not None and self.is_attached:
            self._say(problem, error=True)
            self._warned = True

    def action_setup_past(self) -> None:
        """Look at the runs of the past."""
        self.dismiss(None)
        self.app.chat.action_past_runs()

    def action_setup_leave(self) -> None:
        """Back to the chat."""
        self.dismiss(None)


def _number_entries(fields: Sequence[NumberField]) -> Iterator[Widget]:
    for field in fields:
        yield Static(field.name, markup=False)
        entry = _entry(f"setup-{field.name}", field.empty)
        entry.styles.width = field.width
        yield entry


def _entry(name: str, placeholder: str) -> Input:
    return LineInput(placeholder=placeholder, select_on_focus=False, id=name)
