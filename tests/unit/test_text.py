"""Text from strangers: nothing that a terminal obeys survives, nothing that a reader sees is lost."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtui.domain.text import estimate_tokens, visible, visible_characters, visible_line, well_formed

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b]52;c;x\x07", "␛]52;c;x␇"),
        ("\x1b[2J", "␛[2J"),
        ("a\x9b31m", "a<U+009B>31m"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("safe\u202egpj.exe", "safe<U+202E>gpj.exe"),
        ("a\u2028b", "a\nb"),
        ("\ud800", "\ufffd"),
        ("\x7f\x00", "␡␀"),
        ("[red]markup[/] 静夜思 👩‍👩‍👧", "[red]markup[/] 静夜思 👩‍👩‍👧"),
    ],
)
def test_control_characters_become_visible(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(ANY_TEXT)
def test_no_control_character_survives(text: str) -> None:
    shown = visible(text)

    assert not [char for char in shown if unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t"]
    assert visible(shown) == shown
    shown.encode()


@given(ANY_TEXT)
def test_a_line_is_one_line(text: str) -> None:
    assert len(visible_line(text).splitlines()) <= 1


@given(ANY_TEXT)
def test_well_formed_text_can_be_encoded_and_keeps_its_length(text: str) -> None:
    formed = well_formed(text)

    formed.encode()
    assert len(formed) == len(text)
    assert well_formed(formed) == formed


def test_characters_are_counted_as_people_count_them() -> None:
    assert visible_characters("床前明月光，\n e\u0301") == 7


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("hello world!", 3), ("床前明月光疑是地上霜", 8)])
def test_an_estimate_knows_chinese(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
