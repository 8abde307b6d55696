"""A transcript view by itself, in an app that has nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from llmtui.app.widgets.transcript_view import Entry, TranscriptView

HOSTILE = "\x1b]52;c;aGk=\x07 \x1b[2J [red]x[/] [@click=app.quit]x[/] \x9b2J"


class Host(App[None]):
    BINDINGS = [  # noqa: RUF012 - Textual's idiom
        ("pageup", "view('page_up')"),
        ("pagedown", "view('page_down')"),
        ("home", "view('scroll_home')"),
        ("end", "view('scroll_end')"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.follows: list[bool] = []

    def compose(self) -> ComposeResult:
        yield TranscriptView()

    async def action_view(self, action: str) -> None:
        await self.run_action(action, self.query_one(TranscriptView))

    def on_transcript_view_follow_changed(self, message: TranscriptView.FollowChanged) -> None:
        self.follows.append(message.following)


@asynccontextmanager
async def view(size: tuple[int, int] = (40, 12)) -> AsyncIterator[tuple[TranscriptView, Host, Pilot[None]]]:
    app = Host()
    async with app.run_test(size=size) as pilot:
        widget = app.query_one(TranscriptView)
        await pilot.pause()
        yield widget, app, pilot


def shown(widget: TranscriptView) -> list[str]:
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


def painted(app: App[None]) -> list[str]:
    """What the compositor would send, less the scrollbar: lines that were not marked as changed show their old text.

    The scrollbar's column is all that the compositor's rows have beyond the view's text.
    """
    return [strip.crop(0, app.size.width - 1).text.rstrip() for strip in app.screen._compositor.render_strips()]


def user(number: int, text: str = "question") -> Entry:
    return Entry(f"u{number}", "user", "you", text)


def answer(number: int, text: str, footer: str | None = "1 tok/s") -> Entry:
    return Entry(f"a{number}", "assistant", "model", text, footer)


def stream(widget: TranscriptView, text: str, step: int) -> None:
    for end in range(step, len(text) + step, step):
        widget.stream_text(text[:end])
