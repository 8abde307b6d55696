import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App

from llmtui.app.render.lines import Line, wrap_plain
from llmtui.app.render.markdown import render_markdown
from llmtui.app.render.palette import Palette
from llmtui.app.render.parse import split_closed
from llmtui.app.render.stream import MarkdownStream

PALETTE = Palette.from_theme(App().theme_variables)

PIECES = st.sampled_from(
    [
        *(
            "# h\n",
            "para\n",
            "中文，文字。\n",
            "\n",
            "\n",
            "- a\n",
            "- b **c\n",
            "  - n\n",
            "  cont\n",
            "1. x\n",
            "2) y\n",
        ),
        *("   z\n", "```py\n", "```\n", "~~~\n", "    code\n", "> q\n", ">\n", "> - w\n", "| a | b |\n", "|---|--:|\n"),
        *(
            "| 1 | 2 |\n",
            "---\n",
            "===\n",
            "* * *\n",
            "<b>x</b>\n",
            "$$a_1\n",
            "$$\n",
            "[l](http://x.y)\n",
            "- [ ] t\n",
        ),
        *("*e* `c` ~~s~~\n", "&#27;\n", "#", "-", "word", " ", "`", "|", ">", "\t", "\r\n", "10. ", "- ```\n"),
        *("[a]: http://b\n", "\\"),
    ]
)
SOURCES = st.lists(PIECES, max_size=24).map("".join)


def plain(source: str, width: int = 60) -> list[str]:
    return [row.plain.rstrip() for row in render_markdown(source, width, PALETTE)]


def texts(rows: list[Line]) -> list[tuple[str, str]]:
    return [(row.plain, row.joint) for row in rows]


@given(SOURCES, st.integers(8, 50))
@settings(max_examples=400, deadline=None)
def test_blocks_rendered_one_by_one_equal_the_whole(source: str, width: int) -> None:
    whole = render_markdown(source, width, PALETTE)
    stream = MarkdownStream(width, PALETTE)
    for end in range(0, len(source), 3):
        stream.update(source[:end])
    assert texts(stream.finish(source)) == texts(whole)


@given(SOURCES)
@settings(max_examples=300, deadline=None)
def test_the_closed_part_never_shrinks_as_the_text_grows(source: str) -> None:
    source = source.replace("\r\n", "\n")
    ends = [split_closed(source[:end]) for end in range(len(source) + 1)]
    assert ends == sorted(ends)


@given(SOURCES, st.integers(4, 50))
@settings(max_examples=300, deadline=None)
def test_no_row_is_wider_than_asked_nor_holds_controls(source: str, width: int) -> None:
    for row in render_markdown(source, width, PALETTE):
        assert cell_len(row.plain) == row.cells <= width
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in row.plain)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_renders(source: str) -> None:
    for row in render_markdown(source, 20, PALETTE):
        assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in row.plain)


@given(SOURCES)
@settings(max_examples=200, deadline=None)
def test_a_stream_reports_the_first_row_that_changed(source: str) -> None:
    stream = MarkdownStream(30, PALETTE)
    before: list[Line] = []
    for end in range(0, len(source) + 1, 2):
        changed = stream.update(source[:end])
        assert stream.rows[:changed] == before[:changed]
        before = list(stream.rows)


@given(st.text("ab 中，。（ —\u0301❤\ufe0f", min_size=1, max_size=300), st.integers(4, 30))
@settings(max_examples=200, deadline=None)
def test_an_open_line_looks_the_same_however_it_grew(text: str, width: int) -> None:
    text = "x" + text
    stream = MarkdownStream(width, PALETTE)
    for end in range(1, len(text) + 1):
        stream.update(text[:end])
    assert texts(stream.rows) == texts(wrap_plain(text, width))


def test_a_poem_keeps_its_lines() -> None:
    assert plain("床前明月光，\n疑是地上霜。") == ["床前明月光，", "疑是地上霜。"]


def test_nested_lists_and_tasks() -> None:
    assert plain("- a\n  - b\n\n    c\n- [x] done\n- [ ] open\n\n3. three\n4. four") == [
        "• a",
        "  ◦ b",
        "",
        "    c",
        "☑ done",
        "☐ open",
        "",
        "3. three",
        "4. four",
    ]


