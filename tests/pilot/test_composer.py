from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.pilot import Pilot

from llmtui.app.widgets.composer import Composer
from llmtui.app.widgets.transcript_view import TranscriptView

FAMILY = "👨\u200d👩\u200d👧"


class Host(App[None]):
    CSS = "Vertical { height: 1fr; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [Binding(f"ctrl+{key}", f"note('{key}')") for key in "otrgnpy"]  # noqa: RUF012 - Textual's idiom

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.drafts: list[str] = []
        self.notes: list[str] = []

    def compose(self) -> ComposeResult:
        yield Vertical()
        yield Composer(placeholder="Ask something")

    def on_composer_submitted(self, message: Composer.Submitted) -> None:
        self.sent.append(message.text)

    def on_composer_draft_changed(self, message: Composer.DraftChanged) -> None:
        self.drafts.append(message.text)

    def action_note(self, key: str) -> None:
        self.notes.append(key)


@asynccontextmanager
async def composer(size: tuple[int, int] = (60, 24)) -> AsyncIterator[tuple[Composer, Host, Pilot[None]]]:
    app = Host()
    async with app.run_test(size=size) as pilot:
        widget = app.query_one(Composer)
        widget.focus()
        await pilot.pause()
        yield widget, app, pilot


async def paste(widget: Composer, pilot: Pilot[None], text: str) -> None:
    widget.post_message(events.Paste(text))
    await pilot.pause()


async def test_enter_sends_and_empties() -> None:
    async with composer() as (widget, app, pilot):
        await pilot.press(*"hi", "enter")
        assert app.sent == ["hi"]
        assert widget.text == ""
        await pilot.press("space", "enter")
        assert app.sent == ["hi"]


async def test_newline_keys_break_the_line() -> None:
    async with composer() as (widget, app, pilot):
        await pilot.press("a", "ctrl+j", "b", "shift+enter", "c", "alt+enter", "d")
        assert widget.text == "a\nb\nc\nd"
        assert app.sent == []


async def test_it_grows_to_six_rows_and_shrinks_again() -> None:
    async with composer() as (widget, _, pilot):
        assert widget.size.height == 1
        await pilot.press("ctrl+j", "ctrl+j")
        await pilot.pause()
        assert widget.size.height == 3
        await pilot.press(*["ctrl+j"] * 9, "x")
        await pilot.pause()
        assert widget.size.height == 6
        await pilot.press("enter")
        await pilot.pause()
        assert widget.size.height == 1


async def test_on_a_low_screen_it_takes_a_third_at_most() -> None:
    async with composer((60, 9)) as (widget, _, pilot):
        await pilot.press(*["ctrl+j"] * 9)
        await pilot.pause()
        assert widget.size.height == 3


async def test_up_and_down_walk_through_what_was_sent_and_keep_the_draft() -> None:
    async with composer() as (widget, _, pilot):
        await pilot.press(*"one", "enter", "t", "ctrl+j", "w", "enter", *"draft")
        await pilot.press("up")
        assert widget.text == "t\nw"
        await pilot.press("up")
        assert widget.text == "t\nw", "the second row goes to the first before the history"
        await pilot.press("up")
        assert widget.text == "one"
        await pilot.press("up")
        assert widget.text == "one"
        await pilot.press("down", "down")
        assert widget.text == "draft"


async def test_a_long_paste_is_folded_and_sent_whole() -> None:
    text = "第一行\r\n" + "x" * 12_000
    async with composer() as (widget, app, pilot):
        await pilot.press("a", "space")
        await paste(widget, pilot, text)
        await pilot.press("space", "b")
        assert widget.text.replace("\u00a0", " ") == "a [pasted 12,004 characters #1] b"
        assert app.drafts[-1] == f"a 第一行\n{'x' * 12_000} b"
        await pilot.press("enter")
        assert app.sent == [f"a 第一行\n{'x' * 12_000} b"]
        await pilot.press("up")
        assert len(widget.text) < 100
        await pilot.press("enter")
        assert app.sent[1] == app.sent[0]


async def test_many_lines_are_folded_and_a_few_are_not() -> None:
    async with composer() as (widget, _, pilot):
        await paste(widget, pilot, "a\nb\tc")
        assert widget.text == "a\nb\tc"
        await paste(widget, pilot, "\n".join("x" * 31))
        assert widget.text.endswith("#1]")


@pytest.mark.parametrize("key", ["backspace", "ctrl+w"])
async def test_deleting_the_chip_drops_the_paste(key: str) -> None:
    async with composer() as (widget, app, pilot):
        await pilot.press("a")
        await paste(widget, pilot, "y" * 5_000)
        await pilot.press(key)
        assert widget.text == "a"
        await pilot.press("ctrl+z")
        assert app.drafts[-1] == "a" + "y" * 5_000


async def test_no_deletion_leaves_half_a_chip() -> None:
    async with composer() as (widget, _, pilot):
        await paste(widget, pilot, "y" * 5_000)
        await pilot.press("home", "space", "home", "alt+delete")
        assert widget.text == ""


async def test_the_cursor_jumps_over_a_chip_and_cannot_rest_inside() -> None:
    async with composer() as (widget, _, pilot):
        await paste(widget, pilot, "y" * 5_000)
        length = len(widget.text)
        await pilot.press("left")
        assert widget.cursor_location == (0, 0)
        await pilot.press("right")
        assert widget.cursor_location == (0, length)
        widget.move_cursor((0, 5))
        assert widget.cursor_location in {(0, 0), (0, length)}


