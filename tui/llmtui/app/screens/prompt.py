"""The prompt inspector: what the model is sent, token by token, and what differs between two prompts."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from llmtui.app import prompt_captions as captions
from llmtui.app.actions import ACTIONS, Action, bindings, footer_actions
from llmtui.app.render.token_rows import Cell, Flow, Table, Title, difference_items, items_of
from llmtui.app.screens.scoped import ReadingScreen
from llmtui.app.widgets.bar import Bar, FooterBar
from llmtui.app.widgets.line_input import LineInput
from llmtui.app.widgets.token_view import TokenView
from llmtui.domain.prompt_diff import Difference, differences
from llmtui.domain.rendered import Rendered
from llmtui.services.inspection import Inspected, Subject, find_places, inspect, subjects

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from llmtui.domain.templates import NamedTemplate
    from llmtui.services.session import ChatSession
    from llmtui.services.wiring import Services

FIRST_TOKENS = 4_000
"""Laid out before the first paint: more than any screen shows."""
MORE_TOKENS = 20_000
View = Literal["text", "ids", "diff"]


class Conversing(Protocol):
    """Whoever has a conversation, and a model that answers."""

    services: "Services"

    @property
    def session(self) -> "ChatSession | None":
        """The conversation; None until the program is up."""


class PromptScreen(ReadingScreen[None]):
    """Lies over the chat; what it shows is asked of the engine, and nothing is generated.

    Args:
        controller: whose conversation and model it is.
        draft: what stands in the input line.
        actions: the registry with the user's keys.
    """

    SCOPE = "prompt"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS, "prompt")]
    DEFAULT_CSS = """
    PromptScreen {
        #prompt-header, #prompt-counts { background: $surface; padding: 0 1; }
        #prompt-remark { padding: 0 1; color: $text-muted; }
        #prompt-search { display: none; background: $panel; padding: 0 1; }
        &.-searching #prompt-search { display: block; }
    }
    """

    def __init__(self, controller: Conversing, draft: str, actions: Sequence[Action]) -> None:
        super().__init__()
        self._controller = controller
        self._draft = draft
        self._actions = tuple(actions)
        self._subjects: tuple[Subject, ...] = ()
        self._at = 0
        self._view: View = "text"
        self._inspected: Inspected | None = None
        self._other: tuple[str, Inspected] | None = None
        self._differences: list[Difference] = []
        self._places: list[range] = []
        self._place = 0
        self._note = ""

    def compose(self) -> ComposeResult:
        """Which prompt, its counts, the tokens, a remark, the search line, the keys."""
        yield Bar(id="prompt-header")
        yield Bar(id="prompt-counts")
        yield TokenView(id="prompt-tokens")
        yield Bar(id="prompt-remark")
        yield LineInput(id="prompt-search", placeholder="search, Enter goes on")
        yield FooterBar(footer_actions(self._actions, "prompt"))

    def on_mount(self) -> None:
        """Begin with the next prompt; everything slow comes after the first paint."""
        self._tokens = self.pane = self.query_one(TokenView)
        session = self._controller.session
        self._subjects = subjects(session) if session is not None else (Subject(),)
        self._at = len(self._subjects) - 1
        self._captions()
        self.call_after_refresh(self._load)

    def on_resize(self) -> None:
        """Wrap again, keeping the token at the top."""
        if self._inspected is not None:
            self.call_after_refresh(lambda: self._lay_out(self._tokens.first_place))

    # What is shown

    @property
    def rendered(self) -> Rendered | None:
        """The prompt that is shown."""
        return self._inspected.rendered if self._inspected else None

    def _work(self, group: str, work: "Callable[..., Coroutine[object, object, None]]", *args: object) -> None:
        """Work in the background, in place of what the same group was doing."""
        self.run_worker(partial(work, *args), group=group, exclusive=True, exit_on_error=False)

    def _load(self) -> None:
        self._work("prompt", self._inspect, self._subjects[self._at])

    async def _inspect(self, subject: Subject) -> None:
        self._inspected, self._other, self._places, self._note = None, None, [], ""
        self._captions()
        self._inspected = await self._asked(subject)
        if self._view == "diff":
            await self._compare_with_before()
        self._lay_out()

    async def _asked(self, subject: Subject, template: "NamedTemplate | None" = None) -> Inspected:
        session, engine = self._controller.session, self._controller.services.host.engine
        if session is None:
            return Inspected(subject=subject)
        return await inspect(session, engine, subject, self._draft, template=template)

    async def _compare_with_before(self) -> None:
        if not self._at:
            self._view = "text"
            self.say("There is no turn before it to compare with")
            return
        before = self._subjects[self._at - 1]
        if not await self._compare(captions.subject(before), await self._asked(before)):
            self._view = "text"

    async def _compare(self, name: str, other: Inspected, *, other_last: bool = False) -> bool:
        """Find what differs from another prompt, which comes first unless it is what this one might become."""
        here, there = self.rendered, other.rendered
        if here is None or there is None:
            if other.error is not None:
                self.say(str(other.error))
            return False
        pair = (here, there) if other_last else (there, here)
        self._differences = await asyncio.to_thread(differences, *(_keys(rendered) for rendered in pair))
        self._other = (name, other)
        self._pair = pair
        return True

    def _lay_out(self, place: int = 0) -> None:
        self._captions()
        self._work("layout", self._lay_out_all, place)

    async def _lay_out_all(self, place: int) -> None:
        """Show the beginning at once, or as far as a token; the rest comes behind, in a thread."""
        rendered = self.rendered
        if rendered is None:
            self._tokens.show(None)
            return
        if self._view == "ids" and rendered.ids:
            self._tokens.show(Table(rendered), place=place)
            return
        items: Iterator[Cell | Title] = items_of(rendered)
        if self._view == "diff" and self._other is not None:
            items = difference_items(*self._pair, self._differences)
        flow = Flow(items, self._tokens.columns)
        more = await asyncio.to_thread(flow.more, place + FIRST_TOKENS)
        self._tokens.show(flow, place=place)
        while more:
            more = await asyncio.to_thread(flow.more, MORE_TOKENS)
            self._tokens.grown()

    def _captions(self) -> None:
        header, counts = self.query_one("#prompt-header", Bar), self.query_one("#prompt-counts", Bar)
        other = self._other[0] if self._other and self._view == "diff" else None
        header.show(*captions.header(self._subjects, self._at, self._inspected, self._draft, other))
        counts.show(captions.counts(self._inspected))
        told = captions.said(self._note) if self._note else captions.remark(self._inspected, self._view)
        self.query_one("#prompt-remark", Bar).show(told)

    def say(self, text: str) -> None:
        """Show a remark in its line, until another prompt or view is shown."""
        self._note = text
        self.query_one("#prompt-remark", Bar).show(captions.said(text))

    # Keys

    def action_prompt_before(self) -> None:
        """The prompt of the turn before."""
        self._turn_to(self._at - 1)

    def action_prompt_after(self) -> None:
        """The prompt of the turn after."""
        self._turn_to(self._at + 1)

    def _turn_to(self, at: int) -> None:
        if 0 <= at < len(self._subjects):
            self._at = at
            self._load()
        else:
            self.say("There is no earlier turn" if at < 0 else "This is the next prompt")

    def action_prompt_view(self) -> None:
        """Text, or tokens with ids."""
        if self.rendered is not None and not self.rendered.ids:
            self.say("This engine tells the text only, not its tokens")
            return
        place = 0 if self._view == "diff" else self._tokens.first_place
        self._view, self._note = ("text" if self._view == "ids" else "ids"), ""
        self._lay_out(place)

    def action_prompt_diff(self) -> None:
        """What differs from the turn before, or the text again."""
        if self._view == "diff":
            self._view, self._note = "text", ""
            self._lay_out()
            return
        self._view, self._note = "diff", ""
        self._work("prompt", self._show_difference)

    async def _show_difference(self) -> None:
        await self._compare_with_before()
        if self._view == "diff":
            self._lay_out()

    def action_prompt_template(self) -> None:
        """Choose a template to compare with."""
        from llmtui.app.screens.templates import TemplatePicker  # noqa: PLC0415 - seldom needed

        def picked(template: "NamedTemplate | None") -> None:
            if template is not None:
                self._work("prompt", self._try, template)

        self.app.push_screen(TemplatePicker(self._controller.services), picked)

    async def _try(self, template: "NamedTemplate") -> None:
        name = f"template {template.name}"
        other = await self._asked(self._subjects[self._at], template)
        if await self._compare(name, other, other_last=True):
            self._view = "diff"
            self._lay_out()

    def action_prompt_change(self) -> None:
        """Where the cache ends."""
        rendered = self.rendered
        if rendered is None or rendered.cached is None:
            self.say("This engine does not tell what its cache holds")
            return
        if self._view == "diff":
            self._view = "text"
            self._lay_out(rendered.cached)
        at = rendered.cached if rendered.miss is None else rendered.miss
        self._tokens.find(range(at, at + 1))
        self.say(captions.change(rendered))

    def action_prompt_message(self) -> None:
        """The next message."""
        self._message(1)

    def action_prompt_message_before(self) -> None:
        """The message before."""
        self._message(-1)

    def _message(self, step: int) -> None:
        starts = [segment.start for segment in self.rendered.segments] if self.rendered else []
        here = self._tokens.first_place
        near = [start for start in starts if (start > here if step > 0 else start < here)]
        if near and self._view != "diff":
            self._tokens.go_to(near[0] if step > 0 else near[-1])

    def action_prompt_copy(self) -> None:
        """Copy what is shown."""
        rendered = self.rendered
        if rendered is None:
            return
        if self._view == "diff" and self._other is not None:
            self.app.chat.copy(captions.difference_text(*self._pair, self._differences))
        else:
            self.app.chat.copy(" ".join(map(str, rendered.ids)) if self._view == "ids" else rendered.text)

    def action_prompt_leave(self) -> None:
        """Leave the search line, or the inspector."""
        if self.has_class("-searching"):
            self.remove_class("-searching")
            self.set_focus(None)
            self._tokens.find(range(0))
        else:
            self.dismiss(None)

    # Search

    def action_prompt_search(self) -> None:
        """Open the search line."""
        if self.rendered is None:
            return
        if self._view == "diff":
            self._view = "text"
            self._lay_out()
        self.add_class("-searching")
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self, message: Input.Changed) -> None:
        if self.rendered is not None:
            self._places = find_places(self.rendered, message.value)
            here = self._tokens.first_place
            self._place = next((at for at, place in enumerate(self._places) if place.start >= here), 0)
            self._show_place()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.remove_class("-searching")
        self.set_focus(None)
        self._show_place()

    def action_prompt_next(self) -> None:
        """The next place found."""
        self._place += 1
        self._show_place()

    def action_prompt_previous(self) -> None:
        """The place found before."""
        self._place -= 1
        self._show_place()

    def _show_place(self) -> None:
        if not self._places:
            self._tokens.find(range(0))
            self.say("Not found" if self.query_one(Input).value else "Nothing was searched for yet: / does")
            return
        self._place %= len(self._places)
        self._tokens.find(self._places[self._place])
        self.say(f"{self._place + 1:,} of {len(self._places):,}")

    @on(TokenView.Clicked)
    def _clicked(self, message: TokenView.Clicked) -> None:
        if self.rendered is not None and self.rendered.ids and self._view != "diff":
            self.say(captions.token(self.rendered, message.place))


def _keys(rendered: Rendered) -> Sequence[object]:
    """What two prompts are compared by: tokens, or lines where there are none."""
    return rendered.ids or tuple(rendered.text.splitlines(keepends=True))