def test_html_and_markup_are_text() -> None:
    assert plain("<b>x</b> [red]y[/] [@click=app.quit]z[/]") == ["<b>x</b> [red]y[/] [@click=app.quit]z[/]"]


@pytest.mark.parametrize(
    "hostile", ["\x1b]52;c;aGk=\x07", "\x1b[2J", "\x9b2J", "&#155;", "&#27;[2J", "\u202eabc", "&#8238;"]
)
def test_controls_are_shown_not_sent(hostile: str) -> None:
    for source in (
        hostile,
        f"`{hostile}`",
        f"```{hostile}\n{hostile}\n```",
        f"| {hostile} |\n|--|",
        f"[x](http://{hostile})",
    ):
        shown = "".join(plain(source))
        assert not any(unicodedata.category(char) in {"Cc", "Cf"} for char in shown)


def test_links_show_their_address_and_carry_no_link() -> None:
    rows = render_markdown("[here](http://x.y/) <http://a.b> ![pic](p.png)", 80, PALETTE)
    assert rows[0].plain == "here (http://x.y/) http://a.b pic (p.png)"
    assert all(
        not segment.style or (segment.style.link is None and not segment.style.meta) for segment in rows[0].segments
    )


def test_code_keeps_every_character_and_is_coloured() -> None:
    code = "def f(x):\n\n    return 'a' * 99  # " + "long " * 20
    rows = render_markdown(f"```python\n{code}\n```", 30, PALETTE)
    assert rows[0].plain == "python"
    assert "".join(row.plain + row.joint for row in rows[1:]) == code + "\n"
    assert len({segment.style for row in rows for segment in row.segments}) > 3
    assert all(row.fill == PALETTE.code for row in rows)


def test_unknown_language_is_plain() -> None:
    assert plain("```nosuch lang\nx = 1\n```") == ["nosuch lang", "x = 1"]


def test_table_columns_line_up_with_wide_characters() -> None:
    rows = plain("| 模型 | speed |\n|---|--:|\n| 千问 | 42 |\n| llama | 7 |")
    assert rows == ["模型  │ speed", "──────┼──────", "千问  │    42", "llama │     7"]


def test_a_table_shrinks_and_then_becomes_fields() -> None:
    source = "| one | two |\n|---|---|\n| " + "word " * 10 + "| x |"
    assert all(cell_len(row) <= 24 for row in plain(source, 24))
    narrow = plain("| a | b | c |\n|-|-|-|\n| 11111 | 22222 | 33333 |", 12)
    assert narrow == ["a: 11111", "b: 22222", "c: 33333"]


def test_formulas_stay_as_written() -> None:
    assert plain(r"so $a_1*b*c$ and \(x_1*y*z\) cost $5 and **$10**") == [
        r"so $a_1*b*c$ and \(x_1*y*z\) cost $5 and $10"
    ]


def test_emphasis_next_to_chinese_punctuation() -> None:
    rows = render_markdown("是**《静夜思》**：和~~“错”~~的，snake_case_name **“x”**。", 80, PALETTE)
    assert rows[0].plain == "是《静夜思》：和“错”的，snake_case_name “x”。"


@pytest.mark.parametrize("depth", [3, 8, 15, 40, 300])
def test_deep_nesting_on_a_narrow_screen_loses_no_text(depth: int) -> None:
    rows = plain("> " * depth + "- " * depth + "some words", 16)
    assert all(cell_len(row) <= 16 for row in rows)
    assert "somewords" in re.sub(r"\W", "", "".join(rows))


def test_quotes_and_rules() -> None:
    assert plain("> a\n>\n> > b\n\n---", 14) == ["│ a", "│", "│ │ b", "", "─" * 14]


def test_a_fence_with_blank_lines_is_one_block() -> None:
    assert split_closed("```\na\n\nb\n") == 0
    assert split_closed("```\na\n\nb\n```\n") == len("```\na\n\nb\n```\n")
    assert split_closed("para\n\nmore") == len("para\n\n")
    assert split_closed("- a\n\n- b\n") == len("- a\n\n")
    assert split_closed("para\n#") == 0