async def test_the_same_words_typed_by_hand_are_not_a_paste() -> None:
    async with composer() as (widget, app, pilot):
        await paste(widget, pilot, "y" * 5_000)
        await pilot.press("space")
        literal = "[pasted 5,000 characters #1]"
        widget.insert(literal)
        await pilot.press("enter")
        assert app.sent == ["y" * 5_000 + " " + literal]


async def test_pasted_controls_become_visible() -> None:
    async with composer() as (widget, _, pilot):
        await paste(widget, pilot, "\x1b]52;c;aGk=\x07\x1b[2J\r\nok")
        assert widget.text == "␛]52;c;aGk=␇␛[2J\nok"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("中文", "中"),
        (f"a{FAMILY}", "a"),
        ("xe\u0301", "x"),
        ("👍👍🏽", "👍"),
        ("🇨🇳🇺🇸", "🇨🇳"),
        ("❤\ufe0f❤\ufe0f", "❤\ufe0f"),
    ],
)
async def test_backspace_and_delete_take_whole_graphemes(text: str, left: str) -> None:
    async with composer() as (widget, _, pilot):
        widget.set_draft(text)
        await pilot.press("backspace")
        assert widget.text == left
        widget.set_draft(text)
        await pilot.press("left")
        assert widget.cursor_location == (0, len(left))
        await pilot.press("delete")
        assert widget.text == left


async def test_editing_keys() -> None:
    async with composer() as (widget, _, pilot):
        await pilot.press(*"one", "space", *"two", "ctrl+w")
        assert widget.text == "one "
        await pilot.press("ctrl+z")
        assert widget.text == "one two"
        await pilot.press("ctrl+shift+z")
        assert widget.text == "one "
        await pilot.press("ctrl+a", "x", "ctrl+e", "y")
        assert widget.text == "xone y"
        await pilot.press("home", "ctrl+k")
        assert widget.text == ""
        await pilot.press(*"abc", "ctrl+u")
        assert widget.text == ""


@pytest.mark.parametrize("key", ["ctrl+x", "ctrl+shift+k"])
@pytest.mark.parametrize(
    ("draft", "left"), [("", ""), ("one", ""), ("one\ntwo", "one\n"), ("one\n", "one\n"), ("\n", "\n")]
)
async def test_a_whole_line_is_deleted_on_the_last_row_too(key: str, draft: str, left: str) -> None:
    async with composer() as (widget, app, pilot):
        app.copy_to_clipboard("kept")
        widget.set_draft(draft)
        await pilot.press(key)
        assert widget.text == left
        if draft == left or key != "ctrl+x":
            assert app.clipboard == "kept", "nothing was cut"
        else:
            assert app.clipboard == draft.removeprefix(left)
        await pilot.press("x")
        assert widget.text == left + "x"


async def test_a_whole_line_goes_from_among_others() -> None:
    async with composer() as (widget, app, pilot):
        widget.set_draft("one\ntwo\nthree")
        await pilot.press("up", "ctrl+x")
        assert (widget.text, app.clipboard) == ("one\nthree", "two\n")


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
async def test_joiners_can_be_typed(joiner: str) -> None:
    async with composer() as (widget, app, pilot):
        for char in f"a{joiner}b":
            widget.post_message(events.Key(char, char))
        await pilot.pause()
        await pilot.press("enter")
        assert app.sent == [f"a{joiner}b"]


async def test_the_programs_own_keys_pass_through() -> None:
    async with composer() as (_, app, pilot):
        await pilot.press(*(f"ctrl+{key}" for key in "otrgnpy"))
        assert app.notes == list("otrgnpy")


async def test_drafts_are_told_and_can_be_set() -> None:
    async with composer() as (widget, app, pilot):
        await pilot.press("a")
        assert app.drafts[-1] == "a"
        widget.set_draft("z" * 3_000)
        await pilot.pause()
        assert app.drafts[-1] == widget.draft == "z" * 3_000
        assert widget.cursor_at_end_of_text


async def test_a_megabyte_of_paste_costs_no_layout() -> None:
    async with composer() as (widget, app, pilot):
        await paste(widget, pilot, "中文 text\n" * 120_000)
        assert len(widget.text) < 60
        assert app.drafts[-1].startswith("中文 text\n中文")


async def test_chinese_after_a_word_fills_the_row() -> None:
    async with composer((20, 24)) as (widget, _, pilot):
        await pilot.press(*"hello", "space")
        await paste(widget, pilot, "床前明月光，疑是地上霜。举头望明月")
        await pilot.pause()
        assert [widget.render_line(y).text.rstrip() for y in range(3)] == [
            "hello 床前明月光，",
            "疑是地上霜。举头望",
            "明月",
        ]
        assert widget.size.height == 3
        await pilot.press("up", "home", "x")
        assert widget.text == "hello 床前明月光，x疑是地上霜。举头望明月"


async def test_markup_in_a_draft_is_text() -> None:
    async with composer() as (widget, app, pilot):
        widget.set_draft("[red]x[/] [@click=app.quit]x[/]")
        await pilot.pause()
        assert "[red]x[/] [@click=app.quit]x[/]" in widget.render_line(0).text
        assert app.is_running


async def test_tab_moves_the_cursor_nowhere_else() -> None:
    class WithTranscript(Host):
        def compose(self) -> ComposeResult:
            yield TranscriptView()
            yield from super().compose()

    app = WithTranscript()
    async with app.run_test(size=(60, 24)) as pilot:
        widget = app.query_one(Composer)
        await pilot.press("a", "tab", "b", "shift+tab", "c")
        await pilot.click(TranscriptView)
        await pilot.press("d")
        assert widget.has_focus
        assert widget.text == "abcd"
