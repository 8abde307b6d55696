import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from rich.cells import cell_len
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Offset
from textual.pilot import Pilot
from textual.selection import Selection

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


async def test_an_entry_has_a_bar_a_label_and_a_footer() -> None:
    async with view() as (widget, _, pilot):
        widget.set_entries([user(1), answer(1, "**ok**")])
        await pilot.pause()
        assert shown(widget)[:7] == ["▌ you", "▌ question", "", "▌ model", "▌ ok", "▌ 1 tok/s", ""]


async def test_a_stream_grows_line_by_line_and_ends_parsed() -> None:
    async with view() as (widget, app, pilot):
        widget.append_entry(user(1))
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        widget.stream_text("# One\n\nopen **ta")
        await pilot.pause()
        assert painted(app)[3:8] == ["▌ model", "▌ One", "▌", "▌ open **ta", ""]
        widget.stream_text("# One\n\nopen **tail**\n\nmore")
        await pilot.pause()
        assert painted(app)[3:9] == ["▌ model", "▌ One", "▌", "▌ open tail", "▌", "▌ more"]
        widget.end_stream(answer(1, "# One\n\nopen **tail**\n\nmore *end*"))
        await pilot.pause()
        assert painted(app)[3:11] == ["▌ model", "▌ One", "▌", "▌ open tail", "▌", "▌ more end", "▌ 1 tok/s", ""]


async def test_only_changed_lines_are_painted_again() -> None:
    async with view() as (widget, _, pilot):
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        widget.stream_text("one\ntwo")
        await pilot.pause()
        widget.stream_text("one\ntwo three")
        assert {(region.y, region.height) for region in widget._repaint_regions} == {(2, 1)}
        assert max(region.right for region in widget._repaint_regions) == len("▌ two three")


async def test_the_end_is_followed_in_steps_of_half_a_screen() -> None:
    async with view() as (widget, app, pilot):
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        positions: list[int] = []
        for lines in range(1, 40):
            widget.stream_text("\n".join(f"line {number}" for number in range(lines)))
            await pilot.pause()
            positions.append(widget.scroll_offset.y)
            assert f"▌ line {lines - 1}" in painted(app)
        assert len(set(positions)) <= 7, "28 lines beyond the screen take six steps"
        assert all(later - earlier in {0, 7} for earlier, later in pairwise(positions))
        assert app.follows == []


async def test_a_reader_who_scrolled_up_is_left_alone() -> None:
    async with view() as (widget, app, pilot):
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        text = "\n".join(f"line {number}" for number in range(30))
        widget.stream_text(text)
        await pilot.pause()
        await pilot.press("pageup")
        before = painted(app)
        assert app.follows == [False]
        stream(widget, text + "\n" + text, 50)
        widget.end_stream(answer(1, text + "\n" + text))
        await pilot.pause()
        assert painted(app)[:-1] == before[:-1]
        await pilot.press("end")
        await pilot.pause()
        assert app.follows == [False, True]
        assert "▌ 1 tok/s" in painted(app)


async def test_what_the_user_says_is_always_scrolled_to() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([answer(1, "\n".join("abcdefghijklmnopqrst"))])
        await pilot.pause()
        await pilot.press("home")
        assert not widget.following
        widget.append_entry(user(2, "again"))
        await pilot.pause()
        assert "▌ again" in painted(app)
        assert widget.following


async def test_keys_move_without_going_past_the_text() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([answer(1, "\n".join(f"line {number}" for number in range(50)))])
        await pilot.pause()
        end = widget.scroll_offset.y
        await pilot.press("pagedown", "end")
        assert widget.scroll_offset.y == end == 53 - 12
        await pilot.press("home")
        assert widget.scroll_offset.y == 0
        await pilot.press("pagedown")
        assert widget.scroll_offset.y == 11
        await pilot.press("pageup")
        assert widget.scroll_offset.y == 0
        assert app.follows == [False]


async def test_the_wheel_scrolls_and_stops_following() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([answer(1, "\n".join("abcdefghijklmnopqrst"))])
        await pilot.pause()
        end = widget.scroll_offset.y
        await pilot._post_mouse_events([events.MouseScrollUp], TranscriptView)
        await pilot.pause()
        assert widget.scroll_offset.y < end
        assert app.follows == [False]


