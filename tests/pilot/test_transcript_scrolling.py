"""Following the end of a conversation, scrolling in it, and resizing around it."""

from itertools import pairwise

import pytest
from pilot.view_host import answer, painted, stream, user, view
from textual import events

from llmtui.app.widgets.transcript_view import TranscriptView

GROWTHS = [
    ((80, 24), (140, 40)),
    ((80, 24), (80, 40)),
    ((80, 24), (140, 24)),
    ((40, 10), (100, 60)),
    ((20, 8), (20, 9)),
]


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
