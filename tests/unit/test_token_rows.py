"""Tokens as rows: nothing raw, nothing lost, and only as much laid out as is asked for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from llmtui.app.render.token_rows import (
    CACHED,
    GONE,
    MISS,
    NEW,
    SPLIT,
    Cell,
    Flow,
    Table,
    difference_items,
    items_of,
    shown,
    shown_parts,
)
from llmtui.domain.messages import ChatMessage
from llmtui.domain.prompt_diff import differences
from llmtui.domain.rendered import ADDED, SPECIAL, Rendered, assemble
from llmtui.domain.text import UNSAFE
from llmtui.services.inspection import find_places

HOSTILE = "a\x1b[2Jb\x00\x9b31m\r\n\u202edcba\u200d\ufe0f\u2028\tz"


def prompt(*pieces, flags=None, **how) -> Rendered:
    data = [piece if isinstance(piece, bytes) else piece.encode() for piece in pieces]
    flags = bytes(flags or len(data))
    text = b"".join(piece for piece, flag in zip(data, flags, strict=True) if not flag & ADDED).decode()
    made = assemble(text, range(100, 100 + len(data)), data, flags, messages=(), frame=None, context_size=99)
    return made if not how else Rendered(**{name: getattr(made, name) for name in made.__struct_fields__} | how)


def laid_out(rendered, width=20):
    flow = Flow(items_of(rendered), width)
    assert not flow.more(10_000)
    return [flow.row(at) for at in range(flow.height)]


def text_of(row):
    return "".join(cell.text for cell in row.cells)


@given(st.lists(st.text(max_size=6), max_size=30), st.integers(2, 30))
def test_every_row_fits_and_holds_nothing_raw(pieces, width):
    rendered = prompt(*pieces)
    rows = laid_out(rendered, width)
    assert all(cell_len(text_of(row)) <= max(width, 10) for row in rows)
    assert not any(UNSAFE.search(text_of(row)) or "\n" in text_of(row) for row in rows)
    together = "".join(text_of(row) for row in rows if row.cells)
    assert together == "".join(shown(piece) for piece in pieces).replace("\n", "↵")


def test_what_cannot_be_seen_is_written_out():
    assert shown(HOSTILE) == "a␛[2Jb␀<U+009B>31m␍\n<U+202E>dcba<U+200D><U+FE0F><U+2028>⇥z"
    assert shown("床前\u3000x") == "床前\u3000x"
    assert shown("\u0301e") == "◌\u0301e"


def test_a_line_feed_ends_the_row_and_tokens_are_kept_whole():
    rows = laid_out(prompt("one ", "two ", "three\n", "four"), width=10)
    assert [text_of(row) for row in rows if row.cells] == ["one two ", "three↵", "four"]


def test_a_character_of_several_tokens_stands_with_the_last():
    rendered = prompt("a", *(bytes([byte]) for byte in "霜".encode()), "床")
    assert list(shown_parts(rendered)) == [("a", False), ("", False), ("", False), ("霜", True), ("床", False)]
    cells = [cell for row in laid_out(rendered) for cell in row.cells]
    assert [(cell.text, cell.place, bool(cell.look & SPLIT)) for cell in cells] == [
        ("a", 0, False),
        ("霜", 3, True),
        ("床", 4, False),
    ]
    assert "<e9>" in text_of(Table(rendered).row(1))


def test_the_table_tells_ids_bytes_and_what_is_special():
    table = Table(prompt("<s>", "床", flags=[SPECIAL | ADDED, 0], cached=1, miss=1))
    assert table.height == 2
    assert re.sub(" +", " ", text_of(table.row(0))) == " 0 100 │<s> │ 3c 73 3e special, added by the tokeniser"
    assert re.sub(" +", " ", text_of(table.row(1))).strip() == "1 101 │床 │ e5 ba 8a"
    assert all(cell.look & MISS for cell in table.row(1).cells if cell.text.strip() == "101")


def test_cached_tokens_and_the_first_that_differs_are_marked():
    rendered = prompt("a", "b", "c", cached=1, miss=2)
    looks = [cell.look for row in laid_out(rendered) for cell in row.cells]
    assert [bool(look & CACHED) for look in looks] == [True, False, False]
    assert [bool(look & MISS) for look in looks] == [False, False, True]


def test_a_long_prompt_is_laid_out_piece_by_piece():
    flow = Flow(items_of(prompt(*["word "] * 5000)), 50)
    assert flow.more(100)
    begun = flow.height
    assert 5 < begun < 20
    assert flow.row_of(4000) == begun - 1
    while flow.more(1000):
        pass
    assert text_of(flow.row(flow.row_of(4000))).startswith("word")
    assert flow.row(flow.row_of(4000)).cells[0].place <= 4000


def test_text_without_tokens_is_shown_line_by_line():
    rendered = assemble("a\x1b\nb", (), (), b"", messages=(), frame=None, context_size=None)
    assert [text_of(row) for row in laid_out(rendered)] == ["a␛↵", "b"]
    assert find_places(rendered, "B") == [range(1, 2)]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("abc", "abc", [("same", 0, 3)]),
        ("abc", "abXc", [("same", 0, 2), ("new", 2, 3), ("same", 3, 4)]),
        ("abc", "ac", [("same", 0, 1), ("gone", 1, 2), ("same", 1, 2)]),
        ("ab", "xy", [("gone", 0, 2), ("new", 0, 2)]),
        ("", "a", [("new", 0, 1)]),
    ],
)
def test_differences(first, second, expected):
    found = [(each.kind, each.start, each.end) for each in differences(first, second)]
    assert found == expected


@given(st.text("ab", max_size=30), st.text("ab", max_size=30))
def test_differences_lead_from_one_to_the_other(first, second):
    found = differences(first, second)
    assert "".join(second[each.start : each.end] for each in found if each.kind != "gone") == second
    kept = [(first if each.kind == "gone" else second)[each.start : each.end] for each in found if each.kind != "new"]
    assert "".join(kept) == first


def test_a_difference_shows_what_stands_around_it_and_hides_the_rest():
    first = prompt(*"x" * 100, "old", *"y" * 5)
    second = prompt(*"x" * 100, "new", *"y" * 5)
    items = list(difference_items(first, second, differences(first.pieces, second.pieces)))
    looks = {cell.text: cell.look & (GONE | NEW) for cell in items if isinstance(cell, Cell)}
    assert looks == {"x": 0, "old": GONE, "new": NEW, "y": 0}
    assert [item.text for item in items if not isinstance(item, Cell)] == ["88 tokens alike"]
    flow = Flow(items, 80)
    flow.more(1000)
    signs = [{cell.look & (GONE | NEW) for cell in flow.row(at).cells} for at in range(flow.height)]
    assert all(len(sign) <= 1 for sign in signs)  # no row is of both
    same = list(difference_items(first, first, differences(first.pieces, first.pieces)))
    assert [item.text for item in same] == ["the two prompts are the same"]


def test_places_are_found_across_tokens():
    rendered = prompt("<s>", "床", "前明", "月", flags=[SPECIAL | ADDED, 0, 0, 0])
    assert find_places(rendered, "明月") == [range(2, 4)]
    assert find_places(rendered, "床") == [range(1, 2)]
    assert find_places(rendered, "") == find_places(rendered, "x") == []


def test_titles_tell_whose_tokens_follow():
    messages = (ChatMessage("user", "b"),)
    rendered = assemble(
        "abc", (1, 2, 3), (b"a", b"b", b"c"), bytes(3), messages=messages, frame="a\ue0000\ue001c", context_size=9
    )
    titles = [row.title for row in laid_out(rendered) if not row.cells]
    assert titles == ["you · 2 tokens", "head of the answer · 1 tokens"]