async def test_resizing_wraps_again_and_keeps_the_reading_position() -> None:
    text = "\n\n".join(f"paragraph {number} " + "word " * 20 for number in range(40))
    async with view((60, 12)) as (widget, app, pilot):
        widget.set_entries([answer(1, "first"), answer(2, text), answer(3, text)])
        await pilot.pause()
        widget.scroll_to(y=60, animate=False)
        await pilot.pause()
        near = next(line for line in painted(app) if "paragraph" in line).split()[2]
        await pilot.resize_terminal(34, 12)
        await pilot.pause()
        assert all(len(line) <= 34 for line in painted(app))
        numbers = [int(line.split()[2]) for line in painted(app) if "paragraph" in line]
        assert any(abs(number - int(near)) <= 3 for number in numbers)
        assert not widget.following


async def test_resizing_at_the_end_stays_there() -> None:
    async with view((60, 12)) as (widget, app, pilot):
        widget.set_entries([answer(number, "word " * 60) for number in range(30)])
        await pilot.pause()
        for size in ((30, 12), (90, 8), (20, 5)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert "▌ 1 tok/s" in painted(app)
            assert widget.following


GROWTHS = [
    ((80, 24), (140, 40)),
    ((80, 24), (80, 40)),
    ((80, 24), (140, 24)),
    ((40, 10), (100, 60)),
    ((20, 8), (20, 9)),
]


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("before", "after"), GROWTHS)
async def test_a_view_that_grows_goes_on_following(
    before: tuple[int, int], after: tuple[int, int], *, streaming: bool
) -> None:
    text = "\n\n".join(f"paragraph {number} " + "word " * 20 for number in range(30))
    async with view(before) as (widget, app, pilot):
        widget.set_entries([answer(0, text), user(1)])
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        for end in range(100, len(text), 100):
            widget.stream_text(text[:end])
            await pilot.pause()
            if end == 1500:
                if not streaming:
                    widget.end_stream(answer(1, text[:end], None))
                    await pilot.pause()
                await pilot.resize_terminal(*after)
                await pilot.pause()
                assert painted(app)[0], "no blank screen above the text"
        assert widget.following
        assert app.follows == []
        last = (text[:end] if streaming else text[:1500]).split()[-1]
        assert any(last in line for line in painted(app))


async def test_entries_that_go_do_not_end_the_following() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([answer(0, "\n".join("abcdefghijklmnop"))])
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        widget.stream_text("\n".join("abcdefghijklmnop"))
        await pilot.pause()
        widget.end_stream(None)
        await pilot.pause()
        await pilot.resize_terminal(40, 30)
        await pilot.pause()
        assert widget.following
        assert app.follows == []
        assert "▌ p" in painted(app)


async def test_a_reader_who_scrolled_up_stays_there_when_the_view_grows() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([answer(0, "\n".join(f"line {number}" for number in range(100)))])
        await pilot.pause()
        await pilot.press("pageup", "pageup", "pageup")
        top = painted(app)[0]
        await pilot.resize_terminal(40, 20)
        await pilot.pause()
        assert painted(app)[0] == top
        assert app.follows == [False]


@pytest.mark.parametrize("columns", [80, 81, 100, 140])
@pytest.mark.parametrize("fill", ["0123456789", "床前明月光疑是地上霜"])
async def test_every_character_is_on_the_screen(columns: int, fill: str) -> None:
    text = fill * 60
    async with view((columns, 40)) as (widget, app, pilot):
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        widget.stream_text(text[:400])
        await pilot.pause()
        widget.end_stream(answer(1, text, None))
        await pilot.pause()
        rows = [line.removeprefix("▌ ") for line in painted(app)[1:] if line]
        assert "".join(rows) == text
        assert max(cell_len(row) for row in rows) in {columns - 3, columns - 4}, "the rows are as wide as they can be"


async def test_what_is_far_away_is_laid_out_when_it_comes_near() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([answer(number, f"number {number}\n\n" + "word " * 100) for number in range(300)])
        await pilot.pause()
        laid_out = [block for block in widget._stack.blocks if block.rows]
        assert len(laid_out) < 10
        await pilot.press("home")
        await pilot.pause()
        assert painted(app)[1] == "▌ number 0"
        seen = set()
        for _ in range(60):
            seen |= {line for line in painted(app) if "number" in line}
            await pilot.press("pagedown")
        assert {f"▌ number {number}" for number in range(20)} <= seen


