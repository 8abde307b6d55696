import itertools
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from llmtui.app.render.lines import (
    NO_LINE_END,
    NO_LINE_START,
    Line,
    break_offsets,
    edit_offsets,
    expand_tabs,
    fold_runs,
    wrap_plain,
    wrap_runs,
)

WORDS = st.sampled_from(
    [
        "床前明月光",
        "，",
        "。",
        "（",
        "）",
        "“好”",
        "《诗》",
        "word",
        "well-known",
        " ",
        "  ",
        "！",
        "——",
        "……",
        "a",
        "霜",
        "12.5%",
        "👍🏽",
    ]
)
SENTENCES = st.lists(WORDS, max_size=40).map("".join)
ANYTHING = st.text(
    st.one_of(
        st.characters(min_codepoint=32, max_codepoint=126),
        st.sampled_from("中文，。（）「」—…\u200d\ufe0f\u0301❤👨👩👧🇨🇳🏽가ｶ　\u00ad"),
    ),
    max_size=120,
)


def rejoined(rows: list[Line]) -> str:
    return "".join(row.plain + row.joint for row in rows)


@given(ANYTHING, st.integers(2, 40))
@settings(max_examples=600, deadline=None)
def test_no_row_is_wider_and_nothing_is_lost(text: str, width: int) -> None:
    rows = wrap_plain(text, width)
    assert all(cell_len(row.plain) == row.cells <= width for row in rows)
    assert rejoined(rows).rstrip() == text.rstrip()
    assert all(set(row.joint) <= {" "} for row in rows[:-1])


@given(SENTENCES, st.integers(20, 40))
@settings(max_examples=600, deadline=None)
def test_kinsoku(text: str, width: int) -> None:
    rows = break_offsets(text, width)
    for (start, end), (following, _) in itertools.pairwise(rows):
        line = text[start:end]
        if _has_a_break(line):
            assert text[following] not in NO_LINE_START
            assert line[-1] not in NO_LINE_END


def _has_a_break(line: str) -> bool:
    """Whether punctuation leaves a choice: two characters side by side, none of them bound to the other."""
    bound = NO_LINE_START | NO_LINE_END
    return any(
        a not in bound and b not in bound and "一" <= a <= "鿿" and "一" <= b <= "鿿"
        for a, b in itertools.pairwise(line)
    )


def test_punctuation_moves_down_with_the_character_before_it() -> None:
    assert [row.plain for row in wrap_plain("疑是地上霜。举头望明月", 10)] == ["疑是地上", "霜。举头望", "明月"]
    assert [row.plain for row in wrap_plain("他说（好的）然后", 6)] == ["他说", "（好", "的）然", "后"]


def test_an_opening_bracket_ends_no_row_even_before_a_space() -> None:
    assert [row.plain for row in wrap_plain("中文（ 中文中", 8)] == ["中文", "（ 中文", "中"]


def test_latin_words_stay_whole_and_break_after_hyphens() -> None:
    assert [row.plain for row in wrap_plain("the well-known fox --flag -5", 9)] == [
        "the well-",
        "known fox",
        "--flag -5",
    ]
    assert [row.plain for row in wrap_plain("见well文", 5)] == ["见", "well", "文"]


def test_an_apostrophe_is_part_of_its_word() -> None:
    assert [row.plain for row in wrap_plain("we don’t know", 7)] == ["we", "don’t", "know"]


@given(ANYTHING, st.integers(2, 40))
@settings(max_examples=300, deadline=None)
def test_rows_of_an_edited_line_hold_every_character(text: str, width: int) -> None:
    starts = [0, *edit_offsets(text, width), len(text)]
    assert starts == sorted(starts)
    rows = [text[start:end] for start, end in pairwise(starts)]
    assert all(cell_len(row) <= width for row in rows)
    assert all(rows[:-1])


def test_an_edited_line_breaks_between_chinese_characters() -> None:
    assert edit_offsets("hello 床前明月光，疑是", 14) == [10]
    assert edit_offsets("hello world", 8) == [6]


def test_long_words_are_folded() -> None:
    assert [row.plain for row in wrap_plain("x" * 25, 10)] == ["x" * 10, "x" * 10, "x" * 5]


def test_graphemes_stay_together() -> None:
    family = "👨\u200d👩\u200d👧"
    assert [row.plain for row in wrap_plain(family * 3, 4)] == [family * 2, family]
    assert [row.plain for row in wrap_plain("e\u0301" * 5, 2)] == ["e\u0301e\u0301", "e\u0301e\u0301", "e\u0301"]


def test_tabs_reach_the_next_stop() -> None:
    assert expand_tabs("a\tb\t中\tc") == "a   b   中  c"


def test_indents_are_kept_and_line_breaks_obeyed() -> None:
    assert [row.plain for row in wrap_plain("  a\n\n  b ", 10)] == ["  a", "", "  b "]


def test_styles_survive_wrapping() -> None:
    bold, plain = Style(bold=True), Style()
    rows = wrap_runs([Segment("one ", plain), Segment("two th", bold), Segment("ree", plain)], 8)
    assert rows[0].segments == [Segment("one ", plain), Segment("two", bold)]
    assert rows[1].segments == [Segment("th", bold), Segment("ree", plain)]
    assert [row.joint for row in rows] == [" ", "\n"]


@given(ANYTHING, st.integers(2, 20))
@settings(deadline=None)
def test_folding_code_keeps_every_character(text: str, width: int) -> None:
    rows = fold_runs([Segment(text[:7]), Segment(text[7:])], width)
    assert "".join(row.plain for row in rows) == text
    assert all(cell_len(row.plain) == row.cells <= width for row in rows)
