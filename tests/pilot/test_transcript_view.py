"""What the view of a conversation shows, and what it paints again."""

import unicodedata

import pytest
from pilot.view_host import HOSTILE, Host, answer, painted, shown, user, view
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.geometry import Offset
from textual.selection import Selection

from llmtui.app.widgets.transcript_view import Entry, TranscriptView


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


async def test_a_long_title_is_shown_in_full_and_a_long_name_in_one_row() -> None:
    title = "The conversation is longer than the context, and its older part could not be summed up"
    async with view((40, 20)) as (widget, _, pilot):
        widget.set_entries([Entry("1", "error", title, "why"), Entry("2", "assistant", "n" * 90, "yes")])
        await pilot.pause()
        rows = [row.removeprefix("▌ ") for row in shown(widget)]
        assert " ".join(rows[: rows.index("why")]) == title
        assert set(rows[rows.index("yes") - 1]) == {"n"}
        assert rows[rows.index("yes") - 2] == ""