@pytest.mark.parametrize("kind", ["user", "assistant", "notice", "error"])
async def test_hostile_text_is_shown_as_text(kind: str) -> None:
    async with view((120, 12)) as (widget, app, pilot):
        entry = Entry("x", kind, f"label {HOSTILE}", f"text {HOSTILE}", f"footer {HOSTILE}")  # type: ignore[arg-type]
        widget.append_entry(entry)
        await pilot.pause()
        lines = painted(app)
        assert not any(unicodedata.category(char) in {"Cc", "Cf"} for line in lines for char in line)
        for row, word in enumerate(("label", "text", "footer")):
            assert lines[row].startswith(f"▌ {word} ␛]52;c;aGk=␇ ␛[2J [red]x[/] [@click=app.quit]x[/] <U+009B>2J")
        assert not any(
            "@click" in segment.style.meta for y in range(3) for segment in widget.render_line(y) if segment.style
        )


async def test_a_huge_message_is_folded_and_costs_little() -> None:
    async with view() as (widget, _, pilot):
        widget.append_entry(user(1, "中文 text " * 130_000))
        await pilot.pause()
        block = widget._stack.blocks[0]
        assert len(block.rows) == 23
        assert "more characters" in block.rows[21].plain
        widget.append_entry(user(2, "\n".join(str(number) for number in range(100))))
        rows = [row.plain for row in widget._stack.blocks[1].rows]
        assert rows[1:3] == ["▌ 0", "▌ 1"]
        assert rows[20:22] == ["▌ 19", "▌ … 239 more characters"]


async def test_selected_text_is_copied_without_bars_and_soft_breaks() -> None:
    async with view((24, 12)) as (widget, app, pilot):
        widget.set_entries(
            [answer(1, "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n- one two three four five six")]
        )
        await pilot.pause()
        selected = widget.get_selection(Selection(Offset(0, 1), Offset(99, 5)))
        assert selected is not None
        assert selected[0] == "床前明月光，疑是地上霜。举头望明月，低头思故乡。\n• one two three four five six"
        await pilot.mouse_down(TranscriptView, offset=(2, 1))
        await pilot.hover(TranscriptView, offset=(4, 1))
        await pilot.mouse_up(TranscriptView, offset=(4, 1))
        assert app.screen.get_selected_text() == "床前"


async def test_a_double_click_selects_an_entry() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([user(1, "first"), answer(2, "second\n\nthird"), user(3, "fourth")])
        await pilot.pause()
        await pilot.click(TranscriptView, offset=(3, 5), times=2)
        assert app.screen.get_selected_text() == "second\n\nthird\n1 tok/s"
        assert app.screen.selections[widget].start == Offset(0, 4)


async def test_a_resize_does_not_move_a_text_that_is_in_view() -> None:
    async with view() as (widget, app, pilot):
        widget.append_entry(answer(1, "", None))
        widget.begin_stream("a1")
        stream(widget, "\n".join(f"line {number}" for number in range(20)), 20)
        await pilot.pause()
        first = painted(app)[0]
        await pilot.resize_terminal(40, 11)
        await pilot.pause()
        assert painted(app)[0] == first


async def test_entries_may_come_before_the_first_layout() -> None:
    class Early(Host):
        def compose(self) -> ComposeResult:
            widget = TranscriptView()
            widget.set_entries([answer(number, "word " * 40) for number in range(20)])
            yield widget

    app = Early()
    async with app.run_test(size=(40, 12)) as pilot:
        await pilot.pause()
        assert "▌ 1 tok/s" in painted(app)


async def test_a_change_of_theme_changes_the_colours() -> None:
    async with view() as (widget, app, pilot):
        widget.set_entries([answer(1, "text")])
        await pilot.pause()
        before = [segment.style for segment in widget.render_line(1)]
        app.theme = "textual-light"
        await pilot.pause()
        assert [segment.style for segment in widget.render_line(1)] != before


async def test_a_tiny_screen_and_no_entries_are_fine() -> None:
    async with view((3, 2)) as (widget, _, pilot):
        assert shown(widget) == ["", ""]
        widget.set_entries([answer(1, "中文 text")])
        widget.begin_stream("a1")
        widget.stream_text("中文 text 中文")
        await pilot.pause()
        with pytest.raises(KeyError):
            widget.begin_stream("nothing")


async def test_a_stream_that_came_to_nothing_goes_and_what_came_behind_it_stays() -> None:
    async with view() as (widget, _, pilot):
        widget.set_entries([user(1)])
        widget.append_entry(answer(2, "", None))
        widget.begin_stream("a2")
        widget.stream_text("bound to go")
        widget.append_entry(Entry("n", "notice", "news", "stays"))
        widget.end_stream(None)
        await pilot.pause()
        assert [entry.id for entry in widget.entries] == ["u1", "n"]
        assert not any("bound to go" in line for line in painted(pilot.app))
        assert any("stays" in line for line in painted(pilot.app))
